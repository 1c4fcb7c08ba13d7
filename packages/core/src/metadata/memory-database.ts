// A metadata store as a pure state machine: keys with versions, guarded writes, sessions with a TTL, subscriptions.
// No I/O, no timers, no promises. It says when the next session ends; whoever owns it (the embedded store of metadata-memory, the
// simulated store) sets the timer and decides how requests and changes travel.

import type { Change, DeleteOptions, Entry, Guard, PutAllResult, WriteResult } from './metadata-store.ts'
import { SortedKeys } from './sorted-keys.ts'

export interface MemoryDatabaseOptions {
  readonly storeId: string
  /** The clock by which sessions are judged. It must never go back. */
  readonly now: () => number
  /**
   * Versions and leadership tokens are counted on from here. A store that starts empty after losing its data should begin above anything
   * that it ever gave out, so that a guard or a token of its former life can't be mistaken for a new one.
   */
  readonly firstRevision?: number
}

/** What `put` takes: a session by its id. */
export interface DatabasePutOptions {
  readonly ifVersion?: string | null | undefined
  readonly guard?: Guard | undefined
  readonly session?: string | undefined
}

interface DatabaseSession {
  readonly id: string
  readonly ttlMs: number
  endsAtMs: number
  readonly keys: Set<string>
}

interface Subscription {
  readonly prefix: string
  readonly listener: (change: Change) => void
}

export class MemoryDatabase {
  readonly storeId: string
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()
  readonly #keys = new SortedKeys()
  readonly #sessions = new Map<string, DatabaseSession>()
  readonly #subscriptions = new Set<Subscription>()
  #revision: number

  constructor(options: MemoryDatabaseOptions) {
    this.storeId = options.storeId
    this.#now = options.now
    this.#revision = options.firstRevision ?? 0
  }

  /** The revision of the last write. Each write takes the next one as its version, whatever its key: none is ever used twice. */
  get revision(): number {
    return this.#revision
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): Entry | undefined {
    this.expire()
    return this.#entries.get(key)
  }

  list(prefix: string): Entry[] {
    this.expire()
    const found: Entry[] = []
    for (const key of this.#keys.from(prefix)) {
      if (!key.startsWith(prefix)) break
      found.push(this.#entries.get(key) as Entry)
    }
    return found
  }

  put(key: string, value: string, options: DatabasePutOptions = {}): WriteResult {
    this.expire()
    const conflict = this.#conflict(options.guard, options.session)
    if (conflict !== undefined) return { ok: false, conflict }
    if (!this.#versionHolds(key, options.ifVersion)) return { ok: false, conflict: 'version' }
    return { ok: true, version: this.#write(key, value, options.session).version }
  }

  /** All of them or, at a conflict, none. */
  putAll(
    entries: ReadonlyArray<{ readonly key: string; readonly value: string }>,
    options: { readonly guard?: Guard | undefined; readonly session?: string | undefined } = {},
  ): PutAllResult {
    this.expire()
    const conflict = this.#conflict(options.guard, options.session)
    if (conflict !== undefined) return { ok: false, written: 0, conflict }
    for (const { key, value } of entries) this.#write(key, value, options.session)
    return { ok: true, written: entries.length }
  }

  delete(key: string, options: DeleteOptions = {}): WriteResult {
    this.expire()
    const conflict = this.#conflict(options.guard, undefined)
    if (conflict !== undefined) return { ok: false, conflict }
    if (!this.#versionHolds(key, options.ifVersion)) return { ok: false, conflict: 'version' }
    this.#revision++
    this.#remove(key)
    return { ok: true, version: String(this.#revision) }
  }

  openSession(id: string, ttlMs: number): void {
    this.expire()
    if (this.#sessions.has(id)) throw new Error(`session ${id} exists already`)
    this.#sessions.set(id, { id, ttlMs, endsAtMs: this.#now() + ttlMs, keys: new Set() })
  }

  /** The TTL granted anew, or `undefined`: the session has ended. */
  renewSession(id: string): number | undefined {
    this.expire()
    const session = this.#sessions.get(id)
    if (session === undefined) return undefined
    session.endsAtMs = this.#now() + session.ttlMs
    return session.ttlMs
  }

  /** Ends it and removes its keys. Idempotent. */
  closeSession(id: string): void {
    this.expire()
    const session = this.#sessions.get(id)
    if (session !== undefined) this.#end(session)
  }

  hasSession(id: string): boolean {
    this.expire()
    return this.#sessions.has(id)
  }

  /** Ends the sessions whose time is over. Every other method does this first, so that nobody ever sees a key that outlived its session. */
  expire(): void {
    const now = this.#now()
    for (const session of this.#sessions.values()) if (session.endsAtMs <= now) this.#end(session)
  }

  /** When to call `expire` next, on the clock `now`; `undefined` while there are no sessions. */
  nextExpiry(): number | undefined {
    let next: number | undefined
    for (const session of this.#sessions.values()) if (next === undefined || session.endsAtMs < next) next = session.endsAtMs
    return next
  }

  /**
   * Calls `listener` for every change under `prefix` from now on, inside the call that makes it: it must neither throw nor call back into
   * the database. Returns what ends it. Together with a `list` in the same step it is a watch without a gap.
   */
  subscribe(prefix: string, listener: (change: Change) => void): () => void {
    const subscription = { prefix, listener }
    this.#subscriptions.add(subscription)
    return () => {
      this.#subscriptions.delete(subscription)
    }
  }

  #conflict(guard: Guard | undefined, session: string | undefined): 'guard' | 'session' | undefined {
    if (guard !== undefined && this.#entries.get(guard.key)?.version !== guard.version) return 'guard'
    if (session !== undefined && !this.#sessions.has(session)) return 'session'
    return undefined
  }

  #versionHolds(key: string, ifVersion: string | null | undefined): boolean {
    if (ifVersion === undefined) return true
    const present = this.#entries.get(key)
    return ifVersion === null ? present === undefined : present?.version === ifVersion
  }

  #write(key: string, value: string, session: string | undefined): Entry {
    const former = this.#entries.get(key)
    if (former === undefined) this.#keys.add(key)
    else this.#disown(former)
    const version = String(++this.#revision)
    const entry: Entry = session === undefined ? { key, value, version } : { key, value, version, session }
    this.#entries.set(key, entry)
    if (session !== undefined) this.#sessions.get(session)?.keys.add(key)
    this.#publish({ type: 'put', entry })
    return entry
  }

  #remove(key: string): void {
    const former = this.#entries.get(key)
    if (former === undefined) return
    this.#disown(former)
    this.#entries.delete(key)
    this.#keys.delete(key)
    this.#publish({ type: 'delete', key })
  }

  /** A key belongs to the session of its last write alone. */
  #disown(entry: Entry): void {
    if (entry.session !== undefined) this.#sessions.get(entry.session)?.keys.delete(entry.key)
  }

  #end(session: DatabaseSession): void {
    this.#sessions.delete(session.id)
    if (session.keys.size === 0) return
    this.#revision++
    for (const key of session.keys) this.#remove(key)
  }

  #publish(change: Change): void {
    const key = change.type === 'put' ? change.entry.key : change.key
    for (const subscription of this.#subscriptions) if (key.startsWith(subscription.prefix)) subscription.listener(change)
  }
}
