// One embedded store, shared by every `MemoryMetadataStore` of the process that is given it, and by a `MemoryMetadataServer` that lets other
// processes in. Owns the timer that ends sessions; what is stored and how is core's `MemoryDatabase`.

import { type Change, type Entry, MemoryDatabase, newIdentity, nodeRuntime, type Runtime, type Timer } from '@cajun/core/adapter'
import { LinkFaults } from './link-faults.ts'
import { type AnswerTo, execute, type StoreRequest } from './requests.ts'

export interface EmbeddedDatabaseOptions {
  /** Clocks and timers by which sessions are judged. Default: those of Node. */
  readonly runtime?: Runtime
}

export class EmbeddedDatabase {
  readonly storeId: string
  /** Cuts every in-process store off this database at once, as if the server were gone: for tests. */
  readonly faults: LinkFaults = new LinkFaults()
  readonly #runtime: Runtime
  readonly #database: MemoryDatabase
  #expiry: { readonly atMs: number; readonly timer: Timer } | undefined

  constructor(options: EmbeddedDatabaseOptions = {}) {
    this.#runtime = options.runtime ?? nodeRuntime
    this.storeId = newIdentity(this.#runtime)
    this.#database = new MemoryDatabase({
      storeId: this.storeId,
      now: () => this.#runtime.leaseMs(),
      // Above all that an earlier store at the same place ever gave out (unless it wrote more than a million times a second, or the wall
      // clock went back): a leader of the lost store can't have a version or a token that means something in this one.
      firstRevision: Math.floor(this.#runtime.wallMs()) * 1_000,
    })
  }

  execute<R extends StoreRequest>(request: R): AnswerTo<R> {
    const answer = execute(this.#database, request) as AnswerTo<R>
    this.#scheduleExpiry()
    return answer
  }

  /** What is there now, and every change from now on: nothing in between is missed. `onChange` must not call back into the database. */
  follow(prefix: string, onChange: (change: Change) => void): { readonly entries: readonly Entry[]; readonly stop: () => void } {
    const entries = this.#database.list(prefix)
    return { entries, stop: this.#database.subscribe(prefix, onChange) }
  }

  #scheduleExpiry(): void {
    const atMs = this.#database.nextExpiry()
    if (atMs === this.#expiry?.atMs) return
    // A later time needs no new timer: the old one fires, finds nothing to end, and sets the next.
    if (atMs !== undefined && this.#expiry !== undefined && atMs > this.#expiry.atMs) return
    this.#expiry?.timer.cancel()
    this.#expiry = undefined
    if (atMs === undefined) return
    const timer = this.#runtime.setTimer(
      () => {
        this.#expiry = undefined
        this.#database.expire()
        this.#scheduleExpiry()
      },
      Math.max(0, atMs - this.#runtime.leaseMs()),
    )
    this.#expiry = { atMs, timer }
  }
}
