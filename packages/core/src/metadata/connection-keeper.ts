// Keeps one connection for an adapter: makes it anew with backoff, and asks the server for signs of life, so that one that is frozen or behind a firewall is found.
//
//   connecting ──> ready ──it ended, or was silent for two intervals──> pausing ──> connecting

import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { KeptConnection } from './kept-connection.ts'
import type { StoreCall } from './store-call.ts'

export interface ConnectionKeeperOptions<C extends KeptConnection> {
  readonly runtime: Runtime
  /** Resolves when the server has answered to something; settles in bounded time. */
  readonly connect: () => Promise<C>
  readonly keepAliveMs: number
  /** One round trip. */
  readonly askForLife: (connection: C) => Promise<void>
}

const FIRST_BACKOFF_MS = 20
/** Well below the second within which an adapter has to be back. */
const LONGEST_BACKOFF_MS = 250

interface Waiter<C> {
  readonly resolve: (connection: C) => void
  readonly reject: (error: Error) => void
}

export class ConnectionKeeper<C extends KeptConnection> {
  readonly #options: ConnectionKeeperOptions<C>
  readonly #waiters = new Set<Waiter<C>>()
  /** Told of the first attempt that fails: whoever opens wants to hear why. */
  readonly #openers = new Set<Waiter<C>>()
  #connection: C | undefined
  #running = false
  #failures = 0
  #retry: Timer | undefined
  #life: Timer | undefined

  constructor(options: ConnectionKeeperOptions<C>) {
    this.#options = options
  }

  /** For `_open`: resolves with the first connection, rejects with the first attempt that fails. */
  async open(call: Pick<StoreCall, 'signal'>): Promise<void> {
    if (!this.#running) {
      this.#running = true
      void this.#connect()
    }
    await this.#wait(call.signal, this.#openers)
  }

  /** For `_close`. */
  close(): void {
    this.#running = false
    this.#retry?.cancel()
    this.#life?.cancel()
    const closed = new Error('the store was closed')
    this.#connection?.drop(closed)
    for (const waiter of [...this.#openers, ...this.#waiters]) waiter.reject(closed)
  }

  /** The connection, as soon as there is one. Rejects when the call ends first. */
  ready(call: Pick<StoreCall, 'signal'>): Promise<C> {
    return this.#wait(call.signal, this.#waiters)
  }

  #wait(signal: AbortSignal, waiters: Set<Waiter<C>>): Promise<C> {
    if (this.#connection !== undefined) return Promise.resolve(this.#connection)
    return new Promise((resolve, reject) => {
      if (signal.aborted || !this.#running) return reject(new Error('given up'))
      const leave = (): void => {
        waiters.delete(waiter)
        signal.removeEventListener('abort', givenUp)
      }
      const waiter: Waiter<C> = {
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
      waiters.add(waiter)
      signal.addEventListener('abort', givenUp)
    })
  }

  async #connect(): Promise<void> {
    this.#retry = undefined
    let connection: C
    try {
      connection = await this.#options.connect()
    } catch (error) {
      return this.#lost(error as Error)
    }
    if (!this.#running) return connection.drop(new Error('the store was closed'))
    this.#connection = connection
    this.#failures = 0
    connection.onEnd((reason) => {
      this.#connection = undefined
      this.#lost(reason)
    })
    if (connection.ended === undefined) this.#scheduleLife(connection)
    for (const waiter of [...this.#openers, ...this.#waiters]) waiter.resolve(connection)
  }

  #lost(reason: Error): void {
    this.#life?.cancel()
    for (const waiter of [...this.#openers]) waiter.reject(reason)
    if (!this.#running) return
    const { runtime } = this.#options
    const longestMs = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(this.#failures++, 10))
    this.#retry = runtime.setTimer(() => void this.#connect(), longestMs * (0.5 + runtime.random() / 2))
  }

  #scheduleLife(connection: C): void {
    const { runtime, keepAliveMs } = this.#options
    this.#life = runtime.setTimer(() => void this.#askForLife(connection), keepAliveMs * (0.75 + runtime.random() / 4))
  }

  async #askForLife(connection: C): Promise<void> {
    const { runtime, keepAliveMs, askForLife } = this.#options
    const silence = runtime.setTimer(() => connection.drop(new Error(`no sign of life within ${2 * keepAliveMs} ms`)), 2 * keepAliveMs)
    try {
      await askForLife(connection)
    } catch (error) {
      connection.drop(error as Error)
    } finally {
      silence.cancel()
    }
    if (connection.ended === undefined) this.#scheduleLife(connection)
  }
}
