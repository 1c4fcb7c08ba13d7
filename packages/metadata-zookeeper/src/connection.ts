// One connection to one server of ZooKeeper, from connecting to its end; it never comes back. Its session may: the next connection takes it up again.

import { KeptConnection, type Runtime } from '@cajun/core/adapter'
import { ACL, type Client, Exception, Id, Permission, type Stat } from 'node-zookeeper-client'
import { type ClientSession, SingleConnectionClient } from './client.ts'
import type { DigestCredentials, Endpoint } from './options.ts'
import { type Committed, commit, type Operation } from './transaction.ts'
import { isCode, SessionGoneError, ZooKeeperError } from './zookeeper-errors.ts'

export interface ConnectionOptions {
  readonly runtime: Runtime
  readonly endpoint: Endpoint
  readonly auth: DigestCredentials | undefined
  readonly sessionTimeoutMs: number
  readonly session?: ClientSession | undefined
}

/** Called in the order of the requests, before anything that arrived after the answer is looked at; never, when the connection ends first. */
export type Answer<T> = (error: Error | undefined, value: T) => void

type Failure = Error | Exception

export interface Data {
  readonly data: Buffer | undefined
  readonly stat: Stat
}

export interface Children {
  readonly names: readonly string[]
  readonly stat: Stat
}

/** A connection that is not there after this long is tried anew: behind a frozen server, or a firewall, it may never come. */
export const CONNECT_MS = 1_000

const NOTHING: Buffer = Buffer.alloc(0)
/** For everybody, and for whoever is logged in. */
const OPEN: ACL[] = [new ACL(Permission.ALL, new Id('world', 'anyone'))]
const MINE: ACL[] = [new ACL(Permission.ALL, new Id('auth', ''))]

export class ZooKeeperConnection extends KeptConnection {
  readonly #client: SingleConnectionClient
  readonly #acls: ACL[]
  readonly #watchers = new Map<string, Set<() => void>>()
  readonly #connected: Promise<void>

  private constructor(options: ConnectionOptions) {
    super()
    this.#acls = options.auth === undefined ? OPEN : MINE
    let connected = (): void => {}
    this.#connected = new Promise((resolve) => {
      connected = resolve
    })
    this.#client = new SingleConnectionClient(
      { ...options, session: options.session },
      {
        connected: () => connected(),
        expired: () => this.drop(new SessionGoneError('the session expired')),
        ended: (reason) => this.drop(reason),
        changed: (path) => this.#changed(path),
      },
    )
  }

  /** Resolves when the server has granted the session, which it does only with a majority behind it. Rejects with `SessionGoneError` when it is over. */
  static async open(options: ConnectionOptions): Promise<ZooKeeperConnection> {
    const connection = new ZooKeeperConnection(options)
    const late = (): void => connection.drop(new Error(`no connection within ${CONNECT_MS} ms`))
    const limit = options.runtime.setTimer(late, CONNECT_MS)
    try {
      await connection.race(connection.#connected)
      return connection
    } catch (error) {
      connection.drop(error as Error)
      throw error
    } finally {
      limit.cancel()
    }
  }

  get session(): ClientSession {
    return this.#client.session
  }

  /** What the server granted. */
  get sessionTimeoutMs(): number {
    return this.#client.library.getSessionTimeout()
  }

  /** `null`: there is no such node. */
  exists(path: string): Promise<Stat | null> {
    return this.#ask(`exists ${path}`, (library, answer) => library.exists(path, answer))
  }

  /** Makes a node that stays; it is fine when it is there already. */
  async make(path: string): Promise<void> {
    try {
      await this.#ask<string>(`create ${path}`, (library, answer) => library.create(path, NOTHING, this.#acls, answer))
    } catch (error) {
      if (!isCode(error, Exception.NODE_EXISTS)) throw error
    }
  }

  /** Resolves with the zxid of the write. */
  async touch(path: string): Promise<bigint> {
    const stat = await this.#ask<Stat>(`set ${path}`, (library, answer) => library.setData(path, NOTHING, answer))
    return stat.mzxid.readBigUInt64BE()
  }

  data(path: string): Promise<Data> {
    return this.race(promised((answer) => this.readData(path, undefined, answer)))
  }

  children(path: string): Promise<Children> {
    return this.race(promised((answer) => this.readChildren(path, undefined, answer)))
  }

  /** `onChange` is called once, when the data is not what was read any more. */
  readData(path: string, onChange: (() => void) | undefined, answer: Answer<Data>): void {
    this.#read(`get ${path}`, path, onChange, answer, (library, done) => {
      const take = (error: Failure | null, data: Buffer, stat: Stat): void => done(error, { data, stat })
      if (onChange === undefined) library.getData(path, take)
      else library.getData(path, this.#client.watcher, take)
    })
  }

  /** `onChange` is called once, when there are other children than were read, or the node is gone. */
  readChildren(path: string, onChange: (() => void) | undefined, answer: Answer<Children>): void {
    this.#read(`list ${path}`, path, onChange, answer, (library, done) => {
      const take = (error: Failure | null, names: string[], stat: Stat): void => done(error, { names, stat })
      if (onChange === undefined) library.getChildren(path, take)
      else library.getChildren(path, this.#client.watcher, take)
    })
  }

  commit(operations: readonly Operation[]): Promise<Committed> {
    return this.race(commit(this.#client.requests, operations, this.#acls))
  }

  /** Ends the session and the connection. False: the connection ended before the server had answered. */
  async closeSession(): Promise<boolean> {
    if (this.ended !== undefined) return false
    const ended = new Promise<void>((resolve) => this.onEnd(() => resolve()))
    this.#client.library.close()
    await ended
    return this.#client.closeAnswered
  }

  /** As `work`, but never later than the end of the connection. */
  until<T>(work: Promise<T>): Promise<T> {
    return this.race(work)
  }

  protected override release(): void {
    this.#watchers.clear()
    this.#client.release()
  }

  #ask<T>(what: string, start: (library: Client, answer: (error: Failure | null, value: T) => void) => void): Promise<T> {
    return this.race(
      promised((answer) => start(this.#client.requests, (error, value) => answer(error ? explain(what, error) : undefined, value))),
    )
  }

  #read<T>(
    what: string,
    path: string,
    onChange: (() => void) | undefined,
    answer: Answer<T>,
    start: (library: Client, done: (error: Failure | null, value: T) => void) => void,
  ): void {
    start(this.#client.requests, (error, value) => {
      if (error) return answer(explain(what, error), value)
      if (onChange !== undefined) this.#watch(path, onChange)
      answer(undefined, value)
    })
  }

  #watch(path: string, onChange: () => void): void {
    const watchers = this.#watchers.get(path)
    if (watchers === undefined) this.#watchers.set(path, new Set([onChange]))
    else watchers.add(onChange)
  }

  #changed(path: string): void {
    const watchers = this.#watchers.get(path)
    this.#watchers.delete(path)
    for (const onChange of watchers ?? []) onChange()
  }
}

function promised<T>(start: (answer: Answer<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, value) => (error === undefined ? resolve(value) : reject(error))))
}

function explain(what: string, error: Failure): Error {
  return error instanceof Exception ? new ZooKeeperError(error.code, what) : (error as Error)
}
