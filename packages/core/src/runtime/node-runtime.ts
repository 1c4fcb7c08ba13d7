// The production binding of `Runtime`: Node's clocks, timers and random numbers. The only file of core that touches them.

import { randomBytes } from 'node:crypto'
import { LeaseClock } from './lease-clock.ts'
import type { Runtime, Timer } from './runtime.ts'

const monotonicMs = (): number => performance.now()
const wallMs = (): number => Date.now()
const leaseClock = new LeaseClock(monotonicMs, wallMs)

const settled: Promise<void> = Promise.resolve()

/** Node clamps longer delays to 1 ms, which would turn "in a month" into "now". */
const LONGEST_TIMER_MS = 2 ** 31 - 1

class NodeTimer implements Timer {
  #handle: NodeJS.Timeout

  constructor(task: () => void, delayMs: number) {
    const whole = Math.max(1, Math.ceil(delayMs))
    this.#handle = setTimeout(
      whole > LONGEST_TIMER_MS ? () => this.#again(task, whole - LONGEST_TIMER_MS) : task,
      Math.min(whole, LONGEST_TIMER_MS),
    )
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }

  #again(task: () => void, restMs: number): void {
    this.#handle = setTimeout(
      restMs > LONGEST_TIMER_MS ? () => this.#again(task, restMs - LONGEST_TIMER_MS) : task,
      Math.min(restMs, LONGEST_TIMER_MS),
    )
  }
}

/** The runtime of a Node process. One for all systems, stores and transports of the process, so that their lease clocks agree. */
export const nodeRuntime: Runtime = {
  monotonicMs,
  wallMs,
  leaseMs: () => leaseClock.now(),
  setTimer: (task, delayMs) => new NodeTimer(task, delayMs),
  microtask: (task) => {
    // Node's queueMicrotask makes an async resource each time; a reaction to a settled promise is the same microtask without it.
    settled.then(task)
  },
  endOfTurn: (task) => process.nextTick(task),
  nextTurn: (task) => {
    setImmediate(task)
  },
  random: () => Math.random(),
  randomBytes: (length) => randomBytes(length),
}
