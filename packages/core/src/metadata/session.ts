// A session: the lease by which a process is alive, and by which it owns what it owns.

export interface Session extends AsyncDisposable {
  /** Unique over the life of the store. */
  readonly id: string
  /** The TTL that the server granted, which may differ from what was asked for. */
  readonly ttlMs: number
  /**
   * The reading of `runtime.leaseMs()` up to which the server certainly keeps this session: when the last successful renewal was *sent*,
   * plus the granted TTL. It grows with each renewal and never falls.
   * Compare at every use (`runtime.leaseMs() < session.safeUntil()`): a timer that should have told you may be late. Once `lost` was
   * aborted the session is over, whatever this says: the store may have ended it early (it lost its data, somebody removed it).
   */
  safeUntil(): number
  /** Aborted once, with a `SessionLostError` as its reason, when the session ended otherwise than by `close()`, or can't be known to live any more. */
  readonly lost: AbortSignal
  /**
   * Ends the session and removes its keys at once. Idempotent; never fires `lost`. It does not reject when the store can't be told: nothing
   * renews the session any more, and its keys vanish with its TTL.
   */
  close(): Promise<void>
}
