// One connection to one member of etcd, from connecting to its end; it never comes back.
//
// etcd3 brings policies for faults, and none of them is used: its circuit breaker refuses everything for five seconds after three failures, its retry
// repeats transactions (a write applies, and then reports that it lost the race) and multiplies deadlines, its watch loses events when it reconnects, and its
// cached token ends a watch for good. What is left are its typed calls.

import { KeptConnection, type Runtime } from '@cajun/core/adapter'
import { type CallOptions, InterceptingCall, type Interceptor } from '@grpc/grpc-js'
import { noop } from 'cockatiel'
import {
  Etcd3,
  type IDuplexStream,
  type ILeaseKeepAliveRequest,
  type ILeaseKeepAliveResponse,
  type IRangeRequest,
  type IRangeResponse,
  type ITxnRequest,
  type ITxnResponse,
  type IWatchRequest,
  type IWatchResponse,
} from 'etcd3'
import { isAnswer, isStaleToken } from './etcd-errors.ts'
import type { ResolvedEtcdOptions } from './options.ts'

export interface ConnectionOptions extends Pick<ResolvedEtcdOptions, 'tls' | 'auth'> {
  readonly runtime: Runtime
  readonly endpoint: string
  /** What is asked first: when it is answered, the member is there, has a majority, and lets us in. */
  readonly probe: IRangeRequest
}

/** A connection that is not there after this long is tried anew: behind a frozen server, or a firewall, it may never come. */
const CONNECT_MS = 1_000
/** Logging in takes the server a tenth of a second of work, and longer when everybody comes back at once: giving up early would only add to it. */
const LOG_IN_MS = 3_000
/** Our own deadline decides; gRPC's only clears up behind it. */
const DEADLINE_SLACK_MS = 100

type Stream = Pick<IDuplexStream<never, unknown>, 'cancel' | 'on'>

let lives = 0

export class EtcdConnection extends KeptConnection {
  readonly #client: Etcd3
  readonly #runtime: Runtime
  #token: string | undefined
  /** Those that the server has not ended yet. */
  readonly #streams = new Set<Stream>()

  private constructor({ endpoint, tls, runtime }: ConnectionOptions) {
    super()
    this.#runtime = runtime
    this.#client = new Etcd3({
      hosts: endpoint,
      ...(tls === undefined ? {} : { credentials: tlsCredentials(tls) }),
      faultHandling: { global: noop, host: () => noop },
      defaultCallOptions: { interceptors: [this.#withToken()] },
      grpcOptions: {
        // gRPC shares connections between the clients of a process with equal options, dead ones too: a new life has to have one of its own.
        'cajun.life': ++lives,
        'grpc.max_receive_message_length': -1,
        'grpc.enable_retries': 0,
        'grpc.service_config_disable_resolution': 1,
        'grpc.enable_http_proxy': 0,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 250,
      },
    })
  }

  static async open(options: ConnectionOptions): Promise<EtcdConnection> {
    const { runtime, auth, probe } = options
    const connection = new EtcdConnection(options)
    const withinMs = auth === undefined ? CONNECT_MS : LOG_IN_MS
    const limit = runtime.setTimer(() => connection.drop(new Error(`no connection within ${withinMs} ms`)), withinMs)
    try {
      if (auth !== undefined) {
        const request = { name: auth.username, password: auth.password }
        const answer = await connection.#ask(connection.#client.auth.authenticate(request, within(withinMs)))
        connection.#token = answer.token
      }
      await connection.range(probe, withinMs)
      return connection
    } catch (error) {
      connection.drop(error as Error)
      throw error
    } finally {
      limit.cancel()
    }
  }

  range(request: IRangeRequest, ms: number): Promise<IRangeResponse> {
    return this.#ask(this.#client.kv.range(request, within(ms)))
  }

  txn(request: ITxnRequest, ms: number): Promise<ITxnResponse> {
    return this.#ask(this.#client.kv.txn(request, within(ms)))
  }

