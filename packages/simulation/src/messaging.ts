// The transport that a simulated process is given: core's MessagingSystem contract over simulated connections.
// Owns who is to be connected, dialling and its backoff, and which connection of a node counts.

import {
  ClosedError,
  type LocalIdentity,
  type MessagingCapabilities,
  type MessagingHandler,
  type MessagingSystem,
  type PeerAddress,
  type PeerId,
  TransportError,
} from '@cajun/core/adapter'
import type { Connection } from './connection.ts'
import type { SimulatedProcess } from './host.ts'
import type { SimulatedNetwork } from './network.ts'

const FIRST_BACKOFF_MS = 20
const LONGEST_BACKOFF_MS = 500

interface Live {
  readonly connection: Connection
  readonly remote: SimulatedMessaging
  readonly peer: PeerId
}

interface Wanted {
  peer: PeerAddress
  attempts: number
  dialling: boolean
}

export class SimulatedMessaging implements MessagingSystem {
  readonly capabilities: MessagingCapabilities
  readonly process: SimulatedProcess
  readonly #network: SimulatedNetwork
  #local: LocalIdentity | undefined
  #handler: MessagingHandler | undefined
  #stopped = false
  readonly #live = new Map<string, Live>()
  readonly #wanted = new Map<string, Wanted>()
  /** Disconnected by us: its own attempts are refused until `connect` names it again. */
  readonly #refused = new Map<string, string>()
  /** What ends each ping that waits for its answer. */
  readonly #pings = new Set<() => void>()

  constructor(network: SimulatedNetwork, process: SimulatedProcess) {
    this.#network = network
    this.process = process
    const { ordered, maxFrameBytes } = network.profile
    this.capabilities = { ordered, durable: !ordered, maxFrameBytes }
  }

  get nodeId(): string {
    return this.process.nodeId
  }

