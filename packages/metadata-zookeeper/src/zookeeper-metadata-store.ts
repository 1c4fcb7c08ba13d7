// The metadata store on ZooKeeper: entries are nodes, versions are zxids, sessions are sessions.

import {
  BaseMetadataStore,
  type BatchRequest,
  ConnectionKeeper,
  type DeleteOptions,
  type Entry,
  type Fate,
  type KeyValue,
  type PutAllResult,
  type PutRequest,
  type StoreCall,
  type StoreCapabilities,
  type WatchSink,
  type WriteResult,
} from '@cajun/core/adapter'
import { zooKeeperCapabilities } from './capabilities.ts'
import type { ClientSession } from './client.ts'
import { ZooKeeperConnection } from './connection.ts'
import { KeySpace } from './key-space.ts'
import { type ResolvedZooKeeperOptions, resolveZooKeeperOptions, type ZooKeeperMetadataStoreOptions } from './options.ts'
import { PrefixWatch } from './prefix-watch.ts'
import { listTree } from './tree-list.ts'
import { look, type Write, WritePlan } from './write-plan.ts'
import { classifyZooKeeperError, isMissing, SessionGoneError } from './zookeeper-errors.ts'
import { ZooKeeperSession } from './zookeeper-session.ts'

/** Of the connection that no key belongs to: only how long the server remembers it when it is lost. */
const MAIN_SESSION_MS = 10_000

export class ZooKeeperMetadataStore extends BaseMetadataStore {
  readonly capabilities: StoreCapabilities = zooKeeperCapabilities
  protected readonly endpoint: string
  readonly #options: ResolvedZooKeeperOptions
  readonly #space: KeySpace
  readonly #keeper: ConnectionKeeper<ZooKeeperConnection>
  readonly #sessions = new Map<string, ZooKeeperSession>()
  readonly #watches = new Set<PrefixWatch>()
  #server: number

