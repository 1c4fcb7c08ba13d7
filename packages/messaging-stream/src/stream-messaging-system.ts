// MessagingSystem over whatever carries a stream of bytes: one connection per pair of processes. This file owns the life of the system; who is
// connected is peer-table.ts, what is said connection.ts, and how bytes travel the carrier's affair.

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
import { Authenticator, NONCE_BYTES, type SharedSecret } from './authenticator.ts'
import type { Carrier } from './carrier.ts'
import { Connection, type ConnectionContext, openLimits } from './connection.ts'
import type { ResolvedConnectionOptions } from './connection-options.ts'
import type { HandshakeIdentity } from './handshake.ts'
import { nameFits } from './handshake-message.ts'
import { PeerTable } from './peer-table.ts'
import type { TlsCredentials } from './tls-credentials.ts'
import { MAX_NAME_BYTES } from './wire-format.ts'

type State =
  | { readonly at: 'new' }
  | { readonly at: 'starting'; readonly settled: Promise<void> }
  | Running
  | { readonly at: 'stopped'; readonly done: Promise<void> }

interface Running {
  readonly at: 'running'
  readonly local: LocalIdentity
  readonly peers: PeerTable
}

/** What keeps strangers out. Without any of it, names are believed. */
export interface StreamSecurity {
  /** Resolved: one, or two while it is exchanged. */
  readonly secrets?: readonly SharedSecret[] | undefined
  /** Those that the carrier uses; a channel without TLS is then refused. */
  readonly credentials?: TlsCredentials | undefined
}

/** Ordered and not durable: what was accepted for a peer is lost when its connection is lost, and core sends it again. */
export abstract class StreamMessagingSystem implements MessagingSystem {
  readonly capabilities: MessagingCapabilities
  readonly #options: ResolvedConnectionOptions
  readonly #carrier: Carrier
  readonly #security: StreamSecurity
  #state: State = { at: 'new' }
  /** `undefined` unless running: the hot path's short way to it. */
  #peers: PeerTable | undefined
  #heartbeat: Timer | undefined

  protected constructor(options: ResolvedConnectionOptions, carrier: Carrier, security: StreamSecurity = {}) {
    this.#options = options
    this.#carrier = carrier
    this.#security = security
    this.capabilities = { ordered: true, durable: false, maxFrameBytes: options.maxFrameBytes }
  }

  async start(local: LocalIdentity, handler: MessagingHandler): Promise<{ readonly address: string }> {
    if (this.#state.at === 'stopped') throw new ClosedError('this messaging system was stopped; make a new one')
    if (this.#state.at !== 'new') throw new TypeError('this messaging system was started already; it starts once')
    for (const name of [local.clusterId, local.nodeId, local.processId]) checkName(name)

    const starting = Promise.withResolvers<void>()
    this.#state = { at: 'starting', settled: starting.promise }
    let serial = 0
    const { maxFrameBytes, runtime } = this.#options
    const { secrets, credentials } = this.#security
    const identity: HandshakeIdentity = {
      local,
      maxFrameBytes,
      nextSerial: () => ++serial,
      nonce: () => runtime.randomBytes(NONCE_BYTES),
      authenticator: secrets === undefined ? undefined : new Authenticator(secrets),
      requiresTls: credentials !== undefined,
    }
    const peers: PeerTable = new PeerTable({
      options: this.#options,
      local,
      handler,
      dial: (peer) => this.#dial(context, peer),
      addressForm: this.#carrier.addressForm,
    })
    const context: ConnectionContext = {
      options: this.#options,
      identity,
      owner: peers,
      openLimits: openLimits(this.#options.maxFrameBytes),
    }

    let address: string
    try {
      await credentials?.load(local)
      address = await this.#carrier.listen(
        {
          onChannel: (channel, entrant) => {
            Connection.accepted(context, channel, entrant)
          },
          onError: (error) => handler.onError?.(error),
        },
        local,
      )
    } catch (error) {
      if (this.#state.at === 'starting') this.#state = { at: 'new' }
      starting.resolve()
      throw error
    }
    if (this.#state.at !== 'starting') {
      await this.#carrier.close()
      starting.resolve()
      throw new ClosedError('this messaging system was stopped while it started')
    }
    starting.resolve()
    this.#state = { at: 'running', local, peers }
    this.#peers = peers
    this.#beat()
    credentials?.watch((error) => handler.onError?.(error))
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

  /**
   * Reads the files of option `tls` again now, instead of at the next look. New connections use them; those that are up stay. Rejects with `ConfigError` naming
   * the file when they can't be used, and goes on with the old ones.
   */
  async reloadCertificates(): Promise<void> {
    const { local } = this.#running()
    await this.#security.credentials?.load(local)
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
    this.#security.credentials?.stop()
    const closed = this.#carrier.close()
    await running.peers.stop()
    await closed
  }

  #running(): Running {
    if (this.#state.at === 'running') return this.#state
    if (this.#state.at === 'stopped') throw new ClosedError('this messaging system was stopped; make a new one')
    throw new TypeError('this messaging system is not running yet; await start() first')
  }

  #dial(context: ConnectionContext, peer: PeerAddress): Connection | undefined {
    const channel = this.#carrier.dial(peer.address)
    return channel && Connection.dialed(context, channel, peer)
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
