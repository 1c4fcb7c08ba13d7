// A circuit breaker for one peer: after failures in a row, asks and at-most-once messages fail at once instead of waiting for their deadline.
// Reliable messages are none of its business, and any sign of life closes it: it must never delay a failover.
//
//   closed ── n failures in a row ──> open ── after openMs ──> half-open ── lets one probe through ── failure ──> open
//     ▲─────────────── any sign of life, or a placement change, from every state ────────────────────┘

type State =
  | { readonly name: 'closed'; failures: number }
  | { readonly name: 'open'; readonly untilMs: number }
  | { readonly name: 'half-open' }

export class CircuitBreaker {
  readonly #failures: number
  readonly #openMs: number
  #state: State = { name: 'closed', failures: 0 }

  constructor(failures: number, openMs: number) {
    this.#failures = failures
    this.#openMs = openMs
  }

  get isClosed(): boolean {
    return this.#state.name === 'closed'
  }

  /** Whether a message that would rather fail than wait may go. */
  admits(nowMs: number): boolean {
    if (this.#state.name === 'closed') return true
    if (this.#state.name === 'half-open' || nowMs < this.#state.untilMs) return false
    this.#state = { name: 'half-open' }
    return true
  }

  failed(nowMs: number): void {
    if (this.#state.name === 'open') return
    if (this.#state.name === 'closed' && ++this.#state.failures < this.#failures) return
    this.#state = { name: 'open', untilMs: nowMs + this.#openMs }
  }

  /** The peer is up, a frame came from it, or the placement changed. */
  close(): void {
    if (this.#state.name !== 'closed' || this.#state.failures > 0) this.#state = { name: 'closed', failures: 0 }
  }
}
