// The clock by which leases are judged: the larger of monotonic and wall elapsed time.
// A monotonic clock may stop while a machine is suspended, a wall clock may be set back; neither may make a lease look younger.

/** A wall clock that falls back by more than this was set; less is rounding, or slewing, which makes itself felt only slowly. */
const SET_BACK_MS = 25

export class LeaseClock {
  readonly #monotonicMs: () => number
  readonly #wallMs: () => number
  /** The furthest that the wall clock has been ahead of the monotonic clock, times when it was set back left out. It only grows, so the lease clock never goes back. */
  #aheadMs: number
  /** How far the wall clock was set back in all: a suspension after that must count whole, and not only once the clock has caught up. */
  #setBackMs = 0

  constructor(monotonicMs: () => number, wallMs: () => number) {
    this.#monotonicMs = monotonicMs
    this.#wallMs = wallMs
    this.#aheadMs = wallMs() - monotonicMs()
  }

  now(): number {
    const monotonic = this.#monotonicMs()
    const ahead = this.#wallMs() - monotonic + this.#setBackMs
    if (ahead > this.#aheadMs) this.#aheadMs = ahead
    else if (ahead < this.#aheadMs - SET_BACK_MS) this.#setBackMs += this.#aheadMs - ahead
    return monotonic + this.#aheadMs
  }
}
