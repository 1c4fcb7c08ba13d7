// MetadataStore: who is alive, who leads, who owns what. Strings in, strings out, and numbered promises
// that `metadataStoreContract` (package contract-tests) proves against every adapter.

import type { Session } from './session.ts'

/** One stored key. `version` is opaque: it changes with every write of the key and never returns to an earlier value, also across delete and re-creation. */
export interface Entry {
  readonly key: string
  readonly value: string
  readonly version: string
  /** The id of the session that the key belongs to; absent: it stays until it is deleted. */
  readonly session?: string
}

/** Makes a write depend on a second key: it takes effect only while `key` exists with `version`, atomically. */
export interface Guard {
  readonly key: string
  readonly version: string
}

export interface PutOptions {
  /** The version that the key must have; `null`: the key must not exist; absent: unconditional. */
  readonly ifVersion?: string | null
  readonly guard?: Guard
  /** The key vanishes when this session ends. */
  readonly session?: Session
}

export interface DeleteOptions {
  readonly ifVersion?: string
  readonly guard?: Guard
}

/** The outcome of a write that the store answered. A lost race is a result, not an exception; nothing was written then. */
export type WriteResult =
  | { readonly ok: true; readonly version: string }
  | { readonly ok: false; readonly conflict: 'version' | 'guard' | 'session' }

export type Change = { readonly type: 'put'; readonly entry: Entry } | { readonly type: 'delete'; readonly key: string }

export type WatchEvent =
  /** All that is under the prefix, replacing everything delivered before: first, and again after any gap. */
  | { readonly type: 'snapshot'; readonly entries: readonly Entry[] }
  /** Ordered changes since the last event. Intermediate values of one key may be left out. */
  | { readonly type: 'changes'; readonly changes: readonly Change[] }

export interface Watch extends AsyncDisposable {
  /** Stops the watch: the listener is not called again, also not for events already on their way. */
  close(): Promise<void>
}

/** A won election. Fence what the leader writes with `guard: { key, version }`. */
export interface Leadership {
  readonly key: string
  readonly version: string
  /** Grows strictly from leader to leader over the life of the store: the term. */
  readonly token: number
}

export interface Campaign extends AsyncDisposable {
  /**
   * Resolves when this candidate leads; rejects with `SessionLostError` when its session ends first, and with `ClosedError` when it
   * was withdrawn. Leadership then lasts until the session ends, `resign` is called, or the key is deleted by somebody else.
   */
  readonly elected: Promise<Leadership>
  /**
   * Withdraws, or gives leadership up. Idempotent. Stop acting as the leader before you call it. When it rejects, the store could not be
   * told, and the key stays until the session ends.
   */
  resign(): Promise<void>
}

export interface StoreCapabilities {
  /** `get` and `list` reflect every write that was acknowledged before they were called. */
  readonly linearizable: boolean
  /** Leadership tokens and guarded writes stay sound through every failure of the store that its documentation promises to survive. */
  readonly fencing: boolean
  /** `putAll` applies a batch of up to `maxBatch` entries at once or not at all. */
  readonly atomicBatch: boolean
  /** The most entries of one atomic batch; a larger `putAll` is split into several. */
  readonly maxBatch: number
  /** The most bytes of keys and values in one batch, where the store limits them; a `putAll` is split there too. */
  readonly maxBatchBytes?: number
  /** The largest value in bytes of UTF-8. */
  readonly maxValueBytes: number
  /** `every`: each write is seen; `latest`: values between two events may be left out. */
  readonly watch: 'every' | 'latest'
}

