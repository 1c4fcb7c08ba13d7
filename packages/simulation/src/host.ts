// A simulated machine and the processes that run on it one after another. Owns what a fault does to them: a crash drops every callback of the
// process, a pause defers them, and clocks drift, stand still or jump. `Runtime` is bound to the virtual clock here, and nowhere else.

import { LeaseClock, type Runtime, type Timer } from '@cajun/core/adapter'
import type { ScheduledEvent, SimulationLoop } from './loop.ts'
import type { RandomStream } from './random-streams.ts'

/**
 * `stall`: the event loop hangs (a long computation, a stopped process): its clocks go on.
 * `suspend`: the machine sleeps: its monotonic clock stands still, and afterwards the wall clock has jumped.
 */
export type PauseKind = 'stall' | 'suspend'

export interface HostOptions {
  readonly nodeId: string
  /** Milliseconds of its clocks for one of the world's. */
  readonly clockRate: number
  readonly wallOriginMs: number
  /** How late timers fire. */
  readonly timerLatenessMs: number
}

export interface HostWorld {
  readonly loop: SimulationLoop
  /** Something threw where a Node process would have died of it. */
  onUncaught(process: SimulatedProcess, error: unknown): void
  onPaused?(process: SimulatedProcess): void
  onResumed?(process: SimulatedProcess): void
  onCrashed?(process: SimulatedProcess, silent: boolean): void
}

export class SimulatedHost {
  readonly nodeId: string
  readonly options: HostOptions
  readonly world: HostWorld
  readonly random: RandomStream
  process: SimulatedProcess | undefined
  /** How many processes it has had. */
  starts = 0
  #wallJumpMs = 0

  constructor(options: HostOptions, world: HostWorld, random: RandomStream) {
    this.nodeId = options.nodeId
    this.options = options
    this.world = world
    this.random = random
  }

  get wallJumpMs(): number {
    return this.#wallJumpMs
  }

  /** Somebody sets the clock, either way. */
  jumpWall(byMs: number): void {
    this.#wallJumpMs += byMs
  }

  /** A new process. What was there before must have crashed or ended, unless it is to be its `twin`. */
  boot(twin = false): SimulatedProcess {
    if (!twin && this.process !== undefined && this.process.state !== 'crashed') throw new Error(`${this.nodeId} runs a process already`)
    this.starts++
    this.process = new SimulatedProcess(this, this.starts)
    return this.process
  }
}

export class SimulatedProcess {
  readonly host: SimulatedHost
  /** 1 for the first process of its host. */
  readonly number: number
  readonly runtime: Runtime
  readonly name: string
  state: 'running' | PauseKind | 'crashed' = 'running'
  readonly #loop: SimulationLoop
  #deferred: Array<() => void> = []
  #pausedAtMs = 0
  #resumeAtMs = 0
  /** What its monotonic clock has missed in suspensions. */
  #sleptMs = 0
  #trap: (() => void) | undefined

  constructor(host: SimulatedHost, number: number) {
    this.host = host
    this.number = number
    this.name = `${host.nodeId}.${number}`
    this.#loop = host.world.loop
    this.runtime = this.#bindRuntime()
  }

  get nodeId(): string {
    return this.host.nodeId
  }

  get isCrashed(): boolean {
    return this.state === 'crashed'
  }

  get isPaused(): boolean {
    return this.state === 'stall' || this.state === 'suspend'
  }

  /** Runs `task` as a turn of this process's event loop: now, after the pause it is in, or never. */
  post(task: () => void): void {
    if (this.state === 'running') this.#call(task)
    else if (this.state !== 'crashed') this.#deferred.push(task)
  }

  /** As {@link post}, `delayMs` of the world's time from now. */
  postAfter(delayMs: number, task: () => void): ScheduledEvent {
    return this.#loop.after(delayMs, () => this.post(task))
  }

