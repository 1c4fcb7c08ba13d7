// Why a message reached no turn, or why its turn did not end well. Dead letters are counted by these words.

export type DeadLetterReason =
  /** No node hosts the kind, for as long as the message's deadline. */
  | 'no-host'
  /** The system that was asked does not know the kind. */
  | 'unknown-kind'
  /** The kind has no such message type. */
  | 'unknown-message'
  /** The payload failed its schema, or can't be decoded. */
  | 'invalid-payload'
  /** The actor was stopped, or is no child of its parent. */
  | 'stopped'
  | 'mailbox-full'
  | 'outbox-full'
  /** The deadline passed before the message was handled. */
  | 'deadline'
  /** Its `AbortSignal` fired. */
  | 'aborted'
  /** The handler threw. */
  | 'failed'
  /** It was in hand at three deaths of its owner. */
  | 'poison'
  /** At-most-once only: the peer is not connected. */
  | 'peer-down'
  /** Asks and at-most-once only: the peer's circuit breaker is open. */
  | 'circuit-open'
  /** At-most-once only: it reached a process that does not own the actor any more. */
  | 'moved'
  /** It was sent from a turn of an owner that has been superseded since. */
  | 'fenced'
  /** An ask whose chain leads back to the turn that waits for it. */
  | 'ask-cycle'
  /** It was outstanding when its process had been out of the cluster for so long that it goes on as another one. */
  | 'process-replaced'
  /** The system is stopping. */
  | 'shutdown'
