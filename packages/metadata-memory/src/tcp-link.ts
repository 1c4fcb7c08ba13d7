// The way to a database in another process: keeps one connection, makes it anew with backoff, and starts the watches again on each.

import { newIdentity, type Runtime, type StoreCall, type Timer, type WatchEvent, type WatchSink } from '@cajun/core/adapter'
import { ClientConnection } from './client-connection.ts'
import type { MemoryLink } from './memory-link.ts'
import type { AnswerTo, StoreRequest } from './requests.ts'

export interface TcpLinkOptions {
  readonly runtime: Runtime
  readonly host: string
  readonly port: number
  readonly keepAliveMs: number
}

const FIRST_BACKOFF_MS = 20
const LONGEST_BACKOFF_MS = 400

interface LinkWatch {
  readonly prefix: string
  readonly sink: WatchSink
  /** The first snapshot is there. */
  readonly begun: () => void
}

interface Waiter {
  readonly resolve: (connection: ClientConnection) => void
  readonly reject: (error: Error) => void
}

export class TcpLink implements MemoryLink {
  readonly endpoint: string
  readonly #options: TcpLinkOptions
  readonly #client: string
  readonly #watches = new Map<number, LinkWatch>()
  readonly #waiters = new Set<Waiter>()
  /** Told of the first connection that fails: whoever opens wants to hear why. */
  readonly #openers = new Set<Waiter>()
  #connection: ClientConnection | undefined
  #connections = 0
  #failures = 0
  #retry: Timer | undefined
  #ids = 0
  #running = false

  constructor(options: TcpLinkOptions) {
    this.#options = options
    this.#client = newIdentity(options.runtime)
    const host = options.host.includes(':') ? `[${options.host}]` : options.host
    this.endpoint = `tcp://${host}:${options.port}`
  }

  async open(call: StoreCall): Promise<void> {
    if (!this.#running) {
      this.#running = true
      this.#connect()
    } else if (this.#retry !== undefined) {
      this.#retry.cancel()
      this.#connect()
    }
    await this.#ready(call, this.#openers)
  }

  async close(): Promise<void> {
    this.#running = false
    this.#retry?.cancel()
    this.#retry = undefined
    this.#watches.clear()
    this.#connection?.end(new Error('the store was closed'))
    for (const waiter of [...this.#waiters]) waiter.reject(new Error('the store was closed'))
  }

  async request<R extends StoreRequest>(request: R, call: StoreCall): Promise<AnswerTo<R>> {
    call.unsent = true
    const connection = await this.#ready(call, this.#waiters)
    call.unsent = false
    const id = ++this.#ids
    const forget = (): void => connection.forget(id)
    call.signal.addEventListener('abort', forget, { once: true })
    return (await connection.request(id, request)) as AnswerTo<R>
  }

  async watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void> {
    const id = ++this.#ids
    const stop = (): void => {
      if (this.#watches.delete(id) && this.#connection?.ready) this.#connection.unwatch(id)
    }
    await new Promise<void>((resolve, reject) => {
      this.#watches.set(id, { prefix, sink, begun: resolve })
      call.signal.addEventListener(
        'abort',
        () => {
          // Begun or not: an attempt that was given up must not go on feeding anybody.
          stop()
          reject(new Error('given up'))
        },
        { once: true },
      )
      if (this.#connection?.ready) this.#connection.watch(id, prefix)
    })
    return stop
  }

  #ready(call: StoreCall, waiters: Set<Waiter>): Promise<ClientConnection> {
    if (this.#connection?.ready) return Promise.resolve(this.#connection)
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        resolve: (connection) => {
          leave()
          resolve(connection)
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      const givenUp = (): void => waiter.reject(new Error('given up'))
      const leave = (): void => {
        waiters.delete(waiter)
        call.signal.removeEventListener('abort', givenUp)
      }
      if (call.signal.aborted) return reject(new Error('given up'))
      waiters.add(waiter)
      call.signal.addEventListener('abort', givenUp)
    })
  }

  #connect(): void {
    this.#retry = undefined
    const { runtime, host, port, keepAliveMs } = this.#options
    this.#connection = new ClientConnection({
      runtime,
      host,
      port,
      keepAliveMs,
      client: this.#client,
      number: this.#connections++,
      onReady: (connection) => this.#onReady(connection),
      onEvent: (id, event) => this.#onEvent(id, event),
      onEnd: (_, reason) => this.#onEnd(reason),
    })
  }

  #onReady(connection: ClientConnection): void {
    this.#failures = 0
    for (const [id, watch] of this.#watches) connection.watch(id, watch.prefix)
    for (const waiter of [...this.#openers, ...this.#waiters]) waiter.resolve(connection)
  }

  #onEvent(id: number, event: WatchEvent): void {
    const watch = this.#watches.get(id)
    if (watch === undefined) return
    if (event.type === 'changes') return watch.sink.changes(event.changes)
    watch.sink.snapshot(event.entries)
    watch.begun()
  }

  #onEnd(reason: Error): void {
    this.#connection = undefined
    for (const waiter of [...this.#openers]) waiter.reject(reason)
    if (!this.#running) return
    const { runtime } = this.#options
    const longestMs = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(this.#failures++, 10))
    this.#retry = runtime.setTimer(() => this.#connect(), longestMs * (0.5 + runtime.random() / 2))
  }
}