  /** No callback of it ever runs again. `silent`: the machine lost power, so that nobody is told that its connections are gone. */
  crash(silent = false): void {
    if (this.state === 'crashed') return
    this.state = 'crashed'
    this.#deferred = []
    this.host.world.onCrashed?.(this, silent)
  }

  pause(kind: PauseKind, durationMs: number): void {
    if (this.state === 'crashed') return
    const untilMs = this.#loop.nowMs + durationMs
    if (this.state !== 'running') {
      this.#resumeAtMs = Math.max(this.#resumeAtMs, untilMs)
      return
    }
    this.state = kind
    this.#pausedAtMs = this.#loop.nowMs
    this.#resumeAtMs = untilMs
    this.#loop.at(untilMs, () => this.#maybeResume())
    this.host.world.onPaused?.(this)
  }

  /** Ends the pause it is in. */
  resume(): void {
    if (!this.isPaused) return
    this.#resumeAtMs = this.#loop.nowMs
    this.#maybeResume()
  }

  /** `action` runs at the end of the next turn in which something is to be flushed, before it is: between a decision and its effect. */
  trapEndOfTurn(action: () => void): void {
    this.#trap = action
  }

  #maybeResume(): void {
    if (!this.isPaused) return
    if (this.#loop.nowMs < this.#resumeAtMs) {
      this.#loop.at(this.#resumeAtMs, () => this.#maybeResume())
      return
    }
    if (this.state === 'suspend') this.#sleptMs += (this.#loop.nowMs - this.#pausedAtMs) * this.host.options.clockRate
    this.state = 'running'
    const deferred = this.#deferred
    this.#deferred = []
    for (const task of deferred) this.#loop.after(0, () => this.post(task))
    this.host.world.onResumed?.(this)
  }

  #call(task: () => void): void {
    try {
      task()
    } catch (error) {
      this.host.world.onUncaught(this, error)
    }
  }

  #bindRuntime(): Runtime {
    const { loop } = this.host.world
    const { clockRate, wallOriginMs, timerLatenessMs } = this.host.options
    const bootedAtMs = loop.nowMs
    const { random } = this.host
    const monotonicMs = (): number => {
      const nowMs = this.state === 'suspend' ? this.#pausedAtMs : loop.nowMs
      return (nowMs - bootedAtMs) * clockRate - this.#sleptMs
    }
    const wallMs = (): number => wallOriginMs + loop.nowMs * clockRate + this.host.wallJumpMs
    const leaseClock = new LeaseClock(monotonicMs, wallMs)

    const setTimer = (task: () => void, delayMs: number): Timer => {
      const dueMs = monotonicMs() + Math.max(0, delayMs)
      let event: ScheduledEvent | undefined
      let cancelled = false
      const fire = (): void => {
        if (cancelled) return
        // A suspension made the clock late: a timer never fires early by it.
        if (monotonicMs() < dueMs) arm()
        else task()
      }
      const arm = (): void => {
        const restMs = (dueMs - monotonicMs()) / clockRate
        event = loop.after(restMs + 1e-6 + random.unit() * timerLatenessMs, () => this.post(fire))
      }
      if (this.state !== 'crashed') arm()
      return {
        cancel: () => {
          cancelled = true
          if (event !== undefined) loop.cancel(event)
        },
      }
    }
    return {
      monotonicMs,
      wallMs,
      leaseMs: () => leaseClock.now(),
      setTimer,
      microtask: (task) => queueMicrotask(() => this.post(task)),
      endOfTurn: (task) => {
        loop.endOfTurn(() => {
          const trap = this.#trap
          if (trap !== undefined && this.state === 'running') {
            this.#trap = undefined
            trap()
          }
          this.post(task)
        })
      },
      nextTurn: (task) => {
        loop.after(0, () => this.post(task))
      },
      random: () => random.unit(),
      randomBytes: (length) => random.bytes(length),
    }
  }
}