  constructor(options: ZooKeeperMetadataStoreOptions = {}) {
    super(options)
    this.#options = resolveZooKeeperOptions(options)
    const { endpoints, root, keepAliveMs } = this.#options
    this.endpoint = endpoints.map(({ host, port }) => `${host}:${port}`).join(', ')
    this.#space = new KeySpace(root)
    this.#server = Math.floor(this.runtime.random() * endpoints.length)
    this.#keeper = new ConnectionKeeper({
      runtime: this.runtime,
      keepAliveMs,
      connect: () => this.#connect(MAIN_SESSION_MS, undefined),
      askForLife: askForLife(this.#space),
    })
  }

  protected override async _open(call: StoreCall): Promise<void> {
    await this.#keeper.open(call)
    // Finds out whether the server lets us in.
    await this._storeId(call)
  }

  protected override async _close(): Promise<void> {
    for (const watch of this.#watches) watch.stop()
    this.#watches.clear()
    for (const session of this.#sessions.values()) session.abandon()
    this.#sessions.clear()
    this.#keeper.close()
  }

  protected override async _ping(call: StoreCall): Promise<void> {
    const connection = await this.#keeper.ready(call)
    await connection.exists(this.#space.reads)
  }

  protected override async _get(key: string, call: StoreCall): Promise<Entry | undefined> {
    const connection = await this.#keeper.ready(call)
    // Both leave at once, and are answered in this order.
    const [, read] = await Promise.all([this.#barrier(connection), connection.data(this.#space.valuePath(key)).catch(absent)])
    return read === undefined ? undefined : this.#space.entry(key, read.data, read.stat)
  }

  protected override async _list(prefix: string, call: StoreCall): Promise<readonly Entry[]> {
    const range = this.#space.range(prefix)
    if (range === undefined) return []
    const connection = await this.#keeper.ready(call)
    return listTree(connection, this.#space, range, () => this.#barrier(connection))
  }

  protected override _put(key: string, value: string, request: PutRequest, call: StoreCall): Promise<WriteResult> {
    return this.#write({ ...request, entries: [{ key, value }] }, call)
  }

  protected override async _putBatch(entries: readonly KeyValue[], request: BatchRequest, call: StoreCall): Promise<PutAllResult> {
    const result = await this.#write({ ...request, entries }, call)
    if (result.ok) return { ok: true, written: entries.length }
    // Without a version of its own there is none that it could conflict with.
    return { ok: false, written: 0, conflict: result.conflict === 'session' ? 'session' : 'guard' }
  }

  protected override _delete(key: string, request: DeleteOptions, call: StoreCall): Promise<WriteResult> {
    return this.#write({ ...request, entries: [{ key }] }, call)
  }

  protected override async _openSession(ttlMs: number, call: StoreCall): Promise<{ readonly id: string; readonly ttlMs: number }> {
    const session = await ZooKeeperSession.open(
      {
        runtime: this.runtime,
        keepAliveMs: this.#options.keepAliveMs,
        connect: (former) => this.#connect(ttlMs, former),
        askForLife: askForLife(this.#space),
      },
      call,
    )
    this.#sessions.set(session.id, session)
    // The server grants what its ticks allow: between 2 and 20 of them, unless it is told otherwise.
    return { id: session.id, ttlMs: (await session.ready(call)).sessionTimeoutMs }
  }

  /** Whatever is answered over its connection has renewed it. */
  protected override async _renewSession(id: string, call: StoreCall): Promise<number | undefined> {
    try {
      const connection = await this.#sessions.get(id)?.ready(call)
      if (connection === undefined) return undefined
      await connection.exists(this.#space.reads)
      return connection.sessionTimeoutMs
    } catch (error) {
      if (error instanceof SessionGoneError) return undefined
      throw error
    }
  }

  protected override async _closeSession(id: string, call: StoreCall): Promise<void> {
    const session = this.#sessions.get(id)
    try {
      await session?.end(call)
    } finally {
      this.#sessions.delete(id)
    }
  }

  protected override async _watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void> {
    const range = this.#space.range(prefix)
    if (range === undefined) {
      sink.snapshot([])
      return () => {}
    }
    const watch = new PrefixWatch({
      runtime: this.runtime,
      space: this.#space,
      range,
      sink,
      ready: (signal) => this.#keeper.ready({ signal }),
      barrier: (connection) => this.#barrier(connection),
      onError: this.onError,
    })
    await watch.start(await this.#keeper.ready(call))
    this.#watches.add(watch)
    return () => {
      this.#watches.delete(watch)
      watch.stop()
    }
  }

  protected override _classify(error: unknown): Fate {
    return classifyZooKeeperError(error)
  }

  #connect(sessionTimeoutMs: number, session: ClientSession | undefined): Promise<ZooKeeperConnection> {
    const { endpoints, auth } = this.#options
    const endpoint = endpoints[this.#server++ % endpoints.length] as ResolvedZooKeeperOptions['endpoints'][number]
    return ZooKeeperConnection.open({ runtime: this.runtime, endpoint, auth, sessionTimeoutMs, session })
  }

  /**
   * A read may be answered by a server that is behind. What comes after a write on the same connection is not: the write is agreed on by a majority, and this
   * server has it before it answers. (ZooKeeper's `sync` would do; the client library has none.)
   */
  async #barrier(connection: ZooKeeperConnection): Promise<bigint> {
    try {
      return await connection.touch(this.#space.reads)
    } catch (error) {
      if (!isMissing(error)) throw error
      await this.#make(connection, this.#space.layout)
      return connection.touch(this.#space.reads)
    }
  }

  async #write(write: Write, call: StoreCall): Promise<WriteResult> {
    try {
      return await this.#decide(write, call)
    } catch (error) {
      if (error instanceof SessionGoneError && write.session !== undefined) return { ok: false, conflict: 'session' }
      throw error
    }
  }

  /** Repeats only what the server has refused, and so certainly has not done. */
  async #decide(write: Write, call: StoreCall): Promise<WriteResult> {
    call.unsent = true
    const session = write.session === undefined ? undefined : this.#sessions.get(write.session)
    if (write.session !== undefined && session === undefined) return { ok: false, conflict: 'session' }
    const connection = await (session ?? this.#keeper).ready(call)
    // Reads without a barrier may be old. A write that is made on them fails, and a conflict that they show is looked at again, so it costs a barrier only then.
    for (let fresh = false; !call.signal.aborted; ) {
      const [, seen] = await Promise.all([fresh ? this.#barrier(connection) : undefined, look(connection, this.#space, write)])
      const plan = new WritePlan(this.#space, write, seen)
      let verdict = plan.verdict
      if (verdict === undefined) {
        call.unsent = false
        verdict = plan.judge(await connection.commit(plan.operations))
        call.unsent = true
        if (verdict.type === 'done') return { ok: true, version: verdict.version ?? String(await this.#barrier(connection)) }
        if (verdict.type === 'conflict') return { ok: false, conflict: verdict.conflict }
      } else if (verdict.type === 'conflict' && fresh) return { ok: false, conflict: verdict.conflict }
      if (verdict.type === 'missing') await this.#make(connection, verdict.paths)
      else fresh = true
    }
    throw new Error('given up')
  }

  async #make(connection: ZooKeeperConnection, paths: readonly string[]): Promise<void> {
    await Promise.all(paths.map((path) => connection.make(path)))
  }
}

function askForLife(space: KeySpace): (connection: ZooKeeperConnection) => Promise<void> {
  return async (connection) => {
    await connection.exists(space.reads)
  }
}

function absent(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
