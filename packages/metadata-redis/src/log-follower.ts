// Watches: one reader of the log, on a connection of its own because it blocks, feeds every watch of the store. Entries are chained: whatever is missing
// (trimmed, lost with the server's data or by a failover) is noticed at the next entry, or at the next sign of life, and every watch gets a snapshot.
//
//   connecting ──> resuming ──the log still holds where we were──> reading ──connection lost──> connecting
//                     └──it does not──> snapshots ──────────────────┘  └──chain broken──> snapshots

import type { Entry, Timer, WatchSink } from '@cajun/core/adapter'
import { Connection, type ConnectionOptions } from './connection.ts'
import { type LogEntry, revisionOf } from './stored-entry.ts'

export interface Scanned {
  readonly revision: number
  readonly entries: readonly Entry[]
}

export interface LogFollowerOptions extends ConnectionOptions {
  readonly scan: (prefix: string) => Promise<Scanned>
}

/** How long one read waits for news. Silence for this and the grace ends the connection: a frozen server, or a firewall between. */
const BLOCK_MS = 1_000
const GRACE_MS = 500
const FIRST_BACKOFF_MS = 20
const LONGEST_BACKOFF_MS = 250

interface Follower {
  readonly prefix: string
  readonly sink: WatchSink
  /** The revision of its last snapshot; while undefined, one is on its way, and what the log brings waits in `early`. */
  from: number | undefined
  early: LogEntry[]
  /** Grows with each gap: a snapshot that was asked for before it is too old. */
  gap: number
}

export class LogFollower {
  readonly #options: LogFollowerOptions
  readonly #followers = new Set<Follower>()
  /** The last entry that was read; '' before the first connection. */
  #cursor = ''
  #connection: Connection | undefined
  #running: Promise<void> | undefined
  #closed = false
  #started: () => void = () => {}
  readonly #begun: Promise<void>
  readonly #pauses = new Set<() => void>()

  constructor(options: LogFollowerOptions) {
    this.#options = options
    this.#begun = new Promise((resolve) => {
      this.#started = resolve
    })
  }

  /** Resolves with what ends it, after the first snapshot was delivered. */
  async follow(prefix: string, sink: WatchSink, signal: AbortSignal): Promise<() => void> {
    this.#running ??= this.#run()
    // The log is followed from here on, so whatever the snapshot does not show will be read from it.
    await this.#begun
    const follower: Follower = { prefix, sink, from: undefined, early: [], gap: 0 }
    const stop = (): void => {
      this.#followers.delete(follower)
    }
    if (signal.aborted || this.#closed) return stop
    this.#followers.add(follower)
    signal.addEventListener('abort', stop, { once: true })
    try {
      await this.#snapshot(follower)
    } catch (error) {
      stop()
      throw error
    }
    return stop
  }

  /** What the server says is the last entry. It lies before what was read only when the server lost data. */
  observeTail(tail: string): void {
    if (this.#cursor !== '' && revisionOf(tail) < revisionOf(this.#cursor)) this.#connection?.drop(new Error('the log went back'))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#followers.clear()
    this.#connection?.drop(new Error('the store was closed'))
    this.#started()
    for (const wake of [...this.#pauses]) wake()
    await this.#running
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#closed; ) {
      try {
        this.#connection = await Connection.open(this.#options)
        await this.#resume(this.#connection)
        failures = 0
        while (!this.#closed) await this.#read(this.#connection)
      } catch {
        // Lost, refused or silent: the next connection tells.
      }
      this.#connection?.drop(new Error('done with'))
      this.#connection = undefined
      if (!this.#closed) await this.#pause(Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures++, 10)))
    }
  }

  async #resume(connection: Connection): Promise<void> {
    const [tail, known] = (await connection.run('resume', this.#cursor === '' ? '0-0' : this.#cursor)) as [string, number]
    if (this.#cursor === '' || known === 0) this.#restart(tail)
    this.#started()
  }

  async #read(connection: Connection): Promise<void> {
    const entries = await connection.readLog(this.#cursor, BLOCK_MS, GRACE_MS)
    if (this.#closed) return
    for (const entry of entries) {
      if (entry.previous !== this.#cursor) return this.#restart(entries.at(-1)?.id ?? entry.id)
      this.#cursor = entry.id
      for (const follower of this.#followers) {
        if (follower.from === undefined) follower.early.push(entry)
        else if (entry.revision > follower.from) follower.sink.changes(entry.changes)
      }
    }
  }

  /** Goes on after `cursor`; everything up to there is told by snapshots that are asked for now, and so show at least that. */
  #restart(cursor: string): void {
    this.#cursor = cursor
    for (const follower of this.#followers) {
      follower.from = undefined
      follower.early = []
      follower.gap++
      void this.#snapshotUntilDone(follower, follower.gap)
    }
  }

  async #snapshotUntilDone(follower: Follower, gap: number): Promise<void> {
    for (let failures = 0; this.#followers.has(follower) && follower.gap === gap; failures++) {
      try {
        return await this.#snapshot(follower)
      } catch {
        await this.#pause(Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures, 10)))
      }
    }
  }

  async #snapshot(follower: Follower): Promise<void> {
    const { gap } = follower
    const { revision, entries } = await this.#options.scan(follower.prefix)
    if (follower.gap !== gap || follower.from !== undefined || !this.#followers.has(follower)) return
    follower.from = revision
    follower.sink.snapshot(entries)
    const early = follower.early
    follower.early = []
    for (const entry of early) if (entry.revision > revision) follower.sink.changes(entry.changes)
  }

  #pause(longestMs: number): Promise<void> {
    const { runtime } = this.#options
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel()
        this.#pauses.delete(wake)
        resolve()
      }
      const timer: Timer = runtime.setTimer(wake, longestMs * (0.5 + runtime.random() / 2))
      this.#pauses.add(wake)
    })
  }
}
