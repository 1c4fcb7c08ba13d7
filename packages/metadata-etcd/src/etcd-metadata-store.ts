// The metadata store on etcd: entries are keys, versions are modification revisions, sessions are leases.

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
import type { IRequestOp } from 'etcd3'
import { etcdCapabilities } from './capabilities.ts'
import { EtcdConnection } from './connection.ts'
import { classifyEtcdError, isLeaseGone } from './etcd-errors.ts'
import { KeySpace } from './key-space.ts'
import { type EtcdMetadataStoreOptions, type ResolvedEtcdOptions, resolveEtcdOptions } from './options.ts'
import { PrefixWatch, type Snapshot } from './prefix-watch.ts'
import { conflictOf, isRevision, transaction } from './transactions.ts'

/** As the base class names it. */
const STORE_ID_KEY = 'cajun-store-id'

export class EtcdMetadataStore extends BaseMetadataStore {
  readonly capabilities: StoreCapabilities
  protected readonly endpoint: string
  readonly #options: ResolvedEtcdOptions
  readonly #space: KeySpace
  readonly #keeper: ConnectionKeeper<EtcdConnection>
  readonly #watches = new Set<PrefixWatch>()
  #member: number

  constructor(options: EtcdMetadataStoreOptions = {}) {
    super(options)
    this.#options = resolveEtcdOptions(options)
    const { endpoints, prefix, keepAliveMs, maxTxnOps, tls, auth } = this.#options
    this.endpoint = endpoints.join(', ')
    this.capabilities = { ...etcdCapabilities, maxBatch: maxTxnOps }
    this.#space = new KeySpace(prefix)
    this.#member = Math.floor(this.runtime.random() * endpoints.length)
    const probe = { key: this.#space.key(STORE_ID_KEY) }
    this.#keeper = new ConnectionKeeper({
      runtime: this.runtime,
      keepAliveMs,
      connect: () => {
        const endpoint = endpoints[this.#member++ % endpoints.length] as string
        return EtcdConnection.open({ runtime: this.runtime, endpoint, tls, auth, probe })
      },
      askForLife: async (connection) => {
        await connection.range(probe, 2 * keepAliveMs)
      },
    })
  }

  protected override async _open(call: StoreCall): Promise<void> {
    await this.#keeper.open(call)
    // Watches tell by it whether a server that came back is the same store.
    await this._storeId(call)
  }

