// The event loop of the simulated world: a heap of events ordered by (time, sequence). Runs one event, then every microtask and end-of-turn
// task that came of it, then the next. Owns virtual time; knows nothing of hosts.

import { type Drain, synchronousDrain } from './microtasks.ts'

export interface ScheduledEvent {
  readonly timeMs: number
  readonly sequence: number
  /** Taken away when it was cancelled or has run. */
  task: (() => void) | undefined
}

/** The same instant went on for this many events: something reschedules itself without time passing. */
const LIVELOCK_EVENTS = 200_000
/** How long the real event loop is kept busy in one go. */
const SLICE_MS = 40
const HASHED_FRACTION = 4096

export class LivelockError extends Error {
  override readonly name = 'LivelockError'
}

export class SimulationLoop {
  readonly #heap: ScheduledEvent[] = []
  readonly #endOfTurn: Array<() => void> = []
  #nowMs = 0
  #sequence = 0
  #executed = 0
  #atThisInstant = 0
  #hash = 0x811c9dc5
  #stopped = false

  /** Virtual milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs
  }

  get executed(): number {
    return this.#executed
  }

  /** Of the times and order of everything that ran, and of what was mixed in: equal for two runs of one seed. */
  get traceHash(): number {
    return this.#hash >>> 0
  }

  mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ (value | 0), 0x01000193)
  }

  at(timeMs: number, task: () => void): ScheduledEvent {
    const event: ScheduledEvent = { timeMs: Math.max(timeMs, this.#nowMs), sequence: this.#sequence++, task }
    this.#push(event)
    return event
  }

  after(delayMs: number, task: () => void): ScheduledEvent {
    return this.at(this.#nowMs + delayMs, task)
  }

  cancel(event: ScheduledEvent): void {
    event.task = undefined
  }

  /** After the microtasks of the running event, before the next event. */
  endOfTurn(task: () => void): void {
    this.#endOfTurn.push(task)
  }

  /** Ends `run` after the event in hand. */
  stop(): void {
    this.#stopped = true
  }

  /** Runs up to and including the time `untilMs`, or until {@link stop}. Virtual time is `untilMs` afterwards, whether or not anything was due. */
  run(untilMs: number): Promise<void> {
    this.#stopped = false
    return new Promise((resolve, reject) => {
      const slice = (): void => {
        try {
          const drain = synchronousDrain()
          if (drain === undefined) return this.#runSlowly(untilMs, slice, resolve)
          const endsAt = performance.now() + SLICE_MS
          drain()
          for (let count = 0; this.#runNext(untilMs, drain); count++) {
            if ((count & 63) === 63 && performance.now() > endsAt) {
              setImmediate(slice)
              return
            }
          }
          this.#finish(untilMs)
          resolve()
        } catch (error) {
          reject(error)
        }
      }
      setImmediate(slice)
    })
  }

  /** One event per turn of the real event loop: microtasks run by themselves in between. */
  #runSlowly(untilMs: number, again: () => void, resolve: () => void): void {
    if (this.#endOfTurn.length > 0) {
      for (const task of this.#endOfTurn.splice(0)) task()
      setImmediate(again)
    } else if (this.#runNext(untilMs, undefined)) setImmediate(again)
    else {
      this.#finish(untilMs)
      resolve()
    }
  }

  #finish(untilMs: number): void {
    if (!this.#stopped && untilMs > this.#nowMs && Number.isFinite(untilMs)) this.#nowMs = untilMs
  }

  #runNext(untilMs: number, drain: Drain | undefined): boolean {
    if (this.#stopped) return false
    const event = this.#popLive(untilMs)
    if (event === undefined) return false
    if (event.timeMs > this.#nowMs) {
      this.#nowMs = event.timeMs
      this.#atThisInstant = 0
    } else if (++this.#atThisInstant > LIVELOCK_EVENTS) {
      throw new LivelockError(`${LIVELOCK_EVENTS} events ran at ${this.#nowMs} ms without time passing`)
    }
    this.#executed++
    this.mix(event.timeMs * HASHED_FRACTION)
    this.mix(event.sequence)
    const task = event.task as () => void
    event.task = undefined
    task()
    if (drain === undefined) return true
    drain()
    while (this.#endOfTurn.length > 0) {
      const tasks = this.#endOfTurn.splice(0)
      for (const each of tasks) {
        each()
        drain()
      }
    }
    return true
  }

  #popLive(untilMs: number): ScheduledEvent | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined) return undefined
      if (first.task !== undefined) {
        if (first.timeMs > untilMs) return undefined
        return this.#pop()
      }
      this.#pop()
    }
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(event)
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = heap[parentIndex] as ScheduledEvent
      if (isBefore(parent, event)) break
      heap[index] = parent
      index = parentIndex
    }
    heap[index] = event
  }

  #pop(): ScheduledEvent {
    const heap = this.#heap
    const first = heap[0] as ScheduledEvent
    const last = heap.pop() as ScheduledEvent
    const length = heap.length
    if (length === 0) return first
    let index = 0
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= length) break
      if (childIndex + 1 < length && isBefore(heap[childIndex + 1] as ScheduledEvent, heap[childIndex] as ScheduledEvent)) childIndex++
      const child = heap[childIndex] as ScheduledEvent
      if (!isBefore(child, last)) break
      heap[index] = child
      index = childIndex
    }
    heap[index] = last
    return first
  }
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.sequence < b.sequence)
}
