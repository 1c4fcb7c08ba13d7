// One connection to Redis, from connecting to its end; it never comes back. What waits for an answer when it ends is rejected.
//
// ioredis could reconnect by itself, and is not let: by default it sends commands again that had no answer (an INCR was seen to run twice), told not to it
// leaves their promises pending for ever, and with its 20 retries a command took 73 s to fail. A client that lives for one connection does none of it.

import { KeptConnection, type Runtime, type Timer } from '@cajun/core/adapter'
import { Redis, type RedisOptions } from 'ioredis'
import { keepStringsFast } from './fast-strings.ts'
import { type ScriptName, scripts } from './scripts.ts'
import { type LogEntry, readLogEntry } from './stored-entry.ts'

keepStringsFast()

export interface ConnectionOptions {
  readonly runtime: Runtime
  readonly redis: RedisOptions
  readonly namespace: string
  readonly logLength: number
}

type Script = (...args: (string | number)[]) => Promise<unknown>

const definitions = Object.fromEntries(Object.entries(scripts).map(([name, lua]) => [`cajun_${name}`, { lua, numberOfKeys: 1 }]))

/** A connection that is not there after this long is tried anew: behind a frozen server, or a firewall, it may never come. */
export const CONNECT_MS = 1_000

export class Connection extends KeptConnection {
  readonly #options: ConnectionOptions
  readonly #redis: Redis
  #problem: Error | undefined

  private constructor(options: ConnectionOptions) {
    super()
    this.#options = options
    const settings: RedisOptions & { replyMapping: 'legacy' } = {
      ...options.redis,
      lazyConnect: true,
      retryStrategy: () => null,
      // The first script finds out whether the server is ready: INFO and CLIENT SETINFO would only delay it.
      enableReadyCheck: false,
      disableClientInfo: true,
      protocol: 2,
      replyMapping: 'legacy',
      noDelay: true,
      scripts: definitions,
    }
    this.#redis = new Redis(settings)
    // Without a listener ioredis writes to the console.
    this.#redis.on('error', (error: Error) => {
      this.#problem ??= error
    })
    this.#redis.once('end', () => this.drop(this.#problem ?? new Error('the connection was lost')))
  }

  /** Resolves when the server has answered to a script: it is there, has loaded its data, and lets us in. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(options)
    const limit = connection.#deadline(CONNECT_MS, 'no connection')
    try {
      await connection.race(connection.#redis.connect())
      await connection.run('sweep')
      return connection
    } catch (error) {
      // 'Connection is closed.' says less than the error that closed it: a wrong password, a certificate that does not fit.
      const reason = connection.#problem ?? (error as Error)
      connection.drop(reason)
      throw reason
    } finally {
      limit.cancel()
    }
  }

  run(script: ScriptName, ...args: (string | number)[]): Promise<unknown> {
    const { namespace, logLength } = this.#options
    const command = (this.#redis as unknown as Record<string, Script>)[`cajun_${script}`] as Script
    return this.race(command.call(this.#redis, namespace, logLength, ...args))
  }

  /** What the log holds after `id`; waits for something up to `blockMs`. The connection ends when the server does not even say that there is nothing. */
  async readLog(id: string, blockMs: number, graceMs: number): Promise<LogEntry[]> {
    const limit = this.#deadline(blockMs + graceMs, 'the log could not be read')
    try {
      const read = await this.race(this.#redis.xread('BLOCK', blockMs, 'STREAMS', `${this.#options.namespace}:log`, id))
      return (read?.[0]?.[1] ?? []).map(readLogEntry)
    } finally {
      limit.cancel()
    }
  }

  protected override release(): void {
    this.#redis.disconnect()
    // `disconnect` waits two seconds for the other side to hang up too; a frozen server never does.
    const { stream } = this.#redis as unknown as { readonly stream?: { destroy(): void } }
    stream?.destroy()
  }

  #deadline(ms: number, what: string): Timer {
    return this.#options.runtime.setTimer(() => this.drop(new Error(`${what} within ${Math.round(ms)} ms`)), ms)
  }
}
