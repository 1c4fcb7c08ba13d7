// The clock by which leases are judged: the larger of monotonic and wall elapsed time.
// A monotonic clock may stop while a machine is suspended, a wall clock may be set back; neither may make a lease look younger.

export class LeaseClock {
  readonly #monotonicMs: () => number
  readonly #wallMs: () => number
  /** The furthest that the wall clock has ever been ahead of the monotonic clock. It only grows, so the lease clock never goes back. */
  #aheadMs: number

  constructor(monotonicMs: () => number, wallMs: () => number) {
    this.#monotonicMs = monotonicMs
    this.#wallMs = wallMs
    this.#aheadMs = wallMs() - monotonicMs()
  }

  now(): number {
    const monotonic = this.#monotonicMs()
    const ahead = this.#wallMs() - monotonic
    if (ahead > this.#aheadMs) this.#aheadMs = ahead
    return monotonic + this.#aheadMs
  }
}
