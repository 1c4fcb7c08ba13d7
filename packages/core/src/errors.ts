// Every error that core throws or rejects with, and its stable code. Misuse of an API (a wrong type of argument) is a plain `TypeError`.
// Messages name what was wrong and what would be right; they never hold payloads or secrets.

import type { DeadLetterReason } from './delivery/dead-letter-reason.ts'

/** Stable over releases: branch on these, not on messages. */
export type ErrorCode =
  | 'CONFIG'
  | 'CLOSED'
  | 'DUPLICATE_ACTOR'
  | 'UNKNOWN_KIND'
  | 'INVALID_ACTOR_ID'
  | 'UNSERIALISABLE_PAYLOAD'
  | 'PAYLOAD_TOO_LARGE'
  | 'INVALID_PAYLOAD'
  | 'ACTOR_FAILED'
  | 'ASK_CYCLE'
  | 'NOT_EXECUTED'
  | 'DELIVERY_UNKNOWN'
  | 'STORE_UNAVAILABLE'
  | 'STORE_REFUSED'
  | 'STORE_CAPABILITY'
  | 'UNKNOWN_OUTCOME'
  | 'SESSION_LOST'
  | 'NODE_ID_TAKEN'
  | 'INCOMPATIBLE_CLUSTER'
  | 'MANAGEMENT'
  | 'TRANSPORT'
  | 'PROTOCOL'

export abstract class CajunError extends Error {
  abstract readonly code: ErrorCode
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean = false

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
  }
}

/** An option is missing, impossible, or contradicts another. Names the option, the value, and what would be right. */
export class ConfigError extends CajunError {
  readonly code = 'CONFIG'
}

/** The system, store, session or transport was closed. */
export class ClosedError extends CajunError {
  readonly code = 'CLOSED'
}

/** `spawn` with an id that a live actor of the kind has already. */
export class DuplicateActorError extends CajunError {
  readonly code = 'DUPLICATE_ACTOR'

  constructor(address: string) {
    super(`${address} exists already; use ref() to reach it, or stop it first`)
  }
}

/** A kind that was not given to the system's `actors`. */
export class UnknownKindError extends CajunError {
  readonly code = 'UNKNOWN_KIND'

  constructor(kind: string, known: Iterable<string>) {
    super(`unknown actor kind '${kind}'; registered are: ${[...known].join(', ') || 'none'}. Add its definition to \`actors\``)
  }
}

export class InvalidActorIdError extends CajunError {
  readonly code = 'INVALID_ACTOR_ID'

  constructor(kind: string, problem: string) {
    super(`id of an actor of kind '${kind}' ${problem}`)
  }
}

/** The payload holds something that can't travel (a function, a class instance, a cycle …). `path` leads to it. */
export class UnserialisablePayloadError extends CajunError {
  readonly code = 'UNSERIALISABLE_PAYLOAD'
  readonly path: string
  readonly #problem: string

  /** `path` as in `payload.items[3].callback`; `problem` as in `is a function`; `of` names the message. */
  constructor(path: string, problem: string, of?: string) {
    super(
      `${of === undefined ? '' : `${of}: `}${path} ${problem}; payloads are what structured clone takes, less functions and class instances`,
    )
    this.path = path
    this.#problem = problem
  }

  /** The same, naming the message, which the codec does not know. */
  naming(of: string): UnserialisablePayloadError {
    return new UnserialisablePayloadError(this.path, this.#problem, of)
  }
}

export class PayloadTooLargeError extends CajunError {
  readonly code = 'PAYLOAD_TOO_LARGE'
  readonly bytes: number
  readonly limitBytes: number
  readonly #what: string

  /** `of` names the message. `bytes`: at least so many; what is over the limit is not measured to its end. */
  constructor(what: string, bytes: number, limitBytes: number, of?: string) {
    super(
      `${of === undefined ? '' : `${of}: `}${what} takes ${bytes} bytes encoded; the limit is ${limitBytes} (option delivery.maxPayloadBytes)`,
    )
    this.bytes = bytes
    this.limitBytes = limitBytes
    this.#what = what
  }

