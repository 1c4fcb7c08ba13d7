// One piece of recurring work: run when asked and at the latest every so often, never twice at once, again after a failure (with backoff and
// jitter), and over when stopped. Every asynchronous loop of the cluster is one of these; what the work is belongs to its owner.
//
//   idle ──trigger / period──> running ──done──> idle
//    ▲                           │  └─triggered meanwhile──> running
//    └────────backoff────────────┘ failed

import type { Runtime, Timer } from '../runtime/runtime.ts'

export interface BackgroundLoopOptions {
  readonly runtime: Runtime
  /** May reject: `onError` is told, and it is run again after a backoff. */
  readonly run: () => Promise<void>
  readonly onError: (error: unknown) => void
  /** Run at least this often. Absent: only when asked. */
  readonly everyMs?: number
  /** Default 50. */
  readonly firstBackoffMs?: number
  /** Default 1,000. */
  readonly longestBackoffMs?: number
}

export class BackgroundLoop {
  readonly #options: BackgroundLoopOptions
  #state: 'idle' | 'due' | 'running' | 'stopped' = 'idle'
  /** While running: how long after the end to run again, when somebody asked. */
  #againWithinMs = Number.POSITIVE_INFINITY
  #failures = 0
  #timer: Timer | undefined
  #wakesAtMs = Number.POSITIVE_INFINITY
  #running: Promise<void> = Promise.resolve()

  constructor(options: BackgroundLoopOptions) {
    this.#options = options
  }

  /** Asks for a run that begins after this call: one that is under way does not count. */
  trigger(): void {
    if (this.#state === 'running') this.#againWithinMs = 0
    if (this.#state !== 'idle') return
    this.#state = 'due'
    this.#timer?.cancel()
    this.#wakesAtMs = Number.POSITIVE_INFINITY
    // Not at once: what is asked for several times in one turn is done once.
    this.#options.runtime.microtask(() => this.#begin())
  }

  /** Asks for a run no later than in `delayMs`. */
  triggerWithin(delayMs: number): void {
    if (this.#state === 'running') this.#againWithinMs = Math.min(this.#againWithinMs, Math.max(0, delayMs))
    if (this.#state === 'idle' && this.#options.runtime.monotonicMs() + delayMs < this.#wakesAtMs) this.#sleep(Math.max(0, delayMs))
  }

  /** No run begins any more; resolves when the one in hand has ended. */
  async stop(): Promise<void> {
    const { promise } = this.stopping()
    await promise
  }

  /** As {@link stop}, without waiting. */
  stopping(): { readonly promise: Promise<void> } {
    this.#state = 'stopped'
    this.#timer?.cancel()
    return { promise: this.#running }
  }

  get stopped(): boolean {
    return this.#state === 'stopped'
  }

  #begin(): void {
    if (this.#state !== 'due') return
    this.#state = 'running'
    this.#againWithinMs = Number.POSITIVE_INFINITY
    this.#running = this.#run()
  }

  async #run(): Promise<void> {
    let failed = false
    try {
      await this.#options.run()
    } catch (error) {
      failed = true
      if (!this.stopped) this.#report(error)
    }
    if (this.#state !== 'running') return
    this.#state = 'idle'
    if (failed) return this.#backOff()
    this.#failures = 0
    if (this.#againWithinMs === 0) return this.trigger()
    const waitMs = Math.min(this.#againWithinMs, this.#options.everyMs ?? Number.POSITIVE_INFINITY)
    if (waitMs < Number.POSITIVE_INFINITY) this.#sleep(waitMs)
  }

  /** A trigger in the meantime ends the wait: whoever asks knows something that may let it succeed now. Failures in a row still count. */
  #backOff(): void {
    const { runtime, firstBackoffMs = 50, longestBackoffMs = 1_000 } = this.#options
    const ceilingMs = Math.min(longestBackoffMs, firstBackoffMs * 2 ** Math.min(this.#failures++, 16))
    this.#sleep(ceilingMs * (0.5 + runtime.random() / 2))
  }

  #sleep(delayMs: number): void {
    this.#timer?.cancel()
    this.#wakesAtMs = this.#options.runtime.monotonicMs() + delayMs
    this.#timer = this.#options.runtime.setTimer(() => this.trigger(), delayMs)
  }

  #report(error: unknown): void {
    try {
      this.#options.onError(error)
    } catch {
      // Nobody is left to tell.
    }
  }
}
