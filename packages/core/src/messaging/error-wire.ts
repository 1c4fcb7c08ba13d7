// Errors on their way to another process: what an ask's caller gets to see of what went wrong at the owner. Plain payload data.

import { ActorFailedError, AskCycleError, type CajunError, InvalidPayloadError } from '../errors.ts'

/** `of`: which class to make again; the rest is its data. */
export interface WireError {
  readonly of: 'failed' | 'invalid' | 'cycle' | 'other'
  readonly actor?: string
  readonly message: string
  readonly chain?: readonly string[]
  readonly cause?: unknown
}

const MAX_STACK_CHARS = 4_000
const UNSHOWABLE = 'an object that can not be shown'
const MAX_MESSAGE_CHARS = 8_000

/** Never throws: handlers may throw anything, proxies and objects whose properties throw included. */
export function errorToWire(error: unknown): WireError {
  try {
    return wireOf(error)
  } catch {
    return { of: 'other', message: UNSHOWABLE }
  }
}

function wireOf(error: unknown): WireError {
  if (error instanceof ActorFailedError) {
    const prefix = `${error.actor} failed: `
    const message = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message
    return { of: 'failed', actor: error.actor, message: short(message), cause: plainCause(error.cause, 0) }
  }
  if (error instanceof InvalidPayloadError) return { of: 'invalid', message: short(error.message) }
  if (error instanceof AskCycleError) return { of: 'cycle', message: '', chain: error.chain.slice(0, 100) }
  return { of: 'other', message: short(wordsOf(error)), cause: plainCause(error, 0) }
}

/** Never throws: the data comes from outside. `actor`: who was asked. */
export function errorFromWire(wire: unknown, actor: string): CajunError {
  const data = (typeof wire === 'object' && wire !== null ? wire : {}) as Partial<WireError>
  const message = typeof data.message === 'string' ? data.message : 'unknown error'
  if (data.of === 'invalid') return new InvalidPayloadError(message)
  if (data.of === 'cycle' && Array.isArray(data.chain)) return new AskCycleError(data.chain.map(String))
  return new ActorFailedError(typeof data.actor === 'string' ? data.actor : actor, message, { cause: data.cause })
}

/** The causes of an error as errors that the codec carries: names, messages, codes and stacks, nothing else. */
function plainCause(cause: unknown, depth: number): unknown {
  try {
    if (cause instanceof Error) return plainError(cause, depth)
  } catch {
    return UNSHOWABLE
  }
  if (cause === undefined || cause === null) return cause
  return typeof cause === 'object' || typeof cause === 'function' || typeof cause === 'symbol' ? short(wordsOf(cause)) : cause
}

function plainError(cause: Error, depth: number): Error {
  const copy = new Error(short(wordsOf(cause)))
  copy.name = String(cause.name)
  copy.stack = typeof cause.stack === 'string' ? cause.stack.slice(0, MAX_STACK_CHARS) : copy.name
  const code: unknown = (cause as { code?: unknown }).code
  if (typeof code === 'string' || typeof code === 'number') (copy as { code?: unknown }).code = code
  if (cause.cause !== undefined && depth < 5) copy.cause = plainCause(cause.cause, depth + 1)
  return copy
}

/** What was thrown, in words. Never throws itself. */
export function wordsOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return UNSHOWABLE
  }
}

function short(text: string): string {
  return text.length > MAX_MESSAGE_CHARS ? `${text.slice(0, MAX_MESSAGE_CHARS)}…` : text
}
