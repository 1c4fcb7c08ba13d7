// Why an activation ended.

/**
 * - `stopped`: somebody asked for it.
 * - `passivated`: the idle time-out passed.
 * - `restarted`: supervision starts it afresh at once.
 * - `failed`: supervision stopped it, or it could not start.
 * - `shutdown`: the system is closing.
 */
export type StopReason = 'stopped' | 'passivated' | 'restarted' | 'failed' | 'shutdown'

/**
 * Why a watched actor is gone. Beside what ended its activation:
 *
 * - `lost`: its owner died, or lost it to another one, and what it had in memory with it. It may live again under its id, knowing nothing of that.
 *   Also of one that ended otherwise while its shard was about to move.
 * - `no-host`: no node hosts its kind, for as long as a message would wait for one.
 */
export type TerminationReason = Exclude<StopReason, 'restarted'> | 'lost' | 'no-host'

/** What a watcher receives as payload: that life of the actor is over (its id may be used again). */
export interface Terminated {
  readonly kind: string
  readonly id: string
  /** For a child: the names below the top-level actor. */
  readonly path?: string | undefined
  readonly reason: TerminationReason
}
