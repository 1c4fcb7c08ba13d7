// The simulated metadata store's server: core's MemoryDatabase behind a network that delays, loses and doubts, and that can be stopped, started
// again and reborn empty. `store-client.ts` is what a process holds of it. It also is the truth that checkers compare with.

import { type Change, type Entry, MemoryDatabase, StoreUnavailableError, type WatchSink } from '@cajun/core/adapter'
import type { SimulatedProcess } from './host.ts'
import type { ScheduledEvent, SimulationLoop } from './loop.ts'
import type { Marks } from './marks.ts'
import type { RandomStream } from './random-streams.ts'
import { WatchStream } from './store-watch.ts'

export interface StoreProfile {
  readonly latencyMs: number
  readonly watchLagMs: number
  /** Of a write in fair weather: no answer comes, and it was or was not applied. */
  readonly doubtChance: number
  /** Whether sessions grow older while the server is down. */
  readonly agesWhileDown: boolean
}

export const calmStore: StoreProfile = { latencyMs: 1, watchLagMs: 1, doubtChance: 0, agesWhileDown: false }

/** Between one host and the store. Faults nest. */
export class StorePath {
  requestCuts = 0
  answerCuts = 0
  slowness = 1
  extraWatchLagMs = 0
}

/** Where no fault makes it slow: well below the deadlines of operations. */
const USUAL_LAG_MS = 250

export interface StoreWrite {
  readonly timeMs: number
  /** Who asked for it; `undefined`: the end of a session, by its time. */
  readonly by: SimulatedProcess | undefined
  /** False: whoever asked for it is not told. */
  readonly isAnswered: boolean
  readonly change: Change
}

export class SimulatedStore {
  readonly loop: SimulationLoop
  readonly marks: Marks
  readonly random: RandomStream
  readonly profile: StoreProfile
  isUp = true
  /** Called in the very step that changes the data. */
  onWrite: ((write: StoreWrite) => void) | undefined
  onReborn: (() => void) | undefined
  /** Write requests that were carried out, failures included. */
  writeRequests = 0
  #database: MemoryDatabase
  /** Former lives: their sessions are still what processes count on, until their time is over. */
  readonly #former: MemoryDatabase[] = []
  readonly #paths = new Map<string, StorePath>()
  readonly #streams = new Set<WatchStream>()
  #births = 0
  #downSinceMs = 0
  #downMs = 0
  /** On slow paths: what is under way. */
  readonly #late = new Map<ScheduledEvent, () => void>()
  #writing: SimulatedProcess | undefined
  #isAnswered = true
  #expiry: ScheduledEvent | undefined

  constructor(loop: SimulationLoop, random: RandomStream, profile: StoreProfile, marks: Marks) {
    this.loop = loop
    this.random = random
    this.profile = profile
    this.marks = marks
    this.#database = this.#born(0)
  }

  path(nodeId: string): StorePath {
    let path = this.#paths.get(nodeId)
    if (path === undefined) {
      path = new StorePath()
      this.#paths.set(nodeId, path)
    }
    return path
  }

  // ── The truth, for checkers ───────────────────────────────────────────────────────────────────────────────────────────────────────

  get storeId(): string {
    return this.#database.storeId
  }

  entry(key: string): Entry | undefined {
    return this.#database.get(key)
  }

  entries(prefix: string): Entry[] {
    return this.#database.list(prefix)
  }

  /** Whether the server still keeps it. A store that lost its data counts as keeping what it had granted. */
  keepsSession(id: string): boolean {
    return this.#database.hasSession(id) || this.#former.some((database) => database.hasSession(id))
  }