/**
 * The contract. Each number has a test in the contract suite.
 *
 * Reads and writes
 * 1. `get` returns the last acknowledged write of the key, or `undefined` when there is none or it was deleted.
 * 2. `list(prefix)` returns all keys that begin with `prefix`, with values and versions, sorted by key (UTF-16 order), and no other.
 * 3. An acknowledged `put` is visible to every client of the store that reads afterwards (where `linearizable`).
 * 4. Versions differ between any two writes of one key, also when it was deleted in between or holds the same value again.
 * 5. `ifVersion` writes only over exactly that version; of any number of concurrent writers naming one version exactly one wins. `null` likewise: one creates.
 * 6. A refused write (`ok: false`) changed nothing.
 * 7. `guard` is checked in the same atomic step as the write.
 * 8. `delete` of a missing key without `ifVersion` is `ok`; with it, a conflict.
 * 9. `putAll` writes all entries; each batch of `maxBatch` is atomic where `atomicBatch`. Its guard, if any, holds for each batch. It stops at the first conflict.
 *    All entries are checked before anything is written; one key twice is a `TypeError`.
 * 10. A conditional write (`ifVersion` or `guard`) with an outcome that can't be known rejects with `UnknownOutcomeError`; the adapter never repeats it.
 *     Reads and unconditional writes may be repeated; where that does not help either, they reject with `StoreUnavailableError`, and such a
 *     write may have been applied.
 * 11. Every operation settles within the store's `timeoutMs` (a `putAll` within that for each of its batches), also with the server frozen or gone.
 * 12. Keys and values round-trip any well-formed string (keys: 1 to 512 bytes, segments joined by `/`, no empty segment); others are a `TypeError`. Values over `maxValueBytes` are refused by name.
 *
 * Sessions
 * 13. Keys put with a session exist until it ends, and are gone within one TTL + 1 s after its process stopped renewing.
 * 14. `safeUntil()` is counted from when the last successful renewal was *sent*, by the TTL the server granted: at that time the keys still exist.
 * 15. `lost` fires at most once, no later than `safeUntil()` passes (as far as timers fire), also when no answer ever comes.
 * 16. `close()` removes the session's keys at once, does not fire `lost`, and is idempotent.
 * 17. A put with an ended session is refused (`conflict: 'session'`) or rejects; it never creates a key that stays. A session is good for the
 *     store that opened it alone; with another it is a `TypeError`.
 * 18. A key put with session A and then with session B, or with none, belongs to the last: the end of A does not remove it.
 *
 * Leadership
 * 19. At most one candidate of a name holds the leader key at any time.
 * 20. Tokens grow strictly over the life of the store, through restarts and any number of elections.
 * 21. When a leader's session ends or it resigns, a waiting candidate is elected (within its own session's renewals). One session stands for one
 *     key once at a time; it may stand again after it resigned, for a new token.
 * 22. After the end of a leadership, writes guarded by its key and version are refused.
 *
 * Watch
 * 23. The first event is a snapshot; `watch` resolves when it has been delivered.
 * 24. Afterwards each acknowledged change under the prefix is delivered, in order for each key, or covered by a later value or snapshot. The last state of each key always arrives.
 * 25. After any gap (disconnection, compaction, overflow) a new snapshot is delivered; silence after a gap is never an option.
 * 26. Nothing outside the prefix is delivered. After `close()` the listener is not called.
 * 27. The disappearance of a session's keys is delivered as deletes, in order with what follows.
 * 28. A listener that throws ends neither the watch nor the process; the error goes to the store's `onError`.
 *
 * Life
 * 29. `storeId()` is the same for every client of one store and over restarts, and differs when the data was lost.
 * 30. `close()` ends sessions, campaigns and watches, lets go of every connection, also with the server frozen, and is idempotent; afterwards every
 *     operation rejects with `ClosedError`.
 * 31. `ping()` resolves with the milliseconds of a round trip to the server, and rejects when it does not answer in time.
 * 32. Operations before `open()` has resolved, and while unreachable, reject with `StoreUnavailableError` (retryable) or wait at most `timeoutMs`; they recover by themselves within 1 s of the server's return.
 *     A connection that fell silent, with nobody told, is found and replaced in time for a session of 4 s or more to live on.
 */
export interface MetadataStore extends AsyncDisposable {
  readonly capabilities: StoreCapabilities

  /** Connects. Idempotent; rejects with `StoreUnavailableError` naming the endpoint when the store can't be reached within `timeoutMs`. */
  open(): Promise<void>
  close(): Promise<void>

  storeId(): Promise<string>
  ping(): Promise<number>

  get(key: string): Promise<Entry | undefined>
  list(prefix: string): Promise<readonly Entry[]>
  put(key: string, value: string, options?: PutOptions): Promise<WriteResult>
  /** Unconditional writes of many keys in as few round trips as the store allows. Resolves with the number of entries written, or the conflict that stopped it. */
  putAll(
    entries: ReadonlyArray<{ readonly key: string; readonly value: string }>,
    options?: { readonly guard?: Guard; readonly session?: Session },
  ): Promise<PutAllResult>
  delete(key: string, options?: DeleteOptions): Promise<WriteResult>

  openSession(options: { readonly ttlMs: number }): Promise<Session>
  /** Stands for election under `key`; the first to create it leads. The leader key holds `value` while it leads, and vanishes with the session. */
  campaign(key: string, session: Session, value: string): Campaign
  /** Follows everything whose key begins with `prefix`. The listener is called synchronously, one event at a time. */
  watch(prefix: string, listener: (event: WatchEvent) => void): Promise<Watch>
}

export type PutAllResult =
  | { readonly ok: true; readonly written: number }
  | { readonly ok: false; readonly written: number; readonly conflict: 'guard' | 'session' }
