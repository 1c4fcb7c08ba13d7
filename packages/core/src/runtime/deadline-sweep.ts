// All deadlines of a process under one timer: asks, sends, turn time-outs, actors' timers, idle time-outs.
// Adding and removing are O(1) and allocate nothing (the entry is its own list node), because nearly every deadline is removed before it passes.

import type { Runtime, Timer } from './runtime.ts'

const BUCKET_MS = 16
const BUCKETS = 256
/** The timer is never set further ahead, so that an idle process is not kept alive for long by deadlines which have been removed. */
const LONGEST_SLEEP_MS = 250

/** Something that ends at a time. Extend it, and give it to {@link DeadlineSweep.add}. */
export abstract class Deadline {
  /** List neighbours while in a sweep. Owned by the sweep. */
  previousDeadline: Deadline | undefined = undefined
  nextDeadline: Deadline | undefined = undefined
  /** In whole milliseconds of the sweep's own clock, rounded up: integers are stored without boxing. Owned by the sweep. */
  deadlineTick = 0

  /** The time has come. The entry is out of the sweep already and may be added again. Must not throw. */
  abstract expired(): void
}

class Bucket extends Deadline {
  constructor() {
    super()
    this.previousDeadline = this
    this.nextDeadline = this
  }

  override expired(): void {}
}

/** A deadline that calls a function: for the rare ones, where a class of its own is not worth it. */
export class DeadlineTask extends Deadline {
  readonly #task: () => void

  constructor(task: () => void) {
    super()
    this.#task = task
  }

  override expired(): void {
    this.#task()
  }
}

/**
 * A hashed wheel: bucket = deadline / 16 ms modulo 256. Entries more than a revolution (4 s) away stay in their bucket and are passed over.
 * Deadlines fire in order of their bucket, at most one timer's lateness late and never early.
 */
export class DeadlineSweep {
  readonly #runtime: Runtime
  readonly #originMs: number
  readonly #buckets: Bucket[] = []
  readonly #due = new Bucket()
  /** Every bucket before this one has been swept. */
  #sweptBucket = 0
  #armedTick = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  #size = 0
  #closed = false

  constructor(runtime: Runtime) {
    this.#runtime = runtime
    this.#originMs = runtime.monotonicMs()
    for (let i = 0; i < BUCKETS; i++) this.#buckets.push(new Bucket())
  }

  get size(): number {
    return this.#size
  }

  /** `atMs` on the runtime's monotonic clock. An entry that is in already moves. After {@link close} nothing fires any more. */
  add(entry: Deadline, atMs: number): void {
    if (entry.nextDeadline !== undefined) this.remove(entry)
    const tick = Math.max(0, Math.ceil(atMs - this.#originMs))
    entry.deadlineTick = tick
    // What is overdue goes into the first bucket that the next sweep looks at.
    const bucketNumber = Math.max(this.#sweptBucket, Math.floor(tick / BUCKET_MS))
    append(this.#buckets[bucketNumber % BUCKETS] as Bucket, entry)
    this.#size++
    if (tick < this.#armedTick) this.#armFor(tick)
  }

  /** As {@link add}, `delayMs` from now. */
  addAfter(entry: Deadline, delayMs: number): void {
    this.add(entry, this.#runtime.monotonicMs() + delayMs)
  }

  /** Idempotent. */
  remove(entry: Deadline): void {
    const next = entry.nextDeadline
    if (next === undefined) return
    const previous = entry.previousDeadline as Deadline
    previous.nextDeadline = next
    next.previousDeadline = previous
    entry.nextDeadline = undefined
    entry.previousDeadline = undefined
    this.#size--
  }

  /** Cancels the timer. Entries stay and never fire. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #nowTick(): number {
    return this.#runtime.monotonicMs() - this.#originMs
  }

  #armFor(tick: number): void {
    if (this.#closed) return
    const now = this.#nowTick()
    const wake = Math.min(tick, now + LONGEST_SLEEP_MS)
    if (wake >= this.#armedTick) return
    this.#timer?.cancel()
    this.#armedTick = wake
    this.#timer = this.#runtime.setTimer(() => this.#sweep(), Math.max(0, wake - now))
  }

  #sweep(): void {
    this.#timer = undefined
    this.#armedTick = Number.POSITIVE_INFINITY
    const now = this.#nowTick()
    const last = Math.floor(now / BUCKET_MS)
    const first = Math.max(this.#sweptBucket, last - BUCKETS + 1)
    for (let number = first; number <= last; number++) this.#collect(this.#buckets[number % BUCKETS] as Bucket, now)
    // The present bucket is looked at again: part of it is still ahead.
    this.#sweptBucket = last
    try {
      for (let entry = this.#due.nextDeadline; entry !== undefined && entry !== this.#due; entry = this.#due.nextDeadline) {
        this.remove(entry)
        entry.expired()
      }
    } finally {
      if (this.#size > 0) this.#armFor(this.#nextTick(this.#nowTick()))
    }
  }

  /** Moves what is due to a list of its own, so that a deadline which removes others while firing can't break the walk. */
  #collect(bucket: Bucket, now: number): void {
    let entry = bucket.nextDeadline as Deadline
    while (entry !== bucket) {
      const next = entry.nextDeadline as Deadline
      if (entry.deadlineTick <= now) {
        this.remove(entry)
        append(this.#due, entry)
        this.#size++
      }
      entry = next
    }
  }

  #nextTick(now: number): number {
    // Left over when a deadline threw: they are due now.
    if (this.#due.nextDeadline !== this.#due) return now
    const horizon = now + LONGEST_SLEEP_MS
    const last = Math.floor(horizon / BUCKET_MS)
    for (let number = this.#sweptBucket; number <= last; number++) {
      const bucket = this.#buckets[number % BUCKETS] as Bucket
      let earliest = Number.POSITIVE_INFINITY
      for (let entry = bucket.nextDeadline as Deadline; entry !== bucket; entry = entry.nextDeadline as Deadline) {
        if (entry.deadlineTick < earliest) earliest = entry.deadlineTick
      }
      if (earliest <= horizon) return earliest
    }
    return horizon
  }
}

function append(bucket: Bucket, entry: Deadline): void {
  const last = bucket.previousDeadline as Deadline
  entry.previousDeadline = last
  entry.nextDeadline = bucket
  last.nextDeadline = entry
  bucket.previousDeadline = entry
}
