// Why an activation ended.

/**
 * - `stopped`: somebody asked for it.
 * - `passivated`: the idle time-out passed.
 * - `restarted`: supervision starts it afresh at once.
 * - `failed`: supervision stopped it, or it could not start.
 * - `shutdown`: the system is closing.
 */
export type StopReason = 'stopped' | 'passivated' | 'restarted' | 'failed' | 'shutdown'

/** What a watcher receives as payload: an actor is gone for good (its id may be used again). */
export interface Terminated {
  readonly kind: string
  readonly id: string
  /** For a child: the names below the top-level actor. */
  readonly path?: string | undefined
  readonly reason: StopReason
}
