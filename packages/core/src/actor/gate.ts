// Whether turns may run now. The cluster's gates follow the lease of the session and the state of the shard; a local system has none.

/** Asked at the start of every turn, timers, hooks and retries included. After it opens again, call `ActorTable.wake()`. */
export interface Gate {
  mayRun(): boolean
}
