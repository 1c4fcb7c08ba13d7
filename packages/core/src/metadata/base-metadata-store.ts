// The base class of every metadata store. It owns validation, lifecycle, deadlines, retries, errors, sessions, elections and watches as the
// contract numbers them; an adapter overrides the underscored methods and nothing else. They are called only between `_open` and
// `_close`, with arguments that were checked, and may reject with whatever their client library throws.

import { ClosedError, StoreUnavailableError } from '../errors.ts'
import { newIdentity } from '../runtime/identity.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { LeasedSession } from './leased-session.ts'
import type {
  Campaign,
  DeleteOptions,
  Entry,
  Guard,
  MetadataStore,
  PutAllResult,
  PutOptions,
  StoreCapabilities,
  Watch,
  WatchEvent,
  WriteResult,
} from './metadata-store.ts'
import { splitBatches } from './put-batches.ts'
import type { Session } from './session.ts'
import { CallRunner, type Fate, type StoreCall } from './store-call.ts'
import { StoreCampaign } from './store-campaign.ts'
import { type MetadataStoreOptions, resolveMetadataStoreOptions } from './store-options.ts'
import { requireGuard, requireKey, requirePrefix, requireTtl, requireValue, requireVersion } from './store-validation.ts'
import { sortedByKey, WatchFeed, type WatchSink } from './watch-feed.ts'

/** What `_put` is asked: a session is named by the id that `_openSession` returned. */
export interface PutRequest {
  readonly ifVersion?: string | null | undefined
  readonly guard?: Guard | undefined
  readonly session?: string | undefined
}

export interface BatchRequest {
  readonly guard?: Guard | undefined
  readonly session?: string | undefined
}

export interface KeyValue {
  readonly key: string
  readonly value: string
}

/** Where the store's own id stands, for adapters that leave `_storeId` to the base class. */
const STORE_ID_KEY = 'cajun-store-id'

export abstract class BaseMetadataStore implements MetadataStore {
  abstract readonly capabilities: StoreCapabilities
  /** Names the server in errors; without secrets. */
  protected abstract readonly endpoint: string
  protected readonly runtime: Runtime
  protected readonly timeoutMs: number
  /** For what can't be rejected to anybody. */
  protected readonly onError: (error: unknown) => void
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
    const { runtime, timeoutMs, onError } = resolveMetadataStoreOptions(options)
    this.runtime = runtime
    this.timeoutMs = timeoutMs
    this.onError = (error) => {
      try {
        onError(error)
      } catch {
        // A reporter that throws has nobody left to report to.
      }
    }
    this.#calls = new CallRunner({ runtime, endpoint: () => this.endpoint, classify: (error) => this._classify(error) })
  }

  // ── What an adapter overrides ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Connects. May be called again after it failed and `_close` cleaned up. */
  protected abstract _open(call: StoreCall): Promise<void>
  /** Releases everything, also after half an `_open`, and also twice. Nothing of the adapter may keep the process alive afterwards. */
  protected abstract _close(): Promise<void>
  /** One round trip to the server. */
  protected abstract _ping(call: StoreCall): Promise<void>
  protected abstract _get(key: string, call: StoreCall): Promise<Entry | undefined>
  protected abstract _list(prefix: string, call: StoreCall): Promise<readonly Entry[]>
  /** Never repeats by itself what has `ifVersion` or `guard`. */
  protected abstract _put(key: string, value: string, request: PutRequest, call: StoreCall): Promise<WriteResult>
  /** Unconditional writes of at most `capabilities.maxBatch` entries with different keys. */
  protected abstract _putBatch(entries: readonly KeyValue[], request: BatchRequest, call: StoreCall): Promise<PutAllResult>
  protected abstract _delete(key: string, request: DeleteOptions, call: StoreCall): Promise<WriteResult>
  /** May be called again when its answer was lost: the session of a lost answer ends by its TTL. */
  protected abstract _openSession(ttlMs: number, call: StoreCall): Promise<{ readonly id: string; readonly ttlMs: number }>
  /** The TTL granted anew, or `undefined` when the server says that the session has ended. */
  protected abstract _renewSession(id: string, call: StoreCall): Promise<number | undefined>
  /** Removes the session and its keys. Also called for a session that was lost, when the server may know nothing of it any more. */
  protected abstract _closeSession(id: string, call: StoreCall): Promise<void>
  /**
   * Feeds `sink` until the returned function is called: a snapshot before it resolves, then changes, and a snapshot after every gap, for as
   * long as the store is open. Disconnections are the adapter's to survive.
   */
  protected abstract _watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void | Promise<void>>

  /** What an error of the client library means. By default everything leaves the outcome in doubt, which is always safe to say. */
  protected _classify(_error: unknown): Fate {
    return 'in-doubt'
  }

  /** Called once, synchronously, when a session is lost or closed: stop whatever of the client library would keep it alive. */
  protected _dropSession(_id: string): void {}

  /** The fencing token of a leader key created with this version. By default the version itself, which must then be a number that only grows. */
  protected _tokenOf(version: string): number {
    const token = Number(version)
    if (!Number.isSafeInteger(token)) throw new Error(`version '${version}' is no fencing token; override _tokenOf`)
    return token
  }

  /** The key that holds the store's id is made by whoever comes first. */
  protected async _storeId(call: StoreCall): Promise<string> {
    const present = await this._get(STORE_ID_KEY, call)
    if (present !== undefined) return present.value
    const created = newIdentity(this.runtime)
    if ((await this._put(STORE_ID_KEY, created, { ifVersion: null }, call)).ok) return created
    const winner = await this._get(STORE_ID_KEY, call)
    if (winner === undefined) throw new Error(`key ${STORE_ID_KEY} was deleted while it was read; never delete it`)
    return winner.value
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
