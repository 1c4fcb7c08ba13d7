// Keeps one connection for everything but the log: makes it anew with backoff, and asks for a sign of life, which also ends the sessions that are over.

import type { StoreCall, Timer } from '@cajun/core/adapter'
import { Connection, type ConnectionOptions } from './connection.ts'
import type { ScriptName } from './scripts.ts'

export interface LinkOptions extends ConnectionOptions {
  readonly keepAliveMs: number
  /** The id of the last log entry, each time the server was asked for a sign of life. */
  readonly onTail: (tail: string) => void
}

export const FIRST_BACKOFF_MS = 20
export const LONGEST_BACKOFF_MS = 250
/** A connection that is not there after this long is tried anew: behind a frozen server, or a firewall, it may never come. */
export const CONNECT_MS = 1_000

interface Waiter {
  readonly resolve: (connection: Connection) => void
  readonly reject: (error: Error) => void
}

export class Link {
  readonly #options: LinkOptions
  readonly #waiters = new Set<Waiter>()
  /** Told of the first attempt that fails: whoever opens wants to hear why. */
  readonly #openers = new Set<Waiter>()
  #connection: Connection | undefined
  #running = false
  #failures = 0
  #retry: Timer | undefined
  #sweep: Timer | undefined

  constructor(options: LinkOptions) {
    this.#options = options
  }

  async open(call: StoreCall): Promise<void> {
    if (!this.#running) {
      this.#running = true
      void this.#connect()
    }
    await this.#ready(call, this.#openers)
  }

  async close(): Promise<void> {
    this.#running = false
    this.#retry?.cancel()
    this.#sweep?.cancel()
    const closed = new Error('the store was closed')
    this.#connection?.drop(closed)
    for (const waiter of [...this.#openers, ...this.#waiters]) waiter.reject(closed)
  }

  async run(call: StoreCall, script: ScriptName, ...args: (string | number)[]): Promise<unknown> {
    call.unsent = true
    const connection = await this.#ready(call, this.#waiters)
    call.unsent = false
    try {
      return await connection.run(script, ...args)
    } catch (error) {
      // It was the primary and is none any more: whoever is now is found by connecting anew.
      if (error instanceof Error && error.message.startsWith('READONLY')) connection.drop(error)
      throw error
    }
  }

  #ready(call: StoreCall, waiters: Set<Waiter>): Promise<Connection> {
    if (this.#connection !== undefined) return Promise.resolve(this.#connection)
    return new Promise((resolve, reject) => {
      if (call.signal.aborted) return reject(new Error('given up'))
      const leave = (): void => {
        waiters.delete(waiter)
        call.signal.removeEventListener('abort', givenUp)
      }
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
      waiters.add(waiter)
      call.signal.addEventListener('abort', givenUp)
    })
  }

  async #connect(): Promise<void> {
    this.#retry = undefined
    let connection: Connection
    try {
      connection = await Connection.open(this.#options, CONNECT_MS)
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
    this.#scheduleSweep(connection)
    for (const waiter of [...this.#openers, ...this.#waiters]) waiter.resolve(connection)
  }

  #lost(reason: Error): void {
    this.#sweep?.cancel()
    for (const waiter of [...this.#openers]) waiter.reject(reason)
    if (!this.#running) return
    const { runtime } = this.#options
    const longestMs = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(this.#failures++, 10))
    this.#retry = runtime.setTimer(() => void this.#connect(), longestMs * (0.5 + runtime.random() / 2))
  }

  #scheduleSweep(connection: Connection): void {
    const { runtime, keepAliveMs } = this.#options
    this.#sweep = runtime.setTimer(() => void this.#askForLife(connection), keepAliveMs * (0.75 + runtime.random() / 4))
  }

  async #askForLife(connection: Connection): Promise<void> {
    const { runtime, keepAliveMs, onTail } = this.#options
    const silence = runtime.setTimer(() => connection.drop(new Error(`no sign of life within ${2 * keepAliveMs} ms`)), 2 * keepAliveMs)
    try {
      onTail((await connection.run('sweep')) as string)
    } catch (error) {
      connection.drop(error as Error)
    } finally {
      silence.cancel()
    }
    if (connection.ended === undefined) this.#scheduleSweep(connection)
  }
}
