// A Runtime whose time stands still until a test moves it. Nothing runs by itself: `flush` runs what is queued, `advance` moves the
// clock and fires timers on the way, `settle` does the former and lets real promises (async handlers) finish as well.

import { LeaseClock } from '../../src/runtime/lease-clock.ts'
import type { Runtime, Timer } from '../../src/runtime/runtime.ts'

interface PendingTimer {
  readonly atMs: number
  readonly order: number
  readonly task: () => void
}

export class ManualRuntime implements Runtime {
  /** Move it by itself to let the machine be "suspended". */
  nowMs = 1_000
  /** Added to the wall clock: set it to let the wall clock jump. */
  wallOffsetMs = 1_700_000_000_000
  /** How many timers were set in all: to prove that something sets none. */
  timersSet = 0

  readonly #timers = new Set<PendingTimer>()
  #microtasks: (() => void)[] = []
  #endOfTurn: (() => void)[] = []
  #nextTurn: (() => void)[] = []
  #order = 0
  #seed: number
  readonly #leaseClock = new LeaseClock(
    () => this.nowMs,
    () => this.wallMs(),
  )

  constructor(seed = 1) {
    this.#seed = seed | 0
  }

  monotonicMs(): number {
    return this.nowMs
  }

  wallMs(): number {
    return this.nowMs + this.wallOffsetMs
  }

  leaseMs(): number {
    return this.#leaseClock.now()
  }

  setTimer(task: () => void, delayMs: number): Timer {
    const timer = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, task }
    this.timersSet++
    this.#timers.add(timer)
    return {
      cancel: () => {
        this.#timers.delete(timer)
      },
    }
  }

  microtask(task: () => void): void {
    this.#microtasks.push(task)
  }

  endOfTurn(task: () => void): void {
    this.#endOfTurn.push(task)
  }

  nextTurn(task: () => void): void {
    this.#nextTurn.push(task)
  }

  /** mulberry32 */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  randomBytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => Math.floor(this.random() * 256))
  }

  get pendingTimers(): number {
    return this.#timers.size
  }

  get pendingTasks(): number {
    return this.#microtasks.length + this.#endOfTurn.length + this.#nextTurn.length
  }

  /** Runs one round: all microtasks, then the end of the turn, then (unless there is nothing) the next turn. Returns whether anything ran. */
  step(): boolean {
    if (this.pendingTasks === 0) return false
    this.runMicrotasks()
    for (const task of takeAll(this.#endOfTurn)) {
      task()
      this.runMicrotasks()
    }
    for (const task of takeAll(this.#nextTurn)) {
      task()
      this.runMicrotasks()
    }
    return true
  }

  runMicrotasks(): void {
    for (let ran = 0; this.#microtasks.length > 0; ran++) {
      if (ran > 1_000_000) throw new Error('microtasks never end')
      for (const task of takeAll(this.#microtasks)) task()
    }
  }

  /** Runs rounds until nothing is queued. Timers don't fire. */
  flush(): void {
    for (let rounds = 0; this.step(); rounds++) {
      if (rounds > 100_000) throw new Error('the queue never becomes empty')
    }
  }

  /** Moves the clock by `ms`, firing each timer at its time and flushing after each. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms
    this.flush()
    for (let timer = this.#next(untilMs); timer !== undefined; timer = this.#next(untilMs)) {
      this.#timers.delete(timer)
      if (timer.atMs > this.nowMs) this.nowMs = timer.atMs
      timer.task()
      this.flush()
    }
    if (untilMs > this.nowMs) this.nowMs = untilMs
  }

  /** Flushes, and lets real promises run, until neither brings anything new. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      if (this.pendingTasks > 0) {
        this.flush()
        quiet = 0
      } else {
        quiet++
      }
      await new Promise<void>((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  /** As {@link advance}, settling at each timer on the way: for code that awaits promises between timers. */
  async advanceAndSettle(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms
    await this.settle()
    for (let timer = this.#next(untilMs); timer !== undefined; timer = this.#next(untilMs)) {
      this.advance(Math.max(0, timer.atMs - this.nowMs))
      await this.settle()
    }
    this.advance(Math.max(0, untilMs - this.nowMs))
    await this.settle()
  }

  #next(untilMs: number): PendingTimer | undefined {
    let next: PendingTimer | undefined
    for (const timer of this.#timers) {
      if (timer.atMs > untilMs) continue
      if (next === undefined || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) next = timer
    }
    return next
  }
}

function takeAll(tasks: (() => void)[]): (() => void)[] {
  return tasks.splice(0, tasks.length)
}