  // ── Faults ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  cut(nodeId: string, which: 'both' | 'requests' | 'answers'): void {
    const path = this.path(nodeId)
    if (which !== 'answers') path.requestCuts++
    if (which !== 'requests') path.answerCuts++
  }

  mend(nodeId: string, which: 'both' | 'requests' | 'answers'): void {
    const path = this.path(nodeId)
    if (which !== 'answers') path.requestCuts = Math.max(0, path.requestCuts - 1)
    if (which !== 'requests') path.answerCuts = Math.max(0, path.answerCuts - 1)
    this.#resume()
  }

  /** Some node's watch has one. */
  get hasGap(): boolean {
    for (const stream of this.#streams) if (stream.hasGap) return true
    return false
  }

  /** The watches of a host lose what comes now, and begin again after a while with a snapshot: a compaction, an overflow, a new connection. */
  gap(nodeId: string, forMs: number): void {
    for (const stream of this.#streams) if (stream.process.nodeId === nodeId) stream.interrupt()
    this.loop.after(forMs, () => this.#resume())
  }

  stop(): void {
    if (!this.isUp) return
    this.#database.expire()
    this.isUp = false
    this.#downSinceMs = this.loop.nowMs
    for (const stream of this.#streams) stream.interrupt()
  }

  start(): void {
    if (this.isUp) return
    this.isUp = true
    this.#downMs += this.loop.nowMs - this.#downSinceMs
    this.#expireLater()
    this.#resume()
  }

  /** All data is lost; a store that knows nobody takes its place. */
  rebirth(): void {
    this.#former.push(this.#database)
    this.#database = this.#born(this.#database.revision + 1_000)
    for (const stream of this.#streams) stream.interrupt()
    this.onReborn?.()
    this.#resume()
  }

  healAll(): void {
    for (const path of this.#paths.values()) {
      path.requestCuts = 0
      path.answerCuts = 0
      path.slowness = 1
      path.extraWatchLagMs = 0
    }
    // A request of a process that has died since would otherwise renew its session long after everything was healed.
    for (const [event, arrive] of this.#late) {
      this.loop.cancel(event)
      this.loop.after(this.#usualLatencyMs(), arrive)
    }
    this.#late.clear()
    this.start()
    this.#resume()
  }

  // ── Served to clients ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `execute` runs at the server if the request gets there. The promise may never settle: the caller has a deadline. */
  request<T>(process: SimulatedProcess, kind: 'read' | 'write' | 'session', execute: (database: MemoryDatabase) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (process.isCrashed) return
      const doubt =
        kind === 'write' && this.random.chance(this.profile.doubtChance) ? this.random.pick(['applied', 'lost'] as const) : undefined
      this.#travel(process, () => {
        if (this.path(process.nodeId).requestCuts > 0) return
        if (!this.isUp) {
          // Refused at once, or never answered, as machines do.
          if (this.random.chance(0.5)) this.#answer(process, () => reject(new StoreUnavailableError('the store is down')))
          return
        }
        if (doubt === 'lost') {
          this.marks.reach('write lost without an answer')
          this.#answer(process, () => reject(new Error('connection lost')))
          return
        }
        let settle: () => void
        try {
          if (kind === 'write') this.writeRequests++
          const value = this.#execute(process, execute, doubt !== 'applied')
          settle = () => resolve(value)
        } catch (error) {
          settle = () => reject(error)
        }
        if (doubt === 'applied') {
          this.marks.reach('write applied without an answer')
          settle = () => reject(new Error('connection lost'))
        }
        if (kind === 'write' && this.path(process.nodeId).answerCuts > 0) this.marks.reach('answer of a write cut off')
        this.#answer(process, settle)
      })
    })
  }

  watch(process: SimulatedProcess, prefix: string, sink: WatchSink): Promise<() => void> {
    const stream = new WatchStream(this, process, prefix, sink)
    return new Promise((resolve) => {
      this.#streams.add(stream)
      stream.whenBegun = () =>
        resolve(() => {
          stream.close()
          this.#streams.delete(stream)
        })
      stream.synchronise()
    })
  }

  /** Server and path can serve a watch of that host. */
  canFeed(nodeId: string): boolean {
    const path = this.path(nodeId)
    return this.isUp && path.requestCuts === 0 && path.answerCuts === 0
  }

  follow(prefix: string, listener: (change: Change) => void): { readonly entries: Entry[]; readonly stop: () => void } {
    return { entries: this.#database.list(prefix), stop: this.#database.subscribe(prefix, listener) }
  }

  watchLagMs(nodeId: string): number {
    return Math.min(USUAL_LAG_MS, this.random.latency(this.profile.watchLagMs)) + this.random.unit() * this.path(nodeId).extraWatchLagMs
  }

  // ── Inside ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #born(firstRevision: number): MemoryDatabase {
    const database = new MemoryDatabase({ storeId: `store-${++this.#births}`, now: () => this.#now(), firstRevision })
    database.subscribe('', (change) => {
      if (database === this.#database) this.onWrite?.({ timeMs: this.loop.nowMs, by: this.#writing, isAnswered: this.#isAnswered, change })
    })
    return database
  }

  /** The clock of the server: it may stand still while the server is down. */
  #now(): number {
    const { agesWhileDown } = this.profile
    if (agesWhileDown) return this.loop.nowMs
    return (this.isUp ? this.loop.nowMs : this.#downSinceMs) - this.#downMs
  }

  #execute<T>(process: SimulatedProcess, execute: (database: MemoryDatabase) => T, isAnswered: boolean): T {
    this.#database.expire()
    this.#writing = process
    this.#isAnswered = isAnswered
    try {
      return execute(this.#database)
    } finally {
      this.#writing = undefined
      this.#isAnswered = true
      this.#expireLater()
    }
  }

  #answer(process: SimulatedProcess, settle: () => void): void {
    this.#travel(process, () => {
      if (this.path(process.nodeId).answerCuts === 0) process.post(settle)
    })
  }

  #travel(process: SimulatedProcess, arrive: () => void): void {
    const { slowness } = this.path(process.nodeId)
    const delayMs = this.#usualLatencyMs() * slowness
    if (slowness === 1) {
      this.loop.after(delayMs, arrive)
      return
    }
    const event = this.loop.after(delayMs, () => {
      this.#late.delete(event)
      arrive()
    })
    this.#late.set(event, arrive)
  }

  #usualLatencyMs(): number {
    return Math.min(USUAL_LAG_MS, this.random.latency(this.profile.latencyMs))
  }

  #expireLater(): void {
    const next = this.#database.nextExpiry()
    if (this.#expiry !== undefined) this.loop.cancel(this.#expiry)
    this.#expiry = undefined
    if (next === undefined || !this.isUp) return
    this.#expiry = this.loop.after(Math.max(0, next - this.#now()) + 1e-6, () => {
      if (!this.isUp) return
      this.#database.expire()
      this.#expireLater()
    })
  }

  #resume(): void {
    for (const stream of this.#streams) {
      if (stream.process.isCrashed) {
        stream.close()
        this.#streams.delete(stream)
      } else if (stream.isInterrupted) stream.synchronise()
    }
  }
}
