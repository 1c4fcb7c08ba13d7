// Every peer: whom `connect` named, the connection that is up, the attempt under way, the wait for the next one. It decides what follows
// when a connection opens, ends or is refused, and tells the handler. Connections are made by the system and handed in.
//
//   idle ── connect ──> dialing ── open ──────────────────────> up ── lost ──┐
//                       ^     └─ failed, rejected ─> waiting                 │
//                       │                              │ <───────────────────┘
//                       └────────── delay over ────────┘          an incoming connection leads to up from everywhere
//
// An entry has `current` and `dialing` independently: another process of the node may be up while the wanted one is still being dialed.

import {
  type LocalIdentity,
  type MessagingHandler,
  type PeerAddress,
  type PeerId,
  ProtocolError,
  type Runtime,
  type Timer,
  TransportError,
} from '@cajun/core/adapter'
import { refusalReason } from './admission.ts'
import type { Connection, ConnectionOwner } from './connection.ts'
import type { ResolvedConnectionOptions } from './connection-options.ts'
import type { Remote } from './handshake.ts'
import type { Farewell, Reason } from './handshake-message.ts'
import { PingTable } from './ping-table.ts'
import { reconnectDelayMs } from './reconnect-delay.ts'

/** Processes that were put out are remembered, up to this many; the oldest is forgotten first. */
const MAX_REFUSED = 1_024

const refusalTexts: Partial<Record<Reason, string>> = {
  disconnected: 'this process was disconnected here, or another took its place',
  preferred: 'another process of this node is connected',
  tie: 'a connection the other way is being made',
  stale: 'a later connection exists',
  unknown: 'the store does not name this process as the present one of its node',
}

interface Entry {
  readonly nodeId: string
  wanted: PeerAddress | undefined
  current: Connection | undefined
  upSinceMs: number
  dialing: Connection | undefined
  retry: Timer | undefined
  /** Attempts in a row that failed, or led to a connection that did not last. */
  attempts: number
  /** What `onError` was last told about the attempts, so that it is told once. */
  reported: string | undefined
}

export interface PeerTableContext {
  readonly options: ResolvedConnectionOptions
  readonly local: LocalIdentity
  readonly handler: MessagingHandler
  /** Undefined: the address can't be read. */
  dial(peer: PeerAddress): Connection | undefined
  /** What an address looks like, for an error about one that can't be read. */
  readonly addressForm: string
}

export class PeerTable implements ConnectionOwner {
  readonly #context: PeerTableContext
  readonly #runtime: Runtime
  readonly #entries = new Map<string, Entry>()
  readonly #refused = new Set<string>()
  readonly pings: PingTable
  /** Connections that this side closed, until their sockets are gone. */
  readonly #closing = new Set<Connection>()
  #stopped = false

  constructor(context: PeerTableContext) {
    this.#context = context
    this.#runtime = context.options.runtime
    this.pings = new PingTable(context.options)
  }

  /** The connection that is up; the hot path of `send`. */
  connectionOf(nodeId: string): Connection | undefined {
    return this.#entries.get(nodeId)?.current
  }

  connect(peer: PeerAddress): void {
    const entry = this.#entry(peer.nodeId)
    const { wanted } = entry
    this.#refused.delete(peer.processId)
    if (wanted !== undefined && wanted.processId === peer.processId && wanted.address === peer.address) return
    entry.wanted = peer
    entry.attempts = 0
    entry.reported = undefined
    if (wanted !== undefined && wanted.processId !== peer.processId) this.#refuse(wanted.processId)
    this.#stopDialing(entry)
    const current = entry.current?.remote?.peer
    if (current !== undefined && current.processId !== peer.processId) {
      this.#refuse(current.processId)
      this.#endCurrent(entry, 'replaced', `process '${peer.processId}' took the place of '${current.processId}'`)
    }
    this.#dial(entry)
  }

  disconnect(nodeId: string): void {
    const entry = this.#entries.get(nodeId)
    if (entry === undefined) return
    this.#entries.delete(nodeId)
    const { wanted, current } = entry
    if (wanted !== undefined) this.#refuse(wanted.processId)
    if (current?.remote !== undefined) this.#refuse(current.remote.peer.processId)
    entry.wanted = undefined
    this.#stopDialing(entry)
    this.#endCurrent(entry, 'disconnected', 'disconnected by the other side', `disconnected from '${nodeId}'`)
  }

