// One operation on its way to the store: its deadline, its attempts, and what its failure means.
// Owns the rule of promise 10: what can be repeated harmlessly is repeated with backoff until the deadline, a conditional write never.

import { CajunError, ClosedError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError } from '../errors.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'

/**
 * What a failed attempt means. `not-applied`: the request certainly had no effect (nothing was connected). `in-doubt`: it may have had.
 * `refused`: the store answered, and said no for a reason that trying again does not change (permissions, a limit).
 */
export type Fate = 'not-applied' | 'in-doubt' | 'refused'

/** What an adapter's method is handed beside its arguments. */
export interface StoreCall {
  /** Aborted when the deadline passes or the store closes: let go of what waits for an answer. Nobody looks at the outcome any more. */
  readonly signal: AbortSignal
  /** Milliseconds until the deadline, never below 0: for clients that take a time-out of their own. */
  remainingMs(): number
  /**
   * Set it to true while the request waits on this side (for a connection, say), and to false before its first byte leaves. A conditional
   * write that ends while it is true is known not to have been applied. An adapter that can't tell leaves it alone.
   */
  unsent: boolean
}

export interface CallRunnerOptions {
  readonly runtime: Runtime
  readonly endpoint: () => string
  readonly classify: (error: unknown) => Fate
}

const FIRST_BACKOFF_MS = 20
const LONGEST_BACKOFF_MS = 250

class PendingCall implements StoreCall {
  unsent = false
  readonly ended: Promise<never>
  readonly #runtime: Runtime
  readonly #controller = new AbortController()
  readonly #deadlineMs: number
  readonly #timer: Timer
  #reject: (error: unknown) => void = () => {}
  over: 'deadline' | 'closed' | undefined

  constructor(runtime: Runtime, timeoutMs: number) {
    this.#runtime = runtime
    this.#deadlineMs = runtime.monotonicMs() + timeoutMs
    this.ended = new Promise<never>((_, reject) => {
      this.#reject = reject
    })
    this.ended.catch(() => {})
    this.#timer = runtime.setTimer(() => this.end('deadline'), timeoutMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  remainingMs(): number {
    return Math.max(0, this.#deadlineMs - this.#runtime.monotonicMs())
  }

  end(why: 'deadline' | 'closed'): void {
    if (this.over !== undefined) return
    this.over = why
    this.#timer.cancel()
    this.#reject(new Error(why))
    this.#controller.abort()
  }

  /** It has its outcome: the deadline is off. */
  settle(): void {
    this.#timer.cancel()
  }
}

export class CallRunner {
  readonly #runtime: Runtime
  readonly #endpoint: () => string
  readonly #classify: (error: unknown) => Fate
  readonly #pending = new Set<PendingCall>()
  #closed = false

  constructor(options: CallRunnerOptions) {
    this.#runtime = options.runtime
    this.#endpoint = options.endpoint
    this.#classify = options.classify
  }

  /**
   * Runs `attempt` until it succeeds or `timeoutMs` have passed. `repeatable`: more than one attempt does no harm.
   * `what` completes the sentence "… failed", as in `put of 'a/b'`.
   */
  async run<T>(what: string, kind: 'repeatable' | 'once', timeoutMs: number, attempt: (call: StoreCall) => Promise<T>): Promise<T> {
    if (this.#closed) throw new ClosedError(`${what}: the store was closed`)
    const call = new PendingCall(this.#runtime, timeoutMs)
    this.#pending.add(call)
    let failure: unknown
    try {
      for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(LONGEST_BACKOFF_MS, backoffMs * 2)) {
        try {
          return await Promise.race([attempt(call), call.ended])
        } catch (error) {
          if (call.over !== undefined) throw this.#ended(what, kind, call, timeoutMs, failure)
          failure = error
          const fate = this.#fate(error)
          if (fate === undefined) throw error
          if (fate === 'refused')
            throw new StoreRefusedError(`${what} at ${this.#endpoint()} was refused: ${text(error)}`, { cause: error })
          if (kind === 'once' && fate === 'in-doubt' && !call.unsent) {
            throw new UnknownOutcomeError(`${what} at ${this.#endpoint()} may or may not have been applied: ${text(error)}`, {
              cause: error,
            })
          }
          const delayMs = backoffMs * (0.5 + this.#runtime.random() / 2)
          if (kind === 'once' || delayMs >= call.remainingMs()) throw this.#unavailable(what, error)
          await this.#pause(call, delayMs).catch(() => {
            throw this.#ended(what, kind, call, timeoutMs, error)
          })
        }
      }
    } finally {
      call.settle()
      this.#pending.delete(call)
    }
  }

  /** Everything under way ends now, and nothing starts any more. */
  close(): void {
    this.#closed = true
    for (const call of this.#pending) call.end('closed')
  }

  #fate(error: unknown): Fate | undefined {
    if (error instanceof StoreUnavailableError) return 'not-applied'
    if (error instanceof UnknownOutcomeError) return 'in-doubt'
    // Any other error of ours says exactly what is the matter: it goes to the caller as it is.
    if (error instanceof CajunError) return undefined
    return this.#classify(error)
  }

  #ended(what: string, kind: 'repeatable' | 'once', call: PendingCall, timeoutMs: number, cause: unknown): CajunError {
    const options = cause === undefined ? undefined : { cause }
    const why = call.over === 'closed' ? 'the store was closed' : `no answer within ${Math.ceil(timeoutMs)} ms`
    if (kind === 'once' && !call.unsent) {
      return new UnknownOutcomeError(`${what} at ${this.#endpoint()} may or may not have been applied: ${why}`, options)
    }
    if (call.over === 'closed') return new ClosedError(`${what}: ${why}`)
    return new StoreUnavailableError(
      `${what} at ${this.#endpoint()} failed: ${why}${cause === undefined ? '' : ` (${text(cause)})`}`,
      options,
    )
  }

  #unavailable(what: string, cause: unknown): StoreUnavailableError {
    return new StoreUnavailableError(`${what} at ${this.#endpoint()} failed: ${text(cause)}`, { cause })
  }

  #pause(call: PendingCall, delayMs: number): Promise<void> {
    let timer: Timer | undefined
    const pause = new Promise<void>((resolve) => {
      timer = this.#runtime.setTimer(resolve, delayMs)
    })
    return Promise.race([pause, call.ended]).finally(() => timer?.cancel())
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
