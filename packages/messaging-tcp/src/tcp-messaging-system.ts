// MessagingSystem over TCP: one connection per pair of processes, plain frames with a length in front (wire-format.ts). This file owns the
// life of the system; who is connected is peer-table.ts, what happens on a socket connection.ts.

import { connect as openSocket, type Socket } from 'node:net'
import {
  ClosedError,
  type LocalIdentity,
  type MessagingCapabilities,
  type MessagingHandler,
  type MessagingSystem,
  type PeerAddress,
  type Timer,
  TransportError,
} from '@cajun/core/adapter'
import {
  Connection,
  type ConnectionContext,
  Listener,
  MAX_NAME_BYTES,
  nameFits,
  openLimits,
  PeerTable,
  parseAddress,
  type ResolvedStreamOptions,
  resolveStreamOptions,
  type StreamMessagingOptions,
} from '@cajun/messaging-stream'

type State =
  | { readonly at: 'new' }
  | { readonly at: 'starting'; readonly settled: Promise<void> }
  | Running
  | { readonly at: 'stopped'; readonly done: Promise<void> }

interface Running {
  readonly at: 'running'
  readonly local: LocalIdentity
  readonly listener: Listener
  readonly peers: PeerTable
  /** Incoming connections whose handshake is not complete. */
  readonly pending: Set<Connection>
}

/**
 * The TCP transport. Ordered and not durable: what was accepted for a peer is lost when its connection is lost, and core sends it again.
 *
 * Not encrypted and not authenticated: it listens on the loopback interface unless `insecure: true` says that everybody who reaches the port is trusted.
 *
 * Gotcha: a frame that `onFrame` gets may be a view into the chunk that the socket read; whoever keeps a small part of it keeps up to 64 KiB alive.
 */
export class TcpMessagingSystem implements MessagingSystem {
  readonly capabilities: MessagingCapabilities
  readonly #options: ResolvedStreamOptions
  #state: State = { at: 'new' }
  /** `undefined` unless running: the hot path's short way to it. */
  #peers: PeerTable | undefined
  #context: ConnectionContext | undefined
  #heartbeat: Timer | undefined

  /** Throws `ConfigError` for options that are wrong or contradict each other. */
  constructor(options: StreamMessagingOptions) {
    this.#options = resolveStreamOptions(options)
    this.capabilities = { ordered: true, durable: false, maxFrameBytes: this.#options.maxFrameBytes }
  }

  async start(local: LocalIdentity, handler: MessagingHandler): Promise<{ readonly address: string }> {
    if (this.#state.at === 'stopped') throw new ClosedError('this messaging system was stopped; make a new one')
    if (this.#state.at !== 'new') throw new TypeError('this messaging system was started already; it starts once')
    for (const name of [local.clusterId, local.nodeId, local.processId]) checkName(name)

    const pending = new Set<Connection>()
    const listener = new Listener(
      this.#options,
      (socket) => this.#incoming(socket),
      (error) => handler.onError?.(error),
    )
    const starting = Promise.withResolvers<void>()
    this.#state = { at: 'starting', settled: starting.promise }
    let serial = 0
    const identity = { local, maxFrameBytes: this.#options.maxFrameBytes, nextSerial: () => ++serial }
    const peers: PeerTable = new PeerTable({
      options: this.#options,
      local,
      handler,
      dial: (peer) => this.#dial(context, peer),
      settled: (connection) => pending.delete(connection),
    })
    const context: ConnectionContext = {
      options: this.#options,
      identity,
      owner: peers,
      openLimits: openLimits(this.#options.maxFrameBytes),
    }
    this.#context = context

    let address: string
    try {
      address = await listener.listen()
    } catch (error) {
      if (this.#state.at === 'starting') this.#state = { at: 'new' }
      starting.resolve()
      throw error
    }
    if (this.#state.at !== 'starting') {
      await listener.close()
      starting.resolve()
      throw new ClosedError('this messaging system was stopped while it started')
    }
    starting.resolve()
    this.#state = { at: 'running', local, listener, peers, pending }
    this.#peers = peers
    this.#beat()
    return { address }
  }

  connect(peer: PeerAddress): void {
    const { local, peers } = this.#running()
    if (peer.nodeId === local.nodeId) throw new TypeError(`node '${peer.nodeId}' is this node; connect to others`)
    checkName(peer.nodeId)
    checkName(peer.processId)
    peers.connect(peer)
  }

  disconnect(nodeId: string): void {
    this.#peers?.disconnect(nodeId)
  }

  send(nodeId: string, frame: Uint8Array): boolean {
    const bytes = frame.byteLength
    if (bytes > this.#options.maxFrameBytes || bytes === 0) {
      throw new TypeError(`frame of ${bytes} bytes; 1 to ${this.#options.maxFrameBytes} are allowed (option maxFrameBytes)`)
    }
    const connection = this.#peers?.connectionOf(nodeId)
    return connection === undefined ? false : connection.send(frame)
  }

  bufferedBytes(nodeId: string): number {
    return this.#peers?.connectionOf(nodeId)?.bufferedBytes ?? 0
  }

  /** Round trip in milliseconds. Rejects with `TransportError` when the peer is not up, goes down, or does not answer within `heartbeatTimeoutMs`. */
  ping(nodeId: string): Promise<number> {
    const connection = this.#peers?.connectionOf(nodeId)
    if (this.#peers === undefined || connection === undefined) {
      return Promise.reject(new TransportError(`ping of node '${nodeId}': the peer is not up`))
    }
    return this.#peers.pings.ping(nodeId, connection)
  }

  stop(): Promise<void> {
    const state = this.#state
    if (state.at === 'stopped') return state.done
    const stopping = Promise.withResolvers<void>()
    // First, because handlers run while it stops and may come back here.
    this.#state = { at: 'stopped', done: stopping.promise }
    const done = state.at === 'running' ? this.#stop(state) : state.at === 'starting' ? state.settled : Promise.resolve()
    done.then(stopping.resolve, stopping.reject)
    return stopping.promise
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(running: Running): Promise<void> {
    this.#peers = undefined
    this.#heartbeat?.cancel()
    const closed = running.listener.close()
    for (const connection of running.pending) connection.destroy()
    await running.peers.stop()
    await closed
  }

  #running(): Running {
    if (this.#state.at === 'running') return this.#state
    if (this.#state.at === 'stopped') throw new ClosedError('this messaging system was stopped; make a new one')
    throw new TypeError('this messaging system is not running yet; await start() first')
  }

  #incoming(socket: Socket): void {
    const state = this.#state
    if (state.at !== 'running' || this.#context === undefined || state.pending.size >= this.#options.maxPendingConnections) {
      socket.on('error', () => {})
      socket.destroy()
      return
    }
    state.pending.add(Connection.accepted(this.#context, socket))
  }

  #dial(context: ConnectionContext, peer: PeerAddress): Connection | undefined {
    const target = parseAddress(peer.address)
    if (target === undefined) return undefined
    return Connection.dialed(context, openSocket({ ...target, noDelay: true }), peer)
  }

  /** Twice an interval, for all connections at once. */
  #beat(): void {
    const tickMs = this.#options.heartbeatIntervalMs / 2
    this.#heartbeat = this.#options.runtime.setTimer(() => {
      if (this.#peers === undefined) return
      this.#peers.checkHeartbeats(tickMs)
      this.#beat()
    }, tickMs)
  }
}

function checkName(name: string): void {
  if (!nameFits(name))
    throw new TypeError(`'${name}' can't be the name of a cluster, node or process: 1 to ${MAX_NAME_BYTES} bytes of UTF-8 are allowed`)
}