  /** Ends everything; resolves when all sockets are closed, which `closeTimeoutMs` bounds. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const entry of [...this.#entries.values()]) {
      entry.wanted = undefined
      this.#stopDialing(entry)
      this.#endCurrent(entry, 'stopped', 'its process stops', 'this messaging system was stopped')
    }
    this.#entries.clear()
    this.pings.stop()
    await Promise.all([...this.#closing].map((connection) => connection.gone()))
  }

  /** Called every so often. Asks those that are silent for a sign of life, and gives up on those that gave none. */
  checkHeartbeats(tickMs: number): void {
    const { heartbeatIntervalMs, heartbeatTimeoutMs } = this.#context.options
    const nowMs = this.#runtime.monotonicMs()
    for (const entry of [...this.#entries.values()]) {
      const { current } = entry
      if (current === undefined) continue
      const silentMs = nowMs - current.heardAtMs
      // Found within the time-out, so at the last tick before it is over: unless this process stood still itself, and never asked.
      const askedForMs = nowMs - (current.askedAtMs ?? nowMs)
      if (silentMs >= heartbeatTimeoutMs - tickMs && askedForMs >= heartbeatTimeoutMs - 2 * heartbeatIntervalMs - tickMs)
        this.#suspect(current, heartbeatTimeoutMs - tickMs)
      else if (silentMs >= heartbeatIntervalMs) current.askForLife()
    }
  }

  onIdentified(connection: Connection, remote: Remote): void {
    const current = this.#context.handler.isCurrent?.(remote.peer) ?? true
    if (typeof current === 'boolean') this.#decide(connection, remote, current)
    else
      current.then(
        (answer) => this.#decide(connection, remote, answer),
        // It can't be known. The peer tries again.
        () => this.#decide(connection, remote, false),
      )
  }

  #decide(connection: Connection, remote: Remote, isCurrent: boolean): void {
    // It may have given up while the store was asked.
    if (!connection.isWaiting) return
    const { peer } = remote
    const entry = this.#entry(peer.nodeId)
    const current = entry.current?.remote
    const { dialing } = entry
    const reason = refusalReason({
      local: this.#context.local,
      remote: peer,
      remoteSerial: remote.serial,
      isCurrent,
      refused: this.#stopped || this.#refused.has(peer.processId),
      wantedProcessId: entry.wanted?.processId,
      current: current && { processId: current.peer.processId, remoteSerial: current.serial },
      helloSent: dialing?.helloSent === true && dialing.expected?.processId === peer.processId,
    })
    if (reason !== undefined) {
      this.#track(connection)
      connection.refuse(reason, refusalTexts[reason] ?? reason)
      this.#forgetIfIdle(entry)
      return
    }
    connection.admit(remote)
    this.#established(entry, connection, peer)
  }

  onOpen(connection: Connection, remote: Remote): void {
    const entry = this.#entries.get(remote.peer.nodeId)
    if (entry?.dialing !== connection) {
      connection.destroy()
      return
    }
    entry.dialing = undefined
    this.#established(entry, connection, remote.peer)
  }

  onRejected(connection: Connection, farewell: Farewell): void {
    this.#track(connection)
    const entry = this.#entryDialing(connection)
    if (entry === undefined) return
    entry.dialing = undefined
    // The connection the other way is made, or is there already.
    const harmless = farewell.reason === 'tie' || farewell.reason === 'stale'
    if (!harmless) this.#reportAttempt(entry, `it refused: ${farewell.text}`)
    this.#retryLater(entry)
  }

  onFrame(connection: Connection, frame: Uint8Array): void {
    if (connection.remote !== undefined) this.#context.handler.onFrame(connection.remote.peer, frame)
  }

  onPong(_connection: Connection, id: number): void {
    this.pings.answered(id)
  }

  onDrain(connection: Connection): void {
    const peer = connection.remote?.peer
    if (peer !== undefined && this.#entries.get(peer.nodeId)?.current === connection) this.#context.handler.onDrain(peer)
  }

  onClosed(connection: Connection, reason: Error): void {
    const peer = connection.remote?.peer
    if (peer === undefined) {
      this.#attemptFailed(connection, reason)
      return
    }
    const entry = this.#entries.get(peer.nodeId)
    if (entry?.current !== connection) return
    this.#track(connection)
    entry.current = undefined
    // One that broke at once counts as a failed attempt: else a peer that lets in and throws out would be dialed without a pause.
    if (this.#runtime.monotonicMs() - entry.upSinceMs >= this.#context.options.heartbeatIntervalMs) entry.attempts = 0
    if (reason instanceof ProtocolError) this.#context.handler.onError?.(reason, peer)
    this.pings.peerDown(peer.nodeId)
    this.#context.handler.onPeerDown(peer, reason)
    this.#retryLater(entry)
    this.#forgetIfIdle(entry)
  }

  #established(entry: Entry, connection: Connection, peer: PeerId): void {
    const before = entry.current?.remote?.peer
    if (before !== undefined) {
      if (before.processId !== peer.processId) this.#refuse(before.processId)
      this.#endCurrent(entry, 'replaced', 'a new connection took its place')
    }
    // Everything may have changed while the handler was told.
    if (this.#stopped || this.#entries.get(peer.nodeId) !== entry || entry.current !== undefined || this.#refused.has(peer.processId)) {
      this.#track(connection)
      connection.close('disconnected', 'disconnected by the other side')
      return
    }
    if (entry.wanted === undefined || entry.wanted.processId === peer.processId) this.#stopDialing(entry)
    entry.current = connection
    entry.upSinceMs = this.#runtime.monotonicMs()
    entry.reported = undefined
    this.#context.handler.onPeerUp(peer)
  }

  /** Closes what is up from this side, and says so. `text` goes to the other side. */
  #endCurrent(entry: Entry, reason: Reason, text: string, ownText = text): void {
    const connection = entry.current
    const peer = connection?.remote?.peer
    if (connection === undefined || peer === undefined) return
    entry.current = undefined
    this.#track(connection)
    connection.close(reason, text)
    this.pings.peerDown(peer.nodeId)
    this.#context.handler.onPeerDown(peer, new TransportError(ownText))
  }

