// What becomes of an actor whose handler threw. The message has its end already (GUARANTEES); this is about the actor.
// Pure decisions: nothing here stops or starts anything.

import { ConfigError } from '../errors.ts'
import { type Backoff, type BackoffOptions, checkDuration, resolveBackoff } from './backoff.ts'

/**
 * - `resume`: go on with the next message and the state as it is.
 * - `restart`: `onStop('restarted')`, then fresh state and `onStart`; the mailbox keeps its order, stashed messages return to its head, children stop.
 * - `stop`: the actor stops, children first; what is queued is refused with `stopped`.
 * - `escalate`: the actor waits while its parent is treated as if it had failed itself: with `resume` the actor goes on, otherwise it ends with
 *   its parent's activation. At the top level there is nobody to ask: it stops, and the error is logged.
 */
export type Directive = 'resume' | 'restart' | 'stop' | 'escalate'

export interface Failure {
  /** Failures of this actor within the window, this one included. */
  readonly failures: number
  /** The message whose handler threw; undefined for a hook, or the failure of a child. */
  readonly messageType: string | undefined
}

export type SupervisionStrategy = Directive | ((error: unknown, failure: Failure) => Directive)

export interface SupervisionOptions {
  readonly strategy: SupervisionStrategy
  /** More restarts than that within the window, and `onLimit` follows instead. Default 10. */
  readonly maxRestarts?: number | undefined
  /** Default 60,000. */
  readonly withinMs?: number | undefined
  /** Before each restart; the actor's mailbox waits. Grows with the restarts within the window. Default none. */
  readonly backoff?: number | BackoffOptions | undefined
  /** Default `stop`. */
  readonly onLimit?: 'stop' | 'escalate' | undefined
}

export interface Supervision {
  readonly strategy: SupervisionStrategy
  readonly maxRestarts: number
  readonly withinMs: number
  readonly backoff: Backoff | undefined
  readonly onLimit: 'stop' | 'escalate'
}

const directives: readonly string[] = ['resume', 'restart', 'stop', 'escalate'] satisfies Directive[]

export function resolveSupervision(kind: string, given: SupervisionStrategy | SupervisionOptions | undefined): Supervision {
  const options: SupervisionOptions = typeof given === 'object' ? given : { strategy: given ?? 'resume' }
  const { strategy, maxRestarts = 10, withinMs = 60_000, onLimit = 'stop' } = options
  if (typeof strategy !== 'function' && !directives.includes(strategy)) {
    throw new ConfigError(`supervision of '${kind}' is '${String(strategy)}'; it must be one of ${directives.join(', ')}, or a function`)
  }
  if (!Number.isInteger(maxRestarts) || maxRestarts < 0) {
    throw new ConfigError(`supervision.maxRestarts of '${kind}' is ${maxRestarts}; it must be a whole number, 0 or more`)
  }
  if (onLimit !== 'stop' && onLimit !== 'escalate') {
    throw new ConfigError(`supervision.onLimit of '${kind}' is '${String(onLimit)}'; it must be stop or escalate`)
  }
  return {
    strategy,
    maxRestarts,
    withinMs: checkDuration(`supervision.withinMs of '${kind}'`, withinMs),
    backoff: options.backoff === undefined ? undefined : resolveBackoff(`supervision.backoff of '${kind}'`, options.backoff),
    onLimit,
  }
}

export type Decision =
  | { readonly directive: 'resume' | 'stop' | 'escalate'; readonly limitReached: boolean }
  /** `attempt` counts the restarts within the window from 0: the exponent of the backoff. */
  | { readonly directive: 'restart'; readonly attempt: number }

/** The failures and restarts of one actor, made at its first failure. */
export class FailureHistory {
  #failureTimesMs: number[] = []
  #restartTimesMs: number[] = []

  decide(supervision: Supervision, error: unknown, messageType: string | undefined, nowMs: number): Decision {
    const sinceMs = nowMs - supervision.withinMs
    this.#failureTimesMs = latest(this.#failureTimesMs, sinceMs)
    this.#failureTimesMs.push(nowMs)
    const { strategy } = supervision
    const directive = typeof strategy === 'function' ? strategy(error, { failures: this.#failureTimesMs.length, messageType }) : strategy
    if (!directives.includes(directive)) {
      throw new TypeError(`the supervision function returned ${String(directive)}; it must return one of ${directives.join(', ')}`)
    }
    if (directive !== 'restart') return { directive, limitReached: false }
    this.#restartTimesMs = latest(this.#restartTimesMs, sinceMs)
    const attempt = this.#restartTimesMs.length
    if (attempt >= supervision.maxRestarts) return { directive: supervision.onLimit, limitReached: true }
    this.#restartTimesMs.push(nowMs)
    return { directive: 'restart', attempt }
  }
}

/** Bounded besides: an actor that fails ten thousand times a second must not collect them all. */
const MOST_TIMES = 1_000

function latest(timesMs: number[], sinceMs: number): number[] {
  const kept = timesMs.filter((time) => time > sinceMs)
  return kept.length < MOST_TIMES ? kept : kept.slice(-MOST_TIMES + 1)
}
