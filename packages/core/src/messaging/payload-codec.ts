// What a payload may hold, and how it becomes bytes: the one codec of messages, replies, control traffic and shipped state.
// Owns the choice of codec and the check at the call; the forms themselves are `compact-format.ts` and `payload-binary.ts`.
//
// Gotcha, on the wire: an encoded payload is one codec byte and a body.
//
//   +-------+------------------------------------------+
//   | codec | body                                     |
//   +-------+------------------------------------------+
//     0x00    none: the payload is `undefined`
//     0x01    JSON text in UTF-8: what JSON carries without loss, and is too large for the compact form
//     0x02    tagged binary (payload-binary.ts): everything else
//     0x03    compact (compact-format.ts): what fits into a slab, of the types that most messages are made of
//
// Carried: undefined, null, booleans, numbers (NaN, -0 and infinities too), bigint, strings (unpaired surrogates are kept as they are),
// Date, RegExp, Map, Set, ArrayBuffer, DataView, typed arrays (a Node `Buffer` arrives as a `Uint8Array`), Error (name, message, stack,
// code, cause), arrays with their holes, plain and null-prototype objects; nested up to 200 levels. An object that is referred to twice
// arrives as two copies. Not carried, as with structured clone: symbol keys, non-enumerable properties, named properties of arrays.
// Everything else (functions, symbols, class instances, cycles, shared memory) is refused with the path to it.

import { PayloadTooLargeError, ProtocolError } from '../errors.ts'
import { readCompact } from './compact-reader.ts'
import { writeCompact } from './compact-writer.ts'
import { allocateBuffer, allocateSlab, asNativeBuffer, type NativeBuffer } from './native-buffer.ts'
import { encodeTagged, readTagged } from './payload-binary.ts'
import { MAX_PAYLOAD_DEPTH } from './payload-shape.ts'

export const CODEC_NONE = 0
export const CODEC_JSON = 1
export const CODEC_TAGGED = 2
export const CODEC_COMPACT = 3

export const DEFAULT_MAX_PAYLOAD_BYTES: number = 1024 * 1024

/** Where a payload is written that gets bytes of its own; larger ones don't take the compact form. */
const scratch: NativeBuffer = allocateSlab(64 * 1024)

/** Below this, JSON text can't nest deeply enough to matter; above, brackets are counted before parsing. */
const DEPTH_CHECK_BYTES = 16 * 1024

/**
 * Encodes a payload into bytes of its own.
 * Throws `UnserialisablePayloadError` naming the path, or `PayloadTooLargeError` naming the limit; `what` is the payload's name in both.
 */
export function encodePayload(value: unknown, limitBytes: number = DEFAULT_MAX_PAYLOAD_BYTES, what = 'payload'): Uint8Array {
  if (value === undefined) return Uint8Array.of(CODEC_NONE)
  const end = writeCompact(value, scratch, 1, scratch.length)
  if (end > 0) {
    if (end > limitBytes) throw new PayloadTooLargeError(what, end, limitBytes)
    const copy = allocateBuffer(end)
    copy.set(scratch.subarray(0, end))
    copy[0] = CODEC_COMPACT
    return copy
  }
  const text = jsonText(value, limitBytes)
  if (text === undefined) return encodeTagged(value, CODEC_TAGGED, limitBytes, what)
  const length = Buffer.byteLength(text) + 1
  if (length > limitBytes) throw new PayloadTooLargeError(what, length, limitBytes)
  const bytes = allocateBuffer(length)
  bytes[0] = CODEC_JSON
  bytes.utf8Write(text, 1, length - 1)
  return bytes
}

/**
 * Encodes straight into `target`, from `start`; returns where it ended, or -1 when there may not be room before `end`: nothing counts as written
 * then, and the caller uses {@link encodePayload}. Throws what that throws.
 */
