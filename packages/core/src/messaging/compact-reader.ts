// Reads payloads in the compact form (`compact-format.ts`). Safe against a peer that lies: every length and count is compared with the bytes that are left before
// anything is allocated, and depth is bounded.

import { ProtocolError } from '../errors.ts'
import {
  ARRAY,
  FALSE,
  FLOAT64,
  INT32,
  KNOWN_OBJECT,
  LONG_TEXT,
  MAX_SHAPES,
  NULL,
  OBJECT,
  SHORT_TEXT,
  TRUE,
  UNDEFINED,
  WIDE_OBJECT,
} from './compact-format.ts'
import { type KeyShape, readShape, SHAPE_HEAD_BYTES } from './key-shapes.ts'
import { allocateBuffer, type NativeBuffer } from './native-buffer.ts'
import { MAX_PAYLOAD_DEPTH } from './payload-shape.ts'

// The state of the one payload that is being read. Nothing else runs in between.
let bytes: NativeBuffer = allocateBuffer(0)
let at = 0
let end = 0
// Of this payload, `shapeCount` of them; what is behind is an earlier one's.
const shapes: KeyShape[] = []
let shapeCount = 0

const float = new Float64Array(1)
const floatBytes = new Uint8Array(float.buffer)

/** Reads the one value that must fill `[start, limit)`. Throws `ProtocolError` for anything that `writeCompact` would not have written. */
export function readCompact(source: NativeBuffer, start: number, limit: number): unknown {
  bytes = source
  at = start
  end = limit
  shapeCount = 0
  const value = read(MAX_PAYLOAD_DEPTH)
  if (at !== end) throw new ProtocolError(`payload has ${end - at} bytes after its end`)
  return value
}

function read(depth: number): unknown {
  const tag = bytes[take(1)] as number
  if (tag < SHORT_TEXT) return tag
  if (tag < NULL) return readShortText(tag & 0x3f)
  switch (tag) {
    case NULL:
      return null
    case FALSE:
      return false
    case TRUE:
      return true
    case UNDEFINED:
      return undefined
    case INT32: {
      const from = take(4)
      return (
        (bytes[from] as number) |
        ((bytes[from + 1] as number) << 8) |
        ((bytes[from + 2] as number) << 16) |
        ((bytes[from + 3] as number) << 24)
      )
    }
    case FLOAT64: {
      const from = take(8)
      const source = bytes
      const raw = floatBytes
      for (let i = 0; i < 8; i++) raw[i] = source[from + i] as number
      return float[0]
    }
    case LONG_TEXT:
      return readLongText()
  }
  if (depth === 0) throw new ProtocolError(`payload is nested deeper than ${MAX_PAYLOAD_DEPTH} levels`)
  switch (tag) {
    case ARRAY:
      return readArray(depth - 1)
    case OBJECT: {
      const head = take(SHAPE_HEAD_BYTES)
      take((bytes[head + 3] as number) | ((bytes[head + 4] as number) << 8))
      const shape = readShape(bytes, head, at)
      if (shapeCount < MAX_SHAPES) shapes[shapeCount++] = shape
      return readObject(shape, depth - 1)
    }
    case KNOWN_OBJECT: {
      const number = bytes[take(1)] as number
      if (number >= shapeCount) throw new ProtocolError(`payload names shape ${number}; it has ${shapeCount}`)
      return readObject(shapes[number] as KeyShape, depth - 1)
    }
    case WIDE_OBJECT:
      return readWideObject(depth - 1)
    default:
      throw new ProtocolError(`payload has unknown tag ${tag}`)
  }
}

function readArray(depth: number): unknown[] {
  const count = readCount()
  const array: unknown[] = []
  for (let i = 0; i < count; i++) array.push(read(depth))
  return array
}

function readObject({ keys }: KeyShape, depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (let i = 0; i < keys.length; i++) object[keys[i] as string] = read(depth)
  return object
}

function readWideObject(depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (let left = readCount(); left > 0; left--) {
    const key = readText()
    const value = read(depth)
    // Assigning `__proto__` would set the prototype; as data it is a property like any other.
    if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
    else object[key] = value
  }
  return object
}

function readText(): string {
  const tag = bytes[take(1)] as number
  if (tag >= SHORT_TEXT && tag < NULL) return readShortText(tag & 0x3f)
  if (tag !== LONG_TEXT) throw new ProtocolError(`payload has tag ${tag} where a string belongs`)
  return readLongText()
}

/** Texts up to this length are remembered: names, states, ids come again and again, and comparing them costs less than making them. */
const REMEMBERED_LENGTH = 24
const REMEMBERED_TEXTS = 1_024
const remembered: string[] = new Array(REMEMBERED_TEXTS).fill('')

function readShortText(length: number): string {
  const from = take(length)
  const source = bytes
  const to = from + length
  if (length > REMEMBERED_LENGTH) return source.latin1Slice(from, to)
  let hash = length
  for (let i = from; i < to; i++) hash = (Math.imul(hash, 31) + (source[i] as number)) | 0
  const place = (hash ^ (hash >>> 10)) & (REMEMBERED_TEXTS - 1)
  const known = remembered[place] as string
  if (known.length === length && isSame(known, from)) return known
  const text = source.latin1Slice(from, to)
  remembered[place] = text
  return text
}

function isSame(text: string, from: number): boolean {
  const source = bytes
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== source[from + i]) return false
  return true
}

function readLongText(): string {
  const length = readU24()
  const from = take(length)
  return bytes.utf8Slice(from, at)
}

/** More than the bytes that are left is a lie: each takes one at least. */
function readCount(): number {
  const count = readU24()
  if (count > end - at) throw new ProtocolError(`payload counts ${count} where ${end - at} bytes are left`)
  return count
}

function readU24(): number {
  const from = take(3)
  return (bytes[from] as number) | ((bytes[from + 1] as number) << 8) | ((bytes[from + 2] as number) << 16)
}

function take(length: number): number {
  const from = at
  if (length > end - from) throw new ProtocolError(`payload ends too early: ${length} bytes wanted, ${end - from} left`)
  at = from + length
  return from
}