  protected override async _close(): Promise<void> {
    for (const watch of this.#watches) watch.stop()
    this.#watches.clear()
    this.#keeper.close()
  }

  protected override async _ping(call: StoreCall): Promise<void> {
    const connection = await this.#ready(call)
    await connection.range({ key: this.#space.key(STORE_ID_KEY) }, call.remainingMs())
  }

  protected override async _get(key: string, call: StoreCall): Promise<Entry | undefined> {
    const connection = await this.#ready(call)
    const { kvs } = await connection.range({ key: this.#space.key(key) }, call.remainingMs())
    return kvs[0] === undefined ? undefined : this.#space.entry(kvs[0])
  }

  protected override async _list(prefix: string, call: StoreCall): Promise<readonly Entry[]> {
    const connection = await this.#ready(call)
    const { kvs } = await connection.range(this.#space.range(prefix), call.remainingMs())
    return kvs.map((stored) => this.#space.entry(stored))
  }

  protected override _put(key: string, value: string, request: PutRequest, call: StoreCall): Promise<WriteResult> {
    return this.#write([this.#putOp(key, value, request.session)], key, request, call)
  }

  protected override async _putBatch(entries: readonly KeyValue[], request: BatchRequest, call: StoreCall): Promise<PutAllResult> {
    const writes = entries.map(({ key, value }) => this.#putOp(key, value, request.session))
    const result = await this.#write(writes, undefined, { guard: request.guard }, call)
    if (result.ok) return { ok: true, written: entries.length }
    // Without a version of its own there is none that it could conflict with.
    return { ok: false, written: 0, conflict: result.conflict === 'session' ? 'session' : 'guard' }
  }

  protected override _delete(key: string, request: DeleteOptions, call: StoreCall): Promise<WriteResult> {
    return this.#write([{ request_delete_range: { key: this.#space.key(key) } }], key, request, call)
  }

  protected override async _openSession(ttlMs: number, call: StoreCall): Promise<{ readonly id: string; readonly ttlMs: number }> {
    const connection = await this.#ready(call)
    // etcd counts in seconds, and may grant more: that is what the session says then.
    return connection.grantLease(Math.ceil(ttlMs / 1_000), call.remainingMs())
  }

  protected override async _renewSession(id: string, call: StoreCall): Promise<number | undefined> {
    const connection = await this.#ready(call)
    const ttlMs = await connection.renewLease(id, call.remainingMs())
    return ttlMs > 0 ? ttlMs : undefined
  }

  protected override async _closeSession(id: string, call: StoreCall): Promise<void> {
    const connection = await this.#ready(call)
    try {
      await connection.revokeLease(id, call.remainingMs())
    } catch (error) {
      if (!isLeaseGone(error)) throw error
    }
  }

  protected override async _watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void> {
    const connection = await this.#ready(call)
    const watch = new PrefixWatch({
      runtime: this.runtime,
      space: this.#space,
      prefix,
      sink,
      ready: (signal) => this.#keeper.ready({ signal }),
      snapshot: (on) => this.#snapshot(on, prefix, sink),
      identity: async (on) => identityOf((await on.range({ key: this.#space.key(STORE_ID_KEY) }, this.timeoutMs)).kvs[0]),
    })
    await watch.start(connection)
    this.#watches.add(watch)
    return () => {
      this.#watches.delete(watch)
      watch.stop()
    }
  }

  protected override _classify(error: unknown): Fate {
    return classifyEtcdError(error)
  }

  async #ready(call: StoreCall): Promise<EtcdConnection> {
    call.unsent = true
    const connection = await this.#keeper.ready(call)
    call.unsent = false
    return connection
  }

  #putOp(key: string, value: string, session: string | undefined): IRequestOp {
    return { request_put: { key: this.#space.key(key), value: Buffer.from(value), ...(session === undefined ? {} : { lease: session }) } }
  }

  async #write(writes: IRequestOp[], key: string | undefined, conditions: PutRequest, call: StoreCall): Promise<WriteResult> {
    const { guard, ifVersion } = conditions
    if (guard !== undefined && !isRevision(guard.version)) return { ok: false, conflict: 'guard' }
    if (typeof ifVersion === 'string' && !isRevision(ifVersion)) return { ok: false, conflict: 'version' }
    const connection = await this.#ready(call)
    try {
      const answer = await connection.txn(transaction(this.#space, writes, key, conditions), call.remainingMs())
      // All writes of a transaction have its revision.
      return answer.succeeded ? { ok: true, version: String(answer.header.revision) } : { ok: false, conflict: conflictOf(answer, guard) }
    } catch (error) {
      if (isLeaseGone(error)) return { ok: false, conflict: 'session' }
      throw error
    }
  }

  async #snapshot(connection: EtcdConnection, prefix: string, sink: WatchSink): Promise<Snapshot> {
    const ranges = [this.#space.range(prefix), { key: this.#space.key(STORE_ID_KEY) }]
    const success = ranges.map((request_range) => ({ request_range }))
    const { header, responses } = await connection.txn({ success }, this.timeoutMs)
    const [found, id] = responses.map((response) => response.response_range.kvs)
    sink.snapshot((found ?? []).map((stored) => this.#space.entry(stored)))
    return { revision: Number(header.revision), identity: identityOf(id?.[0]) }
  }
}

function identityOf(stored: { readonly value: Buffer; readonly mod_revision: string } | undefined): string | undefined {
  return stored === undefined ? undefined : `${stored.mod_revision} ${stored.value.toString()}`
}
