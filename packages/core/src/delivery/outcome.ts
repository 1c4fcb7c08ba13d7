// How a message ended otherwise than by a plain acknowledgement, as payload bytes and back. Shared by replies on the wire, kept replies and local calls.

import { ActorFailedError, AskCycleError, DeliveryUnknownError, InvalidPayloadError, NotExecutedError } from '../errors.ts'
import { type ActorAddress, formatAddress } from '../messaging/address.ts'
import { errorFromWire, errorToWire } from '../messaging/error-wire.ts'
import { OUTCOME_FAILED, OUTCOME_HANDLED, OUTCOME_REFUSED, OUTCOME_UNKNOWN } from '../messaging/frame-format.ts'
import { decodePayload, encodePayload } from '../messaging/payload-codec.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'

export interface EncodedOutcome {
  readonly outcome: number
  readonly bytes: Uint8Array
}

export const NO_BYTES: Uint8Array = new Uint8Array(0)

/** A reply that can't travel is a failure of the actor: its caller learns why. */
export function encodeReply(reply: unknown, limitBytes: number): EncodedOutcome {
  try {
    return { outcome: OUTCOME_HANDLED, bytes: encodePayload(reply, limitBytes, 'reply') }
  } catch (error) {
    return encodeFailure(error)
  }
}

export function encodeFailure(error: unknown): EncodedOutcome {
  if (error instanceof DeliveryUnknownError) return { outcome: OUTCOME_UNKNOWN, bytes: encodePayload({ reason: error.reason }) }
  if (error instanceof NotExecutedError) return encodeRefusal(error.reason, error.cause)
  return {
    outcome: OUTCOME_FAILED,
    bytes: encodeSafely({ error: errorToWire(error) }, { error: { of: 'other', message: 'unknown error' } }),
  }
}

export function encodeRefusal(reason: DeadLetterReason, error: unknown): EncodedOutcome {
  const bytes = error === undefined ? encodePayload({ reason }) : encodeSafely({ reason, error: errorToWire(error) }, { reason })
  return { outcome: OUTCOME_REFUSED, bytes }
}

export function encodeUnknown(reason: DeadLetterReason): EncodedOutcome {
  return { outcome: OUTCOME_UNKNOWN, bytes: encodePayload({ reason }) }
}

/** A cause may hold anything that a handler threw. */
function encodeSafely(value: unknown, otherwise: unknown): Uint8Array {
  try {
    return encodePayload(value)
  } catch {
    return encodePayload(otherwise)
  }
}

export type Ending =
  | { readonly kind: 'handled'; readonly reply: unknown }
  /** `error` is what a caller is rejected with; `reason` what the dead letter says when nobody waits. */
  | { readonly kind: 'rejected'; readonly reason: DeadLetterReason; readonly error: Error }

/**
 * Throws `ProtocolError` for bytes that no peer of this version sends. `mayHaveRun`: an earlier owner may have executed it, so that a refusal leaves
 * open whether it was.
 */
export function decodeOutcome(
  outcome: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  address: ActorAddress,
  type: string,
  messageId: string,
  mayHaveRun: boolean,
): Ending {
  if (outcome === OUTCOME_HANDLED) return { kind: 'handled', reply: start === end ? undefined : decodePayload(bytes, start, end) }
  const data = decodePayload(bytes, start, end) as { reason?: DeadLetterReason; error?: unknown } | undefined
  const actor = formatAddress(address)
  const what = `${type} to ${actor}`
  if (outcome === OUTCOME_FAILED) return { kind: 'rejected', reason: 'failed', error: errorFromWire(data?.error, actor) }
  const reason = data?.reason ?? 'stopped'
  if (outcome !== OUTCOME_REFUSED) return { kind: 'rejected', reason, error: new DeliveryUnknownError(reason, what, messageId) }
  const cause = data?.error === undefined ? undefined : errorFromWire(data.error, actor)
  return { kind: 'rejected', reason, error: refusalError(reason, what, cause, mayHaveRun ? messageId : undefined) }
}

/** What the caller of a refused message is told: the payload's or chain's own error where there is one. `mayHaveRun`: its id, if an earlier owner may have executed it. */
export function refusalError(reason: DeadLetterReason, what: string, error: unknown, mayHaveRun: string | undefined): Error {
  if (error instanceof InvalidPayloadError || error instanceof AskCycleError) return error
  const options = error === undefined ? undefined : { cause: error }
  return mayHaveRun === undefined
    ? new NotExecutedError(reason, what, options)
    : new DeliveryUnknownError(reason, what, mayHaveRun, options)
}

/** A failure that nobody waits for, as its dead letter says it: what the handler threw, or why the message was given up. */
export function letterOf(error: unknown): { readonly reason: DeadLetterReason; readonly error: unknown } {
  const reason = error instanceof DeliveryUnknownError || error instanceof NotExecutedError ? error.reason : 'failed'
  return { reason, error: error instanceof ActorFailedError ? (error.cause ?? error) : error }
}
