// The base class of every metadata store. It owns validation, lifecycle, deadlines, retries, errors, sessions, elections and watches as the
// contract numbers them; an adapter overrides the underscored methods of `MetadataAdapter` and nothing else.

import { ClosedError, StoreUnavailableError } from '../errors.ts'
import { LeasedSession } from './leased-session.ts'
import { type BatchRequest, type KeyValue, MetadataAdapter, type PutRequest } from './metadata-adapter.ts'
import type {
  Campaign,
  DeleteOptions,
  Entry,
  Guard,
  MetadataStore,
  PutAllResult,
  PutOptions,
  Watch,
  WatchEvent,
  WriteResult,
} from './metadata-store.ts'
import { splitBatches } from './put-batches.ts'
import type { Session } from './session.ts'
import { CallRunner, type StoreCall } from './store-call.ts'
import { StoreCampaign } from './store-campaign.ts'
import type { MetadataStoreOptions } from './store-options.ts'
import { requireGuard, requireKey, requirePrefix, requireTtl, requireValue, requireVersion } from './store-validation.ts'
import { sortedByKey, WatchFeed } from './watch-feed.ts'

export abstract class BaseMetadataStore extends MetadataAdapter implements MetadataStore {
  readonly #calls: CallRunner
  readonly #sessions = new Set<LeasedSession>()
  /** Every session that this store opened, also those that have ended. */
  readonly #known = new WeakSet<LeasedSession>()
  readonly #campaigns = new Set<StoreCampaign>()
  readonly #watches = new Set<WatchFeed>()
  #state: 'new' | 'open' | 'closed' = 'new'
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: MetadataStoreOptions = {}) {
    super(options)
    this.#calls = new CallRunner({ runtime: this.runtime, endpoint: () => this.endpoint, classify: (error) => this._classify(error) })
  }

  // ── Life ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  async open(): Promise<void> {
    if (this.#state === 'closed') throw new ClosedError('open: the store was closed; make a new one')
    if (this.#state === 'open') return
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(): Promise<void> {
    try {
      await this.#calls.run('open', 'repeatable', this.timeoutMs, (call) => this._open(call))
    } catch (error) {
      await this.#release()
      throw error
    }
    if (this.#state === 'closed') throw new ClosedError('open: the store was closed meanwhile')
    this.#state = 'open'
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const opened = this.#state === 'open'
    this.#state = 'closed'
    for (const campaign of [...this.#campaigns]) campaign.abandon()
    const watches = [...this.#watches].map((watch) => watch.close())
    if (opened) await Promise.all([...this.#sessions].map((session) => session.close()))
    this.#calls.close()
    await Promise.all(watches)
    await this.#opening?.catch(() => {})
    await this.#release()
  }

  async #release(): Promise<void> {
    try {
      await this._close()
    } catch (error) {
      this.onError(error)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ── Operations ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  async storeId(): Promise<string> {
    return this.#repeatable('storeId', (call) => this._storeId(call))
  }

  async ping(): Promise<number> {
    return this.#repeatable('ping', async (call) => {
      const sentAt = this.runtime.monotonicMs()
      await this._ping(call)
      return this.runtime.monotonicMs() - sentAt
    })
  }

  async get(key: string): Promise<Entry | undefined> {
    requireKey(key)
    return this.#repeatable(`get of '${key}'`, (call) => this._get(key, call))
  }

  async list(prefix: string): Promise<readonly Entry[]> {
    requirePrefix(prefix)
    return this.#repeatable(`list of '${prefix}'`, async (call) => sortedByKey(await this._list(prefix, call)))
  }

  async put(key: string, value: string, options: PutOptions = {}): Promise<WriteResult> {
    requireKey(key)
    requireValue(key, value, this.capabilities.maxValueBytes)
    const { ifVersion, guard, session } = options
    if (ifVersion !== undefined && ifVersion !== null) requireVersion(ifVersion)
    if (guard !== undefined) requireGuard(guard)
    if (session !== undefined && !this.#owns(session).live && this.#state === 'open') return { ok: false, conflict: 'session' }
    const request: PutRequest = { ifVersion, guard, session: session?.id }
    const conditional = ifVersion !== undefined || guard !== undefined
    return this.#write(`put of '${key}'`, conditional, (call) => this._put(key, value, request, call))
  }

  async putAll(entries: readonly KeyValue[], options: { readonly guard?: Guard; readonly session?: Session } = {}): Promise<PutAllResult> {
    const { guard, session } = options
    if (guard !== undefined) requireGuard(guard)
    const batches = splitBatches(entries, this.capabilities)
    const request: BatchRequest = { guard, session: session?.id }
    const owner = session === undefined ? undefined : this.#owns(session)
    let written = 0
    for (const batch of batches) {
      if (owner !== undefined && !owner.live && this.#state === 'open') return { ok: false, written, conflict: 'session' }
      const what = `putAll, entries ${written + 1} to ${written + batch.length} of ${entries.length},`
      const result = await this.#write(what, guard !== undefined, (call) => this._putBatch(batch, request, call))
      written += result.written
      if (!result.ok) return { ...result, written }
    }
    return { ok: true, written }
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<WriteResult> {
    requireKey(key)
    const { ifVersion, guard } = options
    if (ifVersion !== undefined) requireVersion(ifVersion)
    if (guard !== undefined) requireGuard(guard)
    const conditional = ifVersion !== undefined || guard !== undefined
    return this.#write(`delete of '${key}'`, conditional, (call) => this._delete(key, options, call))
  }

  // ── Sessions, elections, watches ───────────────────────────────────────────────────────────────────────────────────────────────────

  async openSession(options: { readonly ttlMs: number }): Promise<Session> {
    requireTtl(options?.ttlMs)
    const granted = await this.#repeatable('openSession', async (call) => {
      const sentAtMs = this.runtime.leaseMs()
      return { sentAtMs, ...(await this._openSession(options.ttlMs, call)) }
    })
    const session = new LeasedSession(this.runtime, granted.id, granted, {
      renew: (id, timeoutMs) =>
        this.#calls.run(`renewal of session ${id}`, 'repeatable', timeoutMs, async (call) => {
          const sentAtMs = this.runtime.leaseMs()
          const ttlMs = await this._renewSession(id, call)
          return ttlMs === undefined ? undefined : { ttlMs, sentAtMs }
        }),
      end: (id, ttlMs) =>
        this.#calls.run(`end of session ${id}`, 'repeatable', Math.min(ttlMs, this.timeoutMs), (call) => this._closeSession(id, call)),
      over: (over) => {
        this.#sessions.delete(over)
        for (const campaign of [...this.#campaigns]) if (campaign.session === over) campaign.sessionOver()
        this._dropSession(over.id)
      },
    })
    this.#sessions.add(session)
    this.#known.add(session)
    if (this.#state === 'closed') {
      await session.close()
      throw new ClosedError('openSession: the store was closed')
    }
    return session
  }

  campaign(key: string, session: Session, value: string): Campaign {
    requireKey(key)
    requireValue(key, value, this.capabilities.maxValueBytes)
    const owner = this.#owns(session)
    for (const other of this.#campaigns) {
      if (other.key === key && other.session === owner)
        throw new TypeError(`session ${session.id} stands for '${key}' already; resign that campaign first`)
    }
    const campaign = new StoreCampaign({
      runtime: this.runtime,
      store: this,
      key,
      session: owner,
      value,
      tokenOf: (version) => this._tokenOf(version),
      onOver: (over) => this.#campaigns.delete(over),
    })
    this.#campaigns.add(campaign)
    return campaign
  }

  async watch(prefix: string, listener: (event: WatchEvent) => void): Promise<Watch> {
    requirePrefix(prefix)
    if (typeof listener !== 'function') throw new TypeError(`the listener of a watch is a ${typeof listener}; it must be a function`)
    const feed = new WatchFeed(prefix, listener, this.onError, (closed) => this.#watches.delete(closed))
    this.#watches.add(feed)
    try {
      await this.#repeatable(`watch of '${prefix}'`, async (call) => {
        const stop = await this._watch(prefix, feed.newSink(), call)
        if (call.signal.aborted) await stop()
        else feed.attach(stop)
        await feed.started
      })
    } catch (error) {
      await feed.close()
      throw error
    }
    return feed
  }

  // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #owns(session: Session): LeasedSession {
    if (session instanceof LeasedSession && this.#known.has(session)) return session
    throw new TypeError(
      'the session was not opened by this store; a session can be used only with the store whose openSession() returned it',
    )
  }

  #repeatable<T>(what: string, attempt: (call: StoreCall) => Promise<T>): Promise<T> {
    this.#requireOpen(what)
    return this.#calls.run(what, 'repeatable', this.timeoutMs, attempt)
  }

  #write<T>(what: string, conditional: boolean, attempt: (call: StoreCall) => Promise<T>): Promise<T> {
    this.#requireOpen(what)
    return this.#calls.run(what, conditional ? 'once' : 'repeatable', this.timeoutMs, attempt)
  }

  #requireOpen(what: string): void {
    if (this.#state === 'closed') throw new ClosedError(`${what}: the store was closed`)
    if (this.#state === 'new') throw new StoreUnavailableError(`${what} at ${this.endpoint}: the store is not open; await open() first`)
  }
}