  get identity(): LocalIdentity {
    if (this.#local === undefined) throw new Error('the transport has not been started')
    return this.#local
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  async start(local: LocalIdentity, handler: MessagingHandler): Promise<{ readonly address: string }> {
    if (this.#stopped) throw new ClosedError('start: the transport was stopped')
    if (local.nodeId !== this.nodeId) throw new TransportError(`node ${local.nodeId} is started on the machine of ${this.nodeId}`)
    this.#local = local
    this.#handler = handler
    this.#network.listen(this)
    return { address: `sim://${this.nodeId}` }
  }

  connect(peer: PeerAddress): void {
    if (this.#stopped) throw new ClosedError('connect: the transport was stopped')
    this.#refused.delete(peer.nodeId)
    const wanted = this.#wanted.get(peer.nodeId)
    if (wanted?.peer.processId === peer.processId) {
      wanted.peer = peer
      return
    }
    const fresh: Wanted = { peer, attempts: 0, dialling: false }
    this.#wanted.set(peer.nodeId, fresh)
    const live = this.#live.get(peer.nodeId)
    if (live !== undefined && live.peer.processId !== peer.processId) this.#drop(live, 'another process is wanted')
    this.#dialAfter(0, fresh)
  }

  disconnect(nodeId: string): void {
    const wanted = this.#wanted.get(nodeId)
    this.#wanted.delete(nodeId)
    const live = this.#live.get(nodeId)
    const processId = live?.peer.processId ?? wanted?.peer.processId
    if (processId !== undefined) this.#refused.set(nodeId, processId)
    if (live !== undefined) this.#drop(live, 'disconnected')
  }

  send(nodeId: string, frame: Uint8Array): boolean {
    const { maxFrameBytes } = this.capabilities
    if (frame.length === 0 || frame.length > maxFrameBytes) {
      throw new TypeError(`a frame of ${frame.length} bytes; 1 to ${maxFrameBytes} are allowed`)
    }
    const live = this.#live.get(nodeId)
    if (this.process.isCrashed || live === undefined) return false
    return live.connection.send(this, frame)
  }

  bufferedBytes(nodeId: string): number {
    return this.#live.get(nodeId)?.connection.bufferedBytes(this) ?? 0
  }

  ping(nodeId: string): Promise<number> {
    const { profile } = this.#network
    return new Promise((resolve, reject) => {
      const fail = (): void => {
        this.#pings.delete(fail)
        reject(new TransportError(`${nodeId} does not answer`))
      }
      const live = this.#live.get(nodeId)
      if (live === undefined) return fail()
      this.#pings.add(fail)
      const tripMs = this.#network.latencyMs(this.nodeId, nodeId) + this.#network.latencyMs(nodeId, this.nodeId)
      this.process.postAfter(tripMs, () => {
        const open = this.#network.path(this.nodeId, nodeId).cuts + this.#network.path(nodeId, this.nodeId).cuts === 0
        if (open && this.#live.get(nodeId) === live && !live.remote.process.isPaused) {
          this.#pings.delete(fail)
          resolve(tripMs)
        } else this.process.postAfter(profile.heartbeatTimeoutMs, fail)
      })
    })
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#network.unlisten(this)
    this.#wanted.clear()
    for (const fail of [...this.#pings]) fail()
    for (const live of [...this.#live.values()]) this.#drop(live, 'stopped', true)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  // ── Called by connections ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  receive(from: PeerId, frame: Uint8Array): void {
    if (!this.#stopped) this.#handler?.onFrame(from, frame)
  }

  isUpWith(peer: PeerId): boolean {
    return this.#live.get(peer.nodeId)?.peer.processId === peer.processId
  }

  /** `peer` and `self`: who the two were when it was made. */
  connectionUp(connection: Connection, remote: SimulatedMessaging, peer: PeerId, self: PeerId): void {
    const present = this.#live.get(remote.nodeId)
    const wanted = this.#wanted.get(remote.nodeId)
    const isWanted = wanted === undefined || wanted.peer.processId === peer.processId
    const isRefused = this.#refused.get(remote.nodeId) === peer.processId || self.processId !== this.identity.processId
    // The process that `connect` named last stays while it is up.
    if (this.#stopped || isRefused || (present !== undefined && !isWanted)) {
      connection.close(this, 'refused')
      return
    }
    if (present !== undefined) {
      this.#network.marks.reach(
        present.remote === remote ? 'reconnected before the loss was noticed' : 'new process took a live connection',
      )
      this.#drop(present, 'replaced')
    }
    if (wanted !== undefined && isWanted) wanted.attempts = 0
    this.#live.set(remote.nodeId, { connection, remote, peer })
    this.#handler?.onPeerUp(peer)
  }

  connectionDown(connection: Connection, peer: PeerId, reason: string): void {
    const live = this.#live.get(peer.nodeId)
    if (live?.connection === connection) {
      this.#live.delete(peer.nodeId)
      if (!this.#stopped) this.#handler?.onPeerDown(peer, new TransportError(`connection to ${peer.nodeId}: ${reason}`))
    }
    const wanted = this.#wanted.get(peer.nodeId)
    if (wanted !== undefined && !this.#live.has(peer.nodeId)) this.#retry(wanted)
  }

  drained(to: PeerId, connection: Connection): void {
    if (!this.#stopped && this.#live.get(to.nodeId)?.connection === connection) this.#handler?.onDrain(to)
  }

  // ── Inside ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #drop(live: Live, reason: string, graceful = false): void {
    this.#live.delete(live.remote.nodeId)
    live.connection.close(this, reason, graceful)
    this.#handler?.onPeerDown(live.peer, new TransportError(`connection to ${live.remote.nodeId}: ${reason}`))
  }

  #retry(wanted: Wanted): void {
    const backoffMs = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(wanted.attempts, 6))
    this.#dialAfter(backoffMs * this.#network.random.between(0.5, 1), wanted)
  }

  #dialAfter(delayMs: number, wanted: Wanted): void {
    if (wanted.dialling) return
    wanted.dialling = true
    this.process.postAfter(delayMs, () => {
      const { nodeId } = wanted.peer
      if (this.#stopped || this.#wanted.get(nodeId) !== wanted || this.#live.has(nodeId)) {
        wanted.dialling = false
        return
      }
      wanted.attempts++
      const tripMs = this.#network.latencyMs(this.nodeId, nodeId) + this.#network.latencyMs(nodeId, this.nodeId)
      this.#network.loop.after(tripMs, () => {
        wanted.dialling = false
        this.#arrived(wanted)
      })
    })
  }

  /** The attempt is at the other side, which may not be there, may be another process, or may not be able to answer. */
  #arrived(wanted: Wanted): void {
    if (this.#stopped || this.process.isCrashed || this.#wanted.get(wanted.peer.nodeId) !== wanted) return
    const remote = this.#network.at(wanted.peer.nodeId)
    const { nodeId } = wanted.peer
    const open = this.#network.path(this.nodeId, nodeId).cuts === 0 && this.#network.path(nodeId, this.nodeId).cuts === 0
    const willing =
      remote !== undefined &&
      remote.identity.processId === wanted.peer.processId &&
      remote.identity.clusterId === this.identity.clusterId &&
      remote.#refused.get(this.nodeId) !== this.identity.processId &&
      !remote.process.isPaused &&
      !this.process.isPaused
    if (!open || !willing) this.process.post(() => this.#retry(wanted))
    else if (this.#network.connectionBetween(this, remote) === undefined) this.#network.establish(this, remote)
    else
      this.process.post(() => {
        if (!this.#live.has(nodeId)) this.#retry(wanted)
      })
  }
}

export function peerOf(remote: SimulatedMessaging): PeerId {
  const { nodeId, processId } = remote.identity
  return { nodeId, processId }
}
