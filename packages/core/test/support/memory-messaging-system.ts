// A MessagingSystem on the test network: wants, attempts and refusals per peer, as the TCP transport has them.

import { ClosedError, ProtocolError, TransportError } from '../../src/errors.ts'
import type {
  LocalIdentity,
  MessagingCapabilities,
  MessagingHandler,
  MessagingSystem,
  PeerAddress,
  PeerId,
} from '../../src/messaging/messaging-system.ts'
import type { Runtime, Timer } from '../../src/runtime/runtime.ts'
import type { MemoryConnection } from './memory-connection.ts'
import type { MemoryNetwork } from './memory-network.ts'

const FIRST_RETRY_MS = 10
const LONGEST_RETRY_MS = 1_000

interface Peer {
  wanted: PeerAddress | undefined
  connection: MemoryConnection | undefined
  /** Whom `onPeerUp` named last; undefined while the peer is down. */
  up: PeerId | undefined
  attempts: number
  retry: Timer | undefined
  dialing: boolean
}

export class MemoryMessagingSystem implements MessagingSystem {
  readonly runtime: Runtime
  readonly capabilities: MessagingCapabilities
  readonly #network: MemoryNetwork
  readonly #address: string
  readonly #peers = new Map<string, Peer>()
  /** Processes that `disconnect` or a later incarnation put out. */
  readonly #refused = new Set<string>()
  #handler: MessagingHandler | undefined
  #state: 'new' | 'started' | 'stopped' = 'new'
  #held: (() => void)[] = []
  local: LocalIdentity | undefined
  frozen = false

  constructor(network: MemoryNetwork, runtime: Runtime, address: string) {
    this.#network = network
    this.runtime = runtime
    this.#address = address
    this.capabilities = { ordered: true, durable: false, maxFrameBytes: network.options.maxFrameBytes }
  }

  get nodeId(): string {
    return this.local?.nodeId ?? ''
  }

