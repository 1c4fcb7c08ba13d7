// The one seam between core and the machine it runs on: clocks, timers, randomness, deferral.
// Everything in core that needs any of them takes a `Runtime`; production binds it to Node (`node-runtime.ts`),
// the simulation binds it to a virtual clock and a seeded scheduler. Nothing else in core may touch them.

/** A timer that was set. `cancel` is idempotent and may be called after the timer fired. */
export interface Timer {
  cancel(): void
}

export interface Runtime {
  /** Milliseconds on a clock that never goes back, fractional, from an arbitrary origin. It may stand still while the machine is suspended. */
  monotonicMs(): number

  /** Milliseconds since the Unix epoch. It may jump either way. */
  wallMs(): number

  /**
   * Milliseconds on the clock by which leases are judged. It never goes back, and between two readings it advances by at
   * least what the monotonic clock did and by at least what the wall clock did since its furthest point: a lease counted on it ends early
   * rather than late, also when the machine was suspended. Compare only with other readings of the same runtime.
   */
  leaseMs(): number

  /**
   * Runs `task` once, not before `delayMs` have passed. A timer is a hint: it may fire late by any amount, so whoever depends on a
   * deadline compares clocks again when it fires. A set timer keeps a Node process alive, as Node's own do: stop what you started.
   */
  setTimer(task: () => void, delayMs: number): Timer

  /** Runs `task` in this turn of the event loop, after the code that runs now and before any I/O. Wakes run queues. */
  microtask(task: () => void): void

  /** Runs `task` at the end of this turn of the event loop, when the microtasks are done. Flushes buffers: everything sent in one turn leaves at once. */
  endOfTurn(task: () => void): void

  /** Runs `task` in a later turn of the event loop, after I/O had its chance. Used to yield. */
  nextTurn(task: () => void): void

  /** A number in [0, 1) for jitter and sampling; not for secrets. */
  random(): number

  /** `length` random bytes fit for identities and secrets (in the simulation: seeded). */
  randomBytes(length: number): Uint8Array
}