export function writePayload(
  value: unknown,
  target: NativeBuffer,
  start: number,
  end: number,
  limitBytes: number,
  what = 'payload',
): number {
  if (start >= end) return -1
  if (value === undefined) {
    target[start] = CODEC_NONE
    return start + 1
  }
  const compactEnd = writeCompact(value, target, start + 1, end)
  if (compactEnd > 0) {
    if (compactEnd - start > limitBytes) throw new PayloadTooLargeError(what, compactEnd - start, limitBytes)
    target[start] = CODEC_COMPACT
    return compactEnd
  }
  const text = jsonText(value, limitBytes)
  if (text === undefined) {
    const bytes = encodeTagged(value, CODEC_TAGGED, limitBytes, what)
    if (start + bytes.length > end) return -1
    target.set(bytes, start)
    return start + bytes.length
  }
  // A UTF-16 unit takes at most 3 bytes of UTF-8, so there is no need to measure first.
  if (start + 1 + text.length * 3 > end) return -1
  target[start] = CODEC_JSON
  const length = 1 + target.utf8Write(text, start + 1, end - start - 1)
  if (length > limitBytes) throw new PayloadTooLargeError(what, length, limitBytes)
  return start + length
}

/** The payload in `bytes[start, end)`. Throws `ProtocolError` for anything that `encodePayload` would not have made. */
export function decodePayload(bytes: Uint8Array, start = 0, end: number = bytes.length): unknown {
  if (start >= end) throw new ProtocolError('payload is empty; it must begin with a codec byte')
  const codec = bytes[start]
  if (codec === CODEC_COMPACT) return readCompact(asNativeBuffer(bytes), start + 1, end)
  if (codec === CODEC_JSON) return parseJson(asNativeBuffer(bytes), start + 1, end)
  if (codec === CODEC_TAGGED) return readTagged(asNativeBuffer(bytes), start + 1, end)
  if (codec !== CODEC_NONE) throw new ProtocolError(`payload has unknown codec ${codec}`)
  if (end !== start + 1) throw new ProtocolError('payload of codec 0 has a body')
  return undefined
}

/** A deep copy as the network would deliver it, with the same refusals. */
export function clonePayload(value: unknown, limitBytes: number = DEFAULT_MAX_PAYLOAD_BYTES): unknown {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')) {
    if (typeof value === 'string' && value.length * 3 >= limitBytes) encodePayload(value, limitBytes)
    return value
  }
  return decodePayload(encodePayload(value, limitBytes))
}

function parseJson(bytes: NativeBuffer, start: number, end: number): unknown {
  if (end - start > DEPTH_CHECK_BYTES) checkJsonDepth(bytes, start, end)
  try {
    return JSON.parse(bytes.utf8Slice(start, end))
  } catch (error) {
    throw new ProtocolError('payload is not valid JSON', { cause: error })
  }
}

function checkJsonDepth(bytes: NativeBuffer, start: number, end: number): void {
  let depth = 0
  let inString = false
  for (let i = start; i < end; i++) {
    const byte = bytes[i]
    if (inString) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_PAYLOAD_DEPTH) throw new ProtocolError(`payload is nested deeper than ${MAX_PAYLOAD_DEPTH} levels`)
    } else if (byte === 0x5d || byte === 0x7d) depth--
  }
}

/** Counts down while a value is checked, so that a small graph of shared objects can't unfold into an endless tree. */
let budget = 0

/** The JSON text of a value that JSON carries without loss, else undefined. */
function jsonText(value: unknown, limitBytes: number): string | undefined {
  budget = limitBytes
  return isJsonSafe(value, MAX_PAYLOAD_DEPTH) ? JSON.stringify(value) : undefined
}

function isJsonSafe(value: unknown, depth: number): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
  if (typeof value === 'number') return value - value === 0 && (value !== 0 || 1 / value > 0)
  if (typeof value !== 'object' || depth === 0 || --budget < 0) return false
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Array.prototype) {
    const array = value as unknown[]
    budget -= array.length
    if (budget < 0) return false
    for (let i = 0; i < array.length; i++) if (!isJsonSafe(array[i], depth - 1)) return false
    return true
  }
  if (prototype !== Object.prototype) return false
  for (const key in value) if (!isJsonSafe((value as Record<string, unknown>)[key], depth - 1)) return false
  return true
}