  async start(local: LocalIdentity, handler: MessagingHandler): Promise<{ readonly address: string }> {
    if (this.#state === 'stopped') throw new ClosedError('this messaging system was stopped; make a new one')
    if (this.#state === 'started') throw new TypeError('this messaging system was started already')
    if (!this.#network.listen(this.#address, this)) throw new TransportError(`can't listen on ${this.#address}: the address is taken`)
    this.local = local
    this.#handler = handler
    this.#state = 'started'
    return { address: this.#address }
  }

  connect(peer: PeerAddress): void {
    if (this.#state !== 'started') throw new ClosedError('this messaging system is not running')
    if (peer.nodeId === this.nodeId) throw new TypeError(`node '${peer.nodeId}' is this node; connect to others`)
    const entry = this.#peer(peer.nodeId)
    const { wanted } = entry
    this.#refused.delete(peer.processId)
    if (wanted?.processId === peer.processId && wanted.address === peer.address) return
    entry.wanted = peer
    entry.attempts = 0
    if (wanted !== undefined && wanted.processId !== peer.processId) this.#refused.add(wanted.processId)
    if (entry.up !== undefined && entry.up.processId !== peer.processId) {
      this.#refused.add(entry.up.processId)
      entry.connection?.break(new TransportError(`another process took the place of ${peer.nodeId}`))
    }
    this.#dialSoon(entry)
  }

  disconnect(nodeId: string): void {
    const entry = this.#peers.get(nodeId)
    if (entry === undefined) return
    this.#peers.delete(nodeId)
    entry.retry?.cancel()
    for (const peer of [entry.wanted, entry.up]) if (peer !== undefined) this.#refused.add(peer.processId)
    entry.wanted = undefined
    entry.connection?.finish(this, new TransportError(`node '${this.nodeId}' disconnected from '${nodeId}'`))
    this.#down(entry, new TransportError(`disconnected from '${nodeId}'`))
  }

  send(nodeId: string, frame: Uint8Array): boolean {
    const { maxFrameBytes } = this.capabilities
    if (frame.byteLength > maxFrameBytes) throw new TypeError(`frame of ${frame.byteLength} bytes; at most ${maxFrameBytes} are allowed`)
    if (frame.byteLength === 0) throw new TypeError(`frame of 0 bytes; 1 to ${maxFrameBytes} are allowed`)
    const entry = this.#peers.get(nodeId)
    if (entry?.connection === undefined || entry.up === undefined) return false
    return entry.connection.send(this, frame)
  }

  bufferedBytes(nodeId: string): number {
    return this.#peers.get(nodeId)?.connection?.bufferedBytes(this) ?? 0
  }

  ping(nodeId: string): Promise<number> {
    const connection = this.#peers.get(nodeId)?.connection
    if (connection === undefined) return Promise.reject(new TransportError(`ping of '${nodeId}': the peer is not up`))
    const startedMs = this.runtime.monotonicMs()
    const other = connection.other(this)
    const silent = () =>
      other.frozen || this.#network.isCut(this.nodeId, other.nodeId) || this.#network.isCut(other.nodeId, this.nodeId) || !connection.open
    return new Promise((resolve, reject) => {
      const late = this.runtime.setTimer(
        () => reject(new TransportError(`ping of '${nodeId}': no answer within ${this.#network.options.heartbeatTimeoutMs} ms`)),
        this.#network.options.heartbeatTimeoutMs,
      )
      this.runtime.nextTurn(() => {
        if (silent()) return
        late.cancel()
        resolve(this.runtime.monotonicMs() - startedMs)
      })
    })
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    if (this.local !== undefined) this.#network.unlisten(this.#address)
    for (const nodeId of [...this.#peers.keys()]) this.disconnect(nodeId)
    this.#handler = undefined
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  // What follows is for the network and its connections.

  freeze(): void {
    this.frozen = true
  }

  thaw(): void {
    this.frozen = false
    const held = this.#held
    this.#held = []
    for (const call of held) call()
  }

  crash(): void {
    this.#state = 'stopped'
    this.#handler = undefined
    this.#network.unlisten(this.#address)
    for (const entry of this.#peers.values()) {
      entry.retry?.cancel()
      entry.wanted = undefined
      entry.connection?.break(new Error('connection reset'))
    }
  }

  malformed(peer: PeerId | undefined): void {
    this.#handler?.onError?.(new ProtocolError('malformed bytes'), peer)
  }

  receive(connection: MemoryConnection, frame: Uint8Array): void {
    const entry = this.#entryOf(connection)
    if (entry?.up === undefined) return
    this.#handler?.onFrame(entry.up, frame)
  }

  drained(connection: MemoryConnection): void {
    const entry = this.#entryOf(connection)
    if (entry?.up !== undefined) this.#handler?.onDrain(entry.up)
  }

  connectionLost(connection: MemoryConnection, reason: Error): void {
    const entry = this.#entryOf(connection)
    if (entry === undefined) return
    entry.connection = undefined
    this.#down(entry, reason)
    if (entry.wanted !== undefined) this.#retryLater(entry)
  }

  /** Why a connection from `dialer` is refused; undefined: it is welcome. */
  refusal(dialer: LocalIdentity, asked: PeerId): string | undefined {
    const { local } = this
    if (local === undefined || this.#state !== 'started' || this.frozen) return 'nobody answers'
    if (dialer.clusterId !== local.clusterId) return `it belongs to cluster '${local.clusterId}'`
    if (asked.nodeId !== local.nodeId) return `it is node '${local.nodeId}'`
    if (asked.processId !== local.processId) return 'another process runs there now'
    if (this.#refused.has(dialer.processId)) return 'it refuses this process'
    const entry = this.#peers.get(dialer.nodeId)
    if (entry?.up !== undefined && entry.wanted?.processId === entry.up.processId && entry.up.processId !== dialer.processId) {
      return 'it is connected to another process of this node'
    }
    return undefined
  }

  /** The connection stands; an older one to the same node ends. */
  joined(connection: MemoryConnection, peer: PeerId): void {
    const entry = this.#peer(peer.nodeId)
    if (entry.up !== undefined && entry.up.processId !== peer.processId) this.#refused.add(entry.up.processId)
    const older = entry.connection
    entry.connection = undefined
    older?.break(new TransportError('a new connection took its place'))
    this.#down(entry, new TransportError('a new connection took its place'))
    entry.retry?.cancel()
    entry.attempts = 0
    entry.connection = connection
  }

  announceUp(connection: MemoryConnection): void {
    const entry = this.#entryOf(connection)
    const other = connection.other(this).local
    if (entry === undefined || other === undefined || !connection.open) return
    const peer: PeerId = { nodeId: other.nodeId, processId: other.processId }
    entry.up = peer
    this.#call(() => this.#handler?.onPeerUp(peer))
  }

  #peer(nodeId: string): Peer {
    let entry = this.#peers.get(nodeId)
    if (entry === undefined) {
      entry = { wanted: undefined, connection: undefined, up: undefined, attempts: 0, retry: undefined, dialing: false }
      this.#peers.set(nodeId, entry)
    }
    return entry
  }

  #entryOf(connection: MemoryConnection): Peer | undefined {
    for (const entry of this.#peers.values()) if (entry.connection === connection) return entry
    return undefined
  }

  #call(call: () => void): void {
    if (this.frozen) this.#held.push(call)
    else call()
  }

  #down(entry: Peer, reason: Error): void {
    const peer = entry.up
    if (peer === undefined) return
    entry.up = undefined
    this.#call(() => this.#handler?.onPeerDown(peer, reason))
  }

  #dialSoon(entry: Peer): void {
    if (entry.dialing) return
    entry.dialing = true
    entry.retry?.cancel()
    this.runtime.nextTurn(() => {
      entry.dialing = false
      this.#dial(entry)
    })
  }

  #retryLater(entry: Peer): void {
    entry.retry?.cancel()
    const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** entry.attempts++)
    entry.retry = this.runtime.setTimer(() => this.#dialSoon(entry), this.#network.random() * ceiling)
  }

  #dial(entry: Peer): void {
    const { wanted } = entry
    const { local } = this
    if (wanted === undefined || local === undefined || this.#state !== 'started') return
    if (entry.up?.processId === wanted.processId) return
    this.#network.attempted(this.nodeId, wanted.nodeId)
    const target = this.#network.at(wanted.address)
    const unreachable = this.frozen || this.#network.isCut(this.nodeId, wanted.nodeId) || this.#network.isCut(wanted.nodeId, this.nodeId)
    const refusal = target === undefined || unreachable ? 'nobody answers' : target.refusal(local, wanted)
    if (target === undefined || refusal !== undefined) {
      if (entry.attempts === 0) {
        this.#handler?.onError?.(new TransportError(`can't connect to '${wanted.nodeId}' at ${wanted.address}: ${refusal}`), wanted)
      }
      this.#retryLater(entry)
      return
    }
    const connection = this.#network.join(this, target)
    this.joined(connection, wanted)
    target.joined(connection, local)
    this.announceUp(connection)
    target.announceUp(connection)
  }
}