  /** The same, naming the message, which the codec does not know. */
  naming(of: string): PayloadTooLargeError {
    return new PayloadTooLargeError(this.#what, this.bytes, this.limitBytes, of)
  }
}

/** The payload failed the schema of its message. It never reached the handler. */
export class InvalidPayloadError extends CajunError {
  readonly code = 'INVALID_PAYLOAD'
}

/** The actor's handler threw, or its turn ran out of time. `cause` is what it threw; from another process, a copy of its name, message, code and stack. */
export class ActorFailedError extends CajunError {
  readonly code = 'ACTOR_FAILED'
  readonly actor: string

  constructor(actor: string, message: string, options?: ErrorOptions) {
    super(`${actor} failed: ${message}`, options)
    this.actor = actor
  }
}

/** The ask leads back to a turn that waits for it, and so could never be answered. */
export class AskCycleError extends CajunError {
  readonly code = 'ASK_CYCLE'
  readonly chain: readonly string[]

  constructor(chain: readonly string[]) {
    super(`ask cycle: ${chain.join(' -> ')}`)
    this.chain = chain
  }
}

/** Certain: no turn ran for this message, and none will. Sending it again can't make it happen twice. */
export class NotExecutedError extends CajunError {
  readonly code = 'NOT_EXECUTED'
  override readonly retryable = true
  readonly reason: DeadLetterReason

  constructor(reason: DeadLetterReason, what: string, options?: ErrorOptions) {
    super(`${what} was not executed: ${reason}`, options)
    this.reason = reason
  }
}

/** It can't be known whether the message was handled. `messageId` names it in logs and in systems outside that received it as a key. */
export class DeliveryUnknownError extends CajunError {
  readonly code = 'DELIVERY_UNKNOWN'
  readonly reason: DeadLetterReason
  readonly messageId: string

  constructor(reason: DeadLetterReason, what: string, messageId: string, options?: ErrorOptions) {
    super(`outcome of ${what} is unknown: ${reason} (message ${messageId})`, options)
    this.reason = reason
    this.messageId = messageId
  }
}

/**
 * The metadata store did not answer in time or can't be reached. A read, a conditional write that certainly was not applied, or an
 * unconditional write, which may have been and may be repeated.
 */
export class StoreUnavailableError extends CajunError {
  readonly code = 'STORE_UNAVAILABLE'
  override readonly retryable = true
}

/** The store answered, and said no for a reason that trying again does not change: authentication, permissions, a limit of the server. */
export class StoreRefusedError extends CajunError {
  readonly code = 'STORE_REFUSED'
}

/** The store can't hold what the configuration asks of it. */
export class StoreCapabilityError extends CajunError {
  readonly code = 'STORE_CAPABILITY'
}

/** A conditional write was sent and no answer came: it may or may not have been applied. Read to find out; never repeat it blindly. */
export class UnknownOutcomeError extends CajunError {
  readonly code = 'UNKNOWN_OUTCOME'
}

/** The session ended, or can't be known to live any more. What was owned by it must not be used. */
export class SessionLostError extends CajunError {
  readonly code = 'SESSION_LOST'
}

/** Another live process has this node id. */
export class NodeIdTakenError extends CajunError {
  readonly code = 'NODE_ID_TAKEN'
}

/** The running cluster was set up otherwise (shard count, hash version, protocol version). Joining would split it. */
export class IncompatibleClusterError extends CajunError {
  readonly code = 'INCOMPATIBLE_CLUSTER'
}

/** A management operation (migrate, drain, election) can't be done; says why. */
export class ManagementError extends CajunError {
  readonly code = 'MANAGEMENT'
}

/** The transport can't listen, connect or reach a peer. */
export class TransportError extends CajunError {
  readonly code = 'TRANSPORT'
  override readonly retryable = true
}

/** Bytes from outside that are not what the protocol says. The connection they came by is closed. */
export class ProtocolError extends CajunError {
  readonly code = 'PROTOCOL'
}
