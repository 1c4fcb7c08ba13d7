// A schedule of faults for one proxy or several, made from a seed alone: the same seed gives the same faults at the same times.

import { nodeRuntime, type Runtime, type Timer } from '@cajun/core/adapter'
import type { FaultProxy } from './fault-proxy.ts'
import type { Way } from './faults.ts'
import { SeededRandom } from './seeded-random.ts'

export type Fault =
  | { readonly kind: 'drop' }
  | { readonly kind: 'break-midway'; readonly mostBytes: number }
  | { readonly kind: 'hold'; readonly ways: readonly Way[]; readonly forMs: number }
  | { readonly kind: 'delay'; readonly ways: readonly Way[]; readonly delayMs: number; readonly forMs: number }
  | { readonly kind: 'throttle'; readonly ways: readonly Way[]; readonly bytesPerSecond: number; readonly forMs: number }

export type FaultKind = Fault['kind']

export interface ScheduledFault {
  readonly atMs: number
  /** Which of the proxies. */
  readonly proxy: number
  readonly fault: Fault
}

export interface ScheduleOptions {
  readonly seed: number
  readonly proxies: number
  /** Nothing begins after it. */
  readonly lengthMs: number
  /** From one fault to the next, on average. */
  readonly everyMs: number
  /** The longest hold, delay phase or throttle phase. */
  readonly longestMs: number
  /** Default: all. */
  readonly kinds?: readonly [FaultKind, ...FaultKind[]]
}

const allKinds: readonly [FaultKind, ...FaultKind[]] = ['drop', 'break-midway', 'hold', 'delay', 'throttle']
const waysChoices: readonly [readonly Way[], ...(readonly Way[])[]] = [['toTarget'], ['toClient'], ['toTarget', 'toClient']]

export function makeSchedule(options: ScheduleOptions): ScheduledFault[] {
  const random = new SeededRandom(options.seed)
  const schedule: ScheduledFault[] = []
  for (let atMs = 0; ; ) {
    atMs += random.whole(1, 2 * options.everyMs)
    if (atMs > options.lengthMs) return schedule
    schedule.push({ atMs, proxy: random.whole(0, options.proxies - 1), fault: makeFault(random, options) })
  }
}

function makeFault(random: SeededRandom, options: ScheduleOptions): Fault {
  const kind = random.pick(options.kinds ?? allKinds)
  const ways = random.pick(waysChoices)
  const forMs = random.whole(1, options.longestMs)
  switch (kind) {
    case 'drop':
      return { kind }
    case 'break-midway':
      return { kind, mostBytes: random.whole(1, 200_000) }
    case 'hold':
      return { kind, ways, forMs }
    case 'delay':
      return { kind, ways, delayMs: random.whole(1, 50), forMs }
    case 'throttle':
      return { kind, ways, bytesPerSecond: random.whole(50, 2_000) * 1_000, forMs }
  }
}

/** Plays a schedule on proxies. `stop` cancels what has not begun and heals them all. */
export class SchedulePlayer {
  readonly #proxies: readonly FaultProxy[]
  readonly #runtime: Runtime
  readonly #timers = new Set<Timer>()
  /** What was done so far, in order. */
  readonly played: ScheduledFault[] = []

  constructor(proxies: readonly FaultProxy[], schedule: readonly ScheduledFault[], runtime: Runtime = nodeRuntime) {
    this.#proxies = proxies
    this.#runtime = runtime
    for (const scheduled of schedule) this.#after(scheduled.atMs, () => this.#play(scheduled))
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
    for (const proxy of this.#proxies) proxy.heal()
  }

  #play(scheduled: ScheduledFault): void {
    const proxy = this.#proxies[scheduled.proxy]
    if (proxy === undefined) return
    this.played.push(scheduled)
    const { fault } = scheduled
    switch (fault.kind) {
      case 'drop':
        return proxy.drop()
      case 'break-midway':
        return proxy.breakMidway(fault.mostBytes)
      case 'hold':
        proxy.hold(...fault.ways)
        return this.#after(fault.forMs, () => proxy.release(...fault.ways))
      case 'delay':
        proxy.delay(fault.delayMs, ...fault.ways)
        return this.#after(fault.forMs, () => proxy.delay(0, ...fault.ways))
      case 'throttle':
        proxy.throttle(fault.bytesPerSecond, ...fault.ways)
        return this.#after(fault.forMs, () => proxy.throttle(undefined, ...fault.ways))
    }
  }

  #after(delayMs: number, task: () => void): void {
    const timer = this.#runtime.setTimer(() => {
      this.#timers.delete(timer)
      task()
    }, delayMs)
    this.#timers.add(timer)
  }
}
