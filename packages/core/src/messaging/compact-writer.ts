// Writes payloads in the compact form (`compact-format.ts`).

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
  SHORT_TEXT_LIMIT,
  TRUE,
  UNDEFINED,
  WIDE_OBJECT,
} from './compact-format.ts'
import { type KeyShape, shapeOf } from './key-shapes.ts'
import { allocateBuffer, type NativeBuffer } from './native-buffer.ts'
import { MAX_PAYLOAD_DEPTH } from './payload-shape.ts'

// The state of the one payload that is being written: kept here, it costs no object for each.
let bytes: NativeBuffer = allocateBuffer(0)
let at = 0
let end = 0
// Of this payload, `shapeCount` of them; what is behind is an earlier one's.
const shapes: KeyShape[] = []
let shapeCount = 0
let isWriting = false

const float = new Float64Array(1)
const floatBytes = new Uint8Array(float.buffer)

/** Writes `value` into `target[start, limit)`. Where it ended, or -1: it needs more room, or another form. Throws only what a getter throws. */
export function writeCompact(value: unknown, target: NativeBuffer, start: number, limit: number): number {
  // A getter of the payload sends another message.
  if (isWriting) return -1
  // Keys are walked with what they inherit, which is nothing, unless somebody has put it there.
  for (const _ in Object.prototype) return -1
  isWriting = true
  bytes = target
  at = start
  end = limit
  shapeCount = 0
  try {
    return write(value, MAX_PAYLOAD_DEPTH) ? at : -1
  } finally {
    isWriting = false
  }
}

function write(value: unknown, depth: number): boolean {
  if (typeof value === 'string') return writeText(value)
  if (typeof value === 'number') return writeNumber(value)
  if (at >= end) return false
  if (typeof value === 'object' && value !== null) {
    if (depth === 0) return false
    const prototype = Object.getPrototypeOf(value)
    if (prototype === Object.prototype) return writeObject(value as Record<string, unknown>, depth - 1)
    return prototype === Array.prototype && writeArray(value as unknown[], depth - 1)
  }
  if (value === true) bytes[at++] = TRUE
  else if (value === false) bytes[at++] = FALSE
  else if (value === null) bytes[at++] = NULL
  else if (value === undefined) bytes[at++] = UNDEFINED
  else return false
  return true
}

function writeNumber(value: number): boolean {
  const target = bytes
  const from = at
  if (from + 9 > end) return false
  const integer = value | 0
  // -0 is no integer here.
  if (integer === value && (integer !== 0 || 1 / value > 0)) {
    if (integer >= 0 && integer < 0x80) {
      target[from] = integer
      at = from + 1
      return true
    }
    target[from] = INT32
    target[from + 1] = integer
    target[from + 2] = integer >> 8
    target[from + 3] = integer >> 16
    target[from + 4] = integer >> 24
    at = from + 5
    return true
  }
  float[0] = value
  target[from] = FLOAT64
  const raw = floatBytes
  for (let i = 0; i < 8; i++) target[from + 1 + i] = raw[i] as number
  at = from + 9
  return true
}

function writeText(text: string): boolean {
  const { length } = text
  const target = bytes
  const from = at
  if (length < SHORT_TEXT_LIMIT) {
    if (from + 1 + length > end) return false
    let i = 0
    for (; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit >= 0x80) break
      target[from + 1 + i] = unit
    }
    if (i === length) {
      target[from] = SHORT_TEXT | length
      at = from + 1 + length
      return true
    }
  }
  // A UTF-16 unit takes at most 3 bytes of UTF-8, so there is no need to measure first. An unpaired surrogate has no UTF-8.
  if (from + 4 + length * 3 > end || !text.isWellFormed()) return false
  const written = target.utf8Write(text, from + 4, length * 3)
  target[from] = LONG_TEXT
  writeU24(written, from + 1)
  at = from + 4 + written
  return true
}

function writeArray(array: readonly unknown[], depth: number): boolean {
  const { length } = array
  // Each value takes a byte at least.
  if (at + 4 + length > end) return false
  bytes[at] = ARRAY
  writeU24(length, at + 1)
  at += 4
  for (let i = 0; i < length; i++) {
    const value = array[i]
    if (value === undefined && !(i in array)) return false
    if (!write(value, depth)) return false
  }
  return true
}

/** Of the object that came last at each depth: most often the next one's there, too, and then its keys are walked once. */
const guesses: (KeyShape | undefined)[] = new Array(MAX_PAYLOAD_DEPTH).fill(undefined)

function writeObject(object: Record<string, unknown>, depth: number): boolean {
  const guess = guesses[depth]
  if (guess !== undefined) {
    const from = at
    const count = shapeCount
    const outcome = writeAs(guess, object, depth)
    if (outcome !== ANOTHER_SHAPE) return outcome === WRITTEN
    at = from
    shapeCount = count
  }
  const shape = shapeOf(object)
  if (shape === undefined) return writeWideObject(object, depth)
  guesses[depth] = shape
  // Another shape than its own a moment ago: a getter adds or takes away keys, and another form has to take it.
  return writeAs(shape, object, depth) === WRITTEN
}

const WRITTEN = 0
const REFUSED = 1
const ANOTHER_SHAPE = 2

function writeAs(shape: KeyShape, object: Record<string, unknown>, depth: number): number {
  if (!writeShape(shape)) return REFUSED
  const { keys } = shape
  let i = 0
  for (const key in object) {
    if (key !== keys[i++]) return ANOTHER_SHAPE
    if (!write(object[key], depth)) return REFUSED
  }
  return i === keys.length ? WRITTEN : ANOTHER_SHAPE
}

function writeShape(shape: KeyShape): boolean {
  const number = shapeNumber(shape)
  if (number < shapeCount) {
    if (at + 2 > end) return false
    bytes[at++] = KNOWN_OBJECT
    bytes[at++] = number
    return true
  }
  const head = shape.bytes
  const target = bytes
  const from = at + 1
  if (from + head.length > end) return false
  target[at] = OBJECT
  for (let i = 0; i < head.length; i++) target[from + i] = head[i] as number
  at = from + head.length
  if (shapeCount < MAX_SHAPES) shapes[shapeCount++] = shape
  return true
}

/** The shape's number within this payload; `shapeCount`: it has not come yet. */
function shapeNumber(shape: KeyShape): number {
  let number = 0
  while (number < shapeCount && shapes[number] !== shape) number++
  return number
}

function writeWideObject(object: Record<string, unknown>, depth: number): boolean {
  const keys = Object.keys(object)
  if (at + 4 + 2 * keys.length > end) return false
  bytes[at] = WIDE_OBJECT
  writeU24(keys.length, at + 1)
  at += 4
  for (const key of keys) if (!writeText(key) || !write(object[key], depth)) return false
  return true
}

function writeU24(value: number, where: number): void {
  bytes[where] = value
  bytes[where + 1] = value >> 8
  bytes[where + 2] = value >> 16
}
