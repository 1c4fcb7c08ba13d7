// A session of the store is a session of ZooKeeper, and so has a connection of its own: what it owns vanishes with it. The connection may be lost and made anew,
// to another server too, as long as the session lives there; whoever renews it asks for anything over it.

import { ConnectionKeeper, type Runtime, type StoreCall } from '@cajun/core/adapter'
import type { ClientSession } from './client.ts'
import type { ZooKeeperConnection } from './connection.ts'
import { sessionName } from './key-space.ts'
import { SessionGoneError } from './zookeeper-errors.ts'

export interface ZooKeeperSessionOptions {
  readonly runtime: Runtime
  readonly keepAliveMs: number
  /** A connection under this session; without one, under a new session. */
  readonly connect: (session: ClientSession | undefined) => Promise<ZooKeeperConnection>
  readonly askForLife: (connection: ZooKeeperConnection) => Promise<void>
}

export class ZooKeeperSession {
  readonly #keeper: ConnectionKeeper<ZooKeeperConnection>
  #session: ClientSession | undefined
  #gone = false

  private constructor({ runtime, keepAliveMs, connect, askForLife }: ZooKeeperSessionOptions) {
    this.#keeper = new ConnectionKeeper({ runtime, keepAliveMs, askForLife, connect: () => this.#connect(connect) })
  }

  static async open(options: ZooKeeperSessionOptions, call: StoreCall): Promise<ZooKeeperSession> {
    const session = new ZooKeeperSession(options)
    try {
      await session.#keeper.open(call)
      return session
    } catch (error) {
      session.abandon()
      throw error
    }
  }

  get id(): string {
    return this.#session === undefined ? '' : sessionName(this.#session.id)
  }

  /** Rejects with `SessionGoneError` when the server says that it is over. */
  async ready(call: StoreCall): Promise<ZooKeeperConnection> {
    try {
      return await this.#keeper.ready(call)
    } catch (error) {
      throw this.#gone ? new SessionGoneError('the session is over') : error
    }
  }

  /** Resolves when the server has ended it, or had. It is not kept alive any more afterwards, whatever comes of it. */
  async end(call: StoreCall): Promise<void> {
    try {
      // An answer that was lost says nothing: the next connection tells whether the session still is.
      while (!call.signal.aborted) {
        const connection = await this.ready(call)
        const letGo = (): void => connection.drop(new Error('given up'))
        call.signal.addEventListener('abort', letGo, { once: true })
        if (await connection.closeSession()) return
        call.signal.removeEventListener('abort', letGo)
      }
    } catch (error) {
      if (!(error instanceof SessionGoneError)) throw error
    } finally {
      this.abandon()
    }
  }

  /** Lets go of the connection; the server ends the session by its TTL. */
  abandon(): void {
    this.#gone = true
    this.#keeper.close()
  }

  async #connect(connect: ZooKeeperSessionOptions['connect']): Promise<ZooKeeperConnection> {
    try {
      const connection = await connect(this.#session)
      this.#session = connection.session
      return connection
    } catch (error) {
      // Nothing brings it back: who asks for it is told, and nobody tries again.
      if (error instanceof SessionGoneError) this.abandon()
      throw error
    }
  }
}
