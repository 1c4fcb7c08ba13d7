// The one queue of actors that have something to do, and when it is worked off: woken by a microtask, in batches, yielding to the
// event loop on a time budget. What working off an actor means is the runner's business.

import type { Runtime } from '../runtime/runtime.ts'

/** Longest time without letting I/O and timers in. */
const BUDGET_MS = 4
/** After so many turns the queue gives way to other microtasks (the continuations of async handlers), and looks at the clock. */
const TURNS_PER_BATCH = 512

/**
 * States of the queue:
 *
 *   idle ──schedule──> woken ──> running ──empty──> idle
 *                        ^          │ batch full
 *                        └──────────┘ by microtask; by nextTurn when the budget is spent
 */
export class RunQueue<T extends object> {
  readonly #runtime: Runtime
  /** Runs some turns of what it is given; returns how many. Must not throw. */
  readonly #run: (item: T) => number
  #ring: (T | undefined)[] = new Array(64).fill(undefined)
  #first = 0
  #count = 0
  #woken = false
  #closed = false
  /** A task in the next turn of the event loop tells that I/O had its chance. */
  #turnPending = false
  #yieldAtMs = 0
  readonly #drain = (): void => this.#work()
  readonly #turned = (): void => {
    this.#turnPending = false
  }

  #nowTick: number

  constructor(runtime: Runtime, run: (item: T) => number) {
    this.#runtime = runtime
    this.#run = run
    this.#nowTick = Math.ceil(runtime.monotonicMs())
  }

  /**
   * Whole milliseconds of the monotonic clock, read at each wake-up and each batch, never per message: good for deadlines of seconds. While the queue
   * sleeps (all its actors are busy, or wait for a gate) the last reading may be old, so then it reads again.
   */
  get nowTick(): number {
    if (!this.#woken) this.#readClock()
    return this.#nowTick
  }

  get size(): number {
    return this.#count
  }

  /** The caller sees to it that an item is in the queue once only. */
  add(item: T): void {
    const ring = this.#ring
    if (this.#count === ring.length) {
      this.#grow()
      this.add(item)
      return
    }
    ring[(this.#first + this.#count) & (ring.length - 1)] = item
    this.#count++
    if (!this.#woken) this.#wake()
  }

  /** Nothing runs any more. */
  close(): void {
    this.#closed = true
  }

  #wake(): void {
    this.#woken = true
    const now = this.#readClock()
    if (!this.#turnPending) {
      this.#turnPending = true
      this.#runtime.nextTurn(this.#turned)
      this.#yieldAtMs = now + BUDGET_MS
    } else if (now >= this.#yieldAtMs) {
      // Short runs that wake each other (awaited asks) would starve the event loop as one long run does.
      this.#runtime.nextTurn(this.#drain)
      return
    }
    this.#runtime.microtask(this.#drain)
  }

  #work(): void {
    if (this.#closed) return
    let turns = 0
    while (this.#count > 0) {
      const at = this.#first
      const item = this.#ring[at] as T
      this.#ring[at] = undefined
      this.#first = (at + 1) & (this.#ring.length - 1)
      this.#count--
      turns += this.#run(item)
      if (turns >= TURNS_PER_BATCH) {
        if (this.#count === 0) break
        this.#wake()
        return
      }
    }
    this.#woken = false
  }

  #readClock(): number {
    const now = this.#runtime.monotonicMs()
    this.#nowTick = Math.ceil(now)
    return now
  }

  #grow(): void {
    const old = this.#ring
    const bigger: (T | undefined)[] = new Array(old.length * 2).fill(undefined)
    for (let i = 0; i < old.length; i++) bigger[i] = old[(this.#first + i) & (old.length - 1)]
    this.#ring = bigger
    this.#first = 0
  }
}