  #attemptFailed(connection: Connection, reason: Error): void {
    this.#track(connection)
    const entry = this.#entryDialing(connection)
    if (entry === undefined) {
      if (connection.expected === undefined && !this.#stopped && reason instanceof ProtocolError) this.#context.handler.onError?.(reason)
      return
    }
    entry.dialing = undefined
    this.#reportAttempt(entry, reason.message, reason)
    this.#retryLater(entry)
  }

  #dial(entry: Entry): void {
    const { wanted } = entry
    if (wanted === undefined || this.#stopped || entry.dialing !== undefined || this.#entries.get(entry.nodeId) !== entry) return
    if (entry.current?.remote?.peer.processId === wanted.processId) return
    entry.dialing = this.#context.dial(wanted)
    if (entry.dialing === undefined) this.#reportAttempt(entry, `the address is not of the form ${this.#context.addressForm}`)
  }

  #retryLater(entry: Entry): void {
    const { wanted } = entry
    if (wanted === undefined || this.#stopped || this.#entries.get(entry.nodeId) !== entry || entry.dialing !== undefined) return
    if (entry.current?.remote?.peer.processId === wanted.processId) return
    entry.retry?.cancel()
    const delayMs = reconnectDelayMs(entry.attempts, this.#context.options.reconnect, this.#runtime.random())
    entry.attempts++
    entry.retry = this.#runtime.setTimer(() => {
      entry.retry = undefined
      this.#dial(entry)
    }, delayMs)
  }

  #stopDialing(entry: Entry): void {
    entry.retry?.cancel()
    entry.retry = undefined
    if (entry.dialing === undefined) return
    this.#track(entry.dialing)
    entry.dialing.destroy()
    entry.dialing = undefined
  }

  /** The check may run late, after this process itself stood still: what came in the meantime is read before anybody is given up. */
  #suspect(connection: Connection, silentMs: number): void {
    this.#runtime.nextTurn(() => {
      const peer = connection.remote?.peer
      if (peer === undefined || this.#entries.get(peer.nodeId)?.current !== connection) return
      if (this.#runtime.monotonicMs() - connection.heardAtMs < silentMs) return
      const { heartbeatTimeoutMs } = this.#context.options
      connection.fail(
        new TransportError(`node '${peer.nodeId}' gave no sign of life for ${heartbeatTimeoutMs} ms (option heartbeatTimeoutMs)`),
      )
    })
  }

  #reportAttempt(entry: Entry, problem: string, cause?: Error): void {
    const { wanted } = entry
    if (wanted === undefined || entry.reported === problem) return
    entry.reported = problem
    const error = new TransportError(`can't connect to node '${wanted.nodeId}' at ${wanted.address}: ${problem}`, cause && { cause })
    this.#context.handler.onError?.(error, { nodeId: wanted.nodeId, processId: wanted.processId })
  }

  #track(connection: Connection): void {
    this.#closing.add(connection)
    void connection.gone().then(() => this.#closing.delete(connection))
  }

  #refuse(processId: string): void {
    this.#refused.delete(processId)
    this.#refused.add(processId)
    if (this.#refused.size > MAX_REFUSED) {
      for (const oldest of this.#refused) {
        this.#refused.delete(oldest)
        break
      }
    }
  }

  #entry(nodeId: string): Entry {
    let entry = this.#entries.get(nodeId)
    if (entry === undefined) {
      entry = {
        nodeId,
        wanted: undefined,
        current: undefined,
        upSinceMs: 0,
        dialing: undefined,
        retry: undefined,
        attempts: 0,
        reported: undefined,
      }
      this.#entries.set(nodeId, entry)
    }
    return entry
  }

  #entryDialing(connection: Connection): Entry | undefined {
    const { expected } = connection
    const entry = expected && this.#entries.get(expected.nodeId)
    return entry?.dialing === connection ? entry : undefined
  }

  #forgetIfIdle(entry: Entry): void {
    if (entry.wanted === undefined && entry.current === undefined && this.#entries.get(entry.nodeId) === entry)
      this.#entries.delete(entry.nodeId)
  }
}