  async grantLease(seconds: number, ms: number): Promise<{ readonly id: string; readonly ttlMs: number }> {
    // An id of ours, and below 2^53: the server's have 63 bits, and protobufjs rounds them, silently, wherever it does not find its library for long
    // integers (with Node's condition `import`, for one, as test runners set it). A rounded lease is one that does not exist.
    const random = (): number => this.#runtime.random()
    const id = String(1 + Math.floor(random() * 2 ** 21) * 2 ** 31 + Math.floor(random() * 2 ** 31))
    const { TTL } = await this.#ask(this.#client.leaseClient.leaseGrant({ TTL: seconds, ID: id }, within(ms)))
    return { id, ttlMs: Number(TTL) * 1_000 }
  }

  async revokeLease(id: string, ms: number): Promise<void> {
    await this.#ask(this.#client.leaseClient.leaseRevoke({ ID: id }, within(ms)))
  }

  /** The TTL granted anew; 0: the lease is gone. */
  async renewLease(id: string, ms: number): Promise<number> {
    const stream: IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse> = this.#kept(
      await this.#ask(this.#client.leaseClient.leaseKeepAlive(within(ms))),
    )
    const answered = new Promise<number>((resolve, reject) => {
      stream.on('data', ({ TTL }) => resolve(Number(TTL) * 1_000))
      stream.on('error', reject)
      stream.on('end', () => reject(new Error('the renewal was not answered')))
    })
    stream.write({ ID: id })
    try {
      return await this.#ask(answered)
    } finally {
      // Ended and not cancelled: for a cancelled stream etcd3 throws its other calls' channels away.
      stream.end()
    }
  }

  async watch(): Promise<IDuplexStream<IWatchRequest, IWatchResponse>> {
    return this.#kept(await this.#ask(this.#client.watchClient.watch()))
  }

  /** As `work`, but never later than the end of the connection. */
  until<T>(work: Promise<T>): Promise<T> {
    return this.race(work)
  }

  protected override release(): void {
    // gRPC's own end waits for the server to end each stream, too, and a frozen one never does: its socket would stay.
    for (const stream of this.#streams) stream.cancel()
    this.#streams.clear()
    this.#client.close()
  }

  #kept<S extends Stream>(stream: S): S {
    this.#streams.add(stream)
    stream.on('error', () => this.#streams.delete(stream)).on('end', () => this.#streams.delete(stream))
    return stream
  }

  /** Whatever is no answer puts the connection in question: the next may well have another member at its end. */
  async #ask<T>(work: Promise<T>): Promise<T> {
    try {
      return await this.race(work)
    } catch (error) {
      if (!isAnswer(error)) this.drop(error as Error)
      throw error
    }
  }

  #withToken(): Interceptor {
    return (options, next) =>
      new InterceptingCall(next(options), {
        start: (metadata, _listener, begin) => {
          if (this.#token !== undefined) metadata.set('token', this.#token)
          begin(metadata, {
            onReceiveStatus: (status, forward) => {
              // etcd3 would ask again with the same one, without a pause; a new connection brings a new one.
              if (isStaleToken(status.details)) this.drop(new Error(status.details))
              forward(status)
            },
          })
        },
      })
  }
}

function within(ms: number): CallOptions {
  return { deadline: Date.now() + ms + DEADLINE_SLACK_MS }
}

function tlsCredentials({ ca, key, cert }: NonNullable<ResolvedEtcdOptions['tls']>): {
  rootCertificate: Buffer
  privateKey?: Buffer
  certChain?: Buffer
} {
  // etcd3 wants one, gRPC does not: without it, the authorities that Node knows.
  return {
    rootCertificate: ca ?? (null as unknown as Buffer),
    ...(key === undefined ? {} : { privateKey: key }),
    ...(cert === undefined ? {} : { certChain: cert }),
  }
}
