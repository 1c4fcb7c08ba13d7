// The tagged binary form of payloads, for what JSON can't carry. Written to be safe to decode from a peer that lies: every length and count
// is checked against the bytes that are left before anything is allocated, and depth is bounded.
//
// Gotcha, on the wire: a value is a tag byte and its body; numbers below are LEB128 varints unless said otherwise.
//
//   0 undefined   1 null   2 false   3 true          8 string: byte length, UTF-8      14 array: count, values (15: a hole)
//   4 integer: zigzag (safe integers)                9 string: byte length, UTF-16LE   16 object: count, (key, value)*
//   5 number: float64 LE                            10 Date: float64 LE                17 null-prototype object: likewise
//   6 bigint >= 0: byte length, magnitude BE        11 Map: count, (key, value)*       18 Error: bits, name, message, then by bit
//   7 bigint < 0: likewise                          12 Set: count, values                 1 stack, 2 code, 4 cause
//                                                   13 bytes: view type, byte length   19 RegExp: source, flags
//
// A key is the byte length times two, plus 1 if UTF-16LE instead of UTF-8, and the bytes.

import { PayloadTooLargeError, ProtocolError, UnserialisablePayloadError } from '../errors.ts'
import { allocateBuffer, type NativeBuffer } from './native-buffer.ts'
import { describeRefused, formatPath, isPlainObject, MAX_PAYLOAD_DEPTH } from './payload-shape.ts'

const UNDEFINED = 0
const NULL = 1
const FALSE = 2
const TRUE = 3
const INTEGER = 4
const FLOAT = 5
const BIGINT = 6
const NEGATIVE_BIGINT = 7
const UTF8 = 8
const UTF16 = 9
const DATE = 10
const MAP = 11
const SET = 12
const BYTES = 13
const ARRAY = 14
const HOLE = 15
const OBJECT = 16
const BARE_OBJECT = 17
const ERROR = 18
const REGEXP = 19

const HAS_STACK = 1
const HAS_CODE = 2
const HAS_CAUSE = 4

const MAX_BIGINT_BYTES = 64 * 1024

/** By the view type's number on the wire: append only. */
const VIEW_NAMES = [
  'ArrayBuffer',
  'DataView',
  'Uint8Array',
  'Int8Array',
  'Uint8ClampedArray',
  'Uint16Array',
  'Int16Array',
  'Uint32Array',
  'Int32Array',
  'Float32Array',
  'Float64Array',
  'BigUint64Array',
  'BigInt64Array',
] as const

type View = DataView | NodeJS.TypedArray

const MAKE_VIEW: Record<string, (buffer: ArrayBuffer) => ArrayBuffer | View> = {
  ArrayBuffer: (b) => b,
  DataView: (b) => new DataView(b),
  Uint8Array: (b) => new Uint8Array(b),
  Int8Array: (b) => new Int8Array(b),
  Uint8ClampedArray: (b) => new Uint8ClampedArray(b),
  Uint16Array: (b) => new Uint16Array(b),
  Int16Array: (b) => new Int16Array(b),
  Uint32Array: (b) => new Uint32Array(b),
  Int32Array: (b) => new Int32Array(b),
  Float32Array: (b) => new Float32Array(b),
  Float64Array: (b) => new Float64Array(b),
  BigUint64Array: (b) => new BigUint64Array(b),
  BigInt64Array: (b) => new BigInt64Array(b),
}

const ELEMENT_BYTES: Record<string, number> = {
  Uint16Array: 2,
  Int16Array: 2,
  Uint32Array: 4,
  Int32Array: 4,
  Float32Array: 4,
  Float64Array: 8,
  BigUint64Array: 8,
  BigInt64Array: 8,
}

/** Encodes `value` after one leading codec byte. */
export function encodeTagged(value: unknown, codec: number, limitBytes: number, what: string): Uint8Array {
  const writer = new TaggedWriter(limitBytes, what)
  writer.byte(codec)
  writer.value(value)
  return writer.finish()
}

class TaggedWriter {
  #bytes: Buffer = allocateBuffer(256)
  #at = 0
  readonly #limitBytes: number
  readonly #what: string
  /** The way to the value being written, and the objects on it, to name a refused value and to find cycles. */
  readonly #steps: (string | number)[] = []
  readonly #ancestors: object[] = []

  constructor(limitBytes: number, what: string) {
    this.#limitBytes = limitBytes
    this.#what = what
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  byte(value: number): void {
    this.#room(1)
    this.#bytes[this.#at++] = value
  }

  value(value: unknown): void {
    switch (typeof value) {
      case 'undefined':
        return this.byte(UNDEFINED)
      case 'boolean':
        return this.byte(value ? TRUE : FALSE)
      case 'number':
        return this.#number(value)
      case 'bigint':
        return this.#bigint(value)
      case 'string':
        return this.#string(value)
      case 'object':
        return value === null ? this.byte(NULL) : this.#object(value)
      default:
        throw this.#refused(`is a ${typeof value}`)
    }
  }

  #refused(problem: string): UnserialisablePayloadError {
    return new UnserialisablePayloadError(formatPath(this.#what, this.#steps), problem)
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes
    if (needed > this.#limitBytes) throw new PayloadTooLargeError(this.#what, needed, this.#limitBytes)
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
  }

  #varint(value: number): void {
    this.#room(8)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#at++] = rest
  }

  #number(value: number): void {
    // Zigzag doubles the value, so the outermost safe integers go as float64, which holds them exactly.
    if (Number.isInteger(value) && Math.abs(value) < 2 ** 51 && !Object.is(value, -0)) {
      this.byte(INTEGER)
      this.#varint(value >= 0 ? value * 2 : -value * 2 - 1)
    } else {
      this.byte(FLOAT)
      this.#double(value)
    }
  }

  #double(value: number): void {
    this.#room(8)
    this.#bytes.writeDoubleLE(value, this.#at)
    this.#at += 8
  }

  #bigint(value: bigint): void {
    const digits = (value < 0n ? -value : value).toString(16)
    const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
    if (magnitude.length > MAX_BIGINT_BYTES) throw this.#refused(`is a bigint of more than ${MAX_BIGINT_BYTES} bytes`)
    this.byte(value < 0n ? NEGATIVE_BIGINT : BIGINT)
    this.#varint(magnitude.length)
    this.#raw(magnitude)
  }

  #string(value: string): void {
    const wellFormed = value.isWellFormed()
    const bytes = Buffer.from(value, wellFormed ? 'utf8' : 'utf16le')
    this.byte(wellFormed ? UTF8 : UTF16)
    this.#varint(bytes.length)
    this.#raw(bytes)
  }

  #key(value: string): void {
    const wellFormed = value.isWellFormed()
    const bytes = Buffer.from(value, wellFormed ? 'utf8' : 'utf16le')
    this.#varint(bytes.length * 2 + (wellFormed ? 0 : 1))
    this.#raw(bytes)
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #object(value: object): void {
    const seenAt = this.#ancestors.indexOf(value)
    if (seenAt >= 0) throw this.#refused(`refers back to ${formatPath(this.#what, this.#steps.slice(0, seenAt))} (a cycle)`)
    if (this.#ancestors.length >= MAX_PAYLOAD_DEPTH) throw this.#refused(`is nested deeper than ${MAX_PAYLOAD_DEPTH} levels`)
    this.#ancestors.push(value)
    this.#compound(value)
    this.#ancestors.pop()
  }

  #compound(value: object): void {
    if (Array.isArray(value)) return this.#array(value)
    if (value instanceof Date) {
      this.byte(DATE)
      return this.#double(value.getTime())
    }
    if (value instanceof Map) return this.#map(value)
    if (value instanceof Set) return this.#set(value)
    if (value instanceof Error) return this.#error(value)
    if (value instanceof RegExp) {
      this.byte(REGEXP)
      this.#string(value.source)
      return this.#string(value.flags)
    }
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return this.#view(value)
    if (!isPlainObject(value)) throw this.#refused(describeRefused(value))
    this.byte(Object.getPrototypeOf(value) === null ? BARE_OBJECT : OBJECT)
    const keys = Object.keys(value)
    this.#varint(keys.length)
    for (const key of keys) {
      this.#steps.push(key)
      this.#key(key)
      this.value((value as Record<string, unknown>)[key])
      this.#steps.pop()
    }
  }

  #array(value: unknown[]): void {
    if (Object.getPrototypeOf(value) !== Array.prototype && value.constructor.name !== 'Array') throw this.#refused(describeRefused(value))
    this.byte(ARRAY)
    this.#varint(value.length)
    for (let i = 0; i < value.length; i++) {
      const item = value[i]
      if (item === undefined && !Object.hasOwn(value, i)) {
        this.byte(HOLE)
        continue
      }
      this.#steps.push(i)
      this.value(item)
      this.#steps.pop()
    }
  }

  #map(value: Map<unknown, unknown>): void {
    this.byte(MAP)
    this.#varint(value.size)
    let i = 0
    for (const [key, item] of value) {
      this.#step(`<key ${i}>`, key)
      this.#step(`<value ${i++}>`, item)
    }
  }

  #set(value: Set<unknown>): void {
    this.byte(SET)
    this.#varint(value.size)
    let i = 0
    for (const item of value) this.#step(`<item ${i++}>`, item)
  }

  #step(step: string, value: unknown): void {
    this.#steps.push(step)
    this.value(value)
    this.#steps.pop()
  }

  #error(value: Error): void {
    const code: unknown = (value as { code?: unknown }).code
    const hasCode = typeof code === 'string' || typeof code === 'number'
    const hasCause = value.cause !== undefined
    const hasStack = typeof value.stack === 'string'
    this.byte(ERROR)
    this.byte((hasStack ? HAS_STACK : 0) | (hasCode ? HAS_CODE : 0) | (hasCause ? HAS_CAUSE : 0))
    this.#string(String(value.name))
    this.#string(String(value.message))
    if (hasStack) this.#string(value.stack as string)
    if (hasCode) this.value(code)
    if (hasCause) this.#step('cause', value.cause)
  }

  #view(value: ArrayBuffer | ArrayBufferView): void {
    const view = ArrayBuffer.isView(value)
    const name = value instanceof Buffer ? 'Uint8Array' : Object.prototype.toString.call(value).slice(8, -1)
    const type = (VIEW_NAMES as readonly string[]).indexOf(name)
    if (type < 0 || (view && !(value.buffer instanceof ArrayBuffer))) throw this.#refused(describeRefused(view ? value.buffer : value))
    const bytes = view ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value)
    this.byte(BYTES)
    this.byte(type)
    this.#varint(bytes.length)
    this.#raw(bytes)
  }
}

/** Decodes one value that must fill `[start, end)`. */
export function readTagged(bytes: NativeBuffer, start: number, end: number): unknown {
  const reader = new TaggedReader(bytes, start, end)
  const value = reader.value(0)
  if (reader.at !== end) throw new ProtocolError(`payload has ${end - reader.at} bytes after its end`)
  return value
}

class TaggedReader {
  readonly #bytes: NativeBuffer
  readonly #end: number
  at: number

  constructor(bytes: NativeBuffer, start: number, end: number) {
    this.#bytes = bytes
    this.#end = end
    this.at = start
  }

  value(depth: number): unknown {
    if (depth > MAX_PAYLOAD_DEPTH) throw new ProtocolError(`payload is nested deeper than ${MAX_PAYLOAD_DEPTH} levels`)
    const tag = this.#byte()
    switch (tag) {
      case UNDEFINED:
        return undefined
      case NULL:
        return null
      case FALSE:
        return false
      case TRUE:
        return true
      case INTEGER: {
        const zigzag = this.#varint()
        return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
      }
      case FLOAT:
        return this.#double()
      case BIGINT:
        return this.#bigint()
      case NEGATIVE_BIGINT:
        return -this.#bigint()
      case UTF8:
      case UTF16:
        return this.#text(tag === UTF8, this.#varint())
      case DATE:
        return new Date(this.#double())
      case MAP:
        return this.#map(depth)
      case SET:
        return this.#set(depth)
      case BYTES:
        return this.#view()
      case ARRAY:
        return this.#array(depth)
      case OBJECT:
        return this.#object({}, depth)
      case BARE_OBJECT:
        return this.#object(Object.create(null), depth)
      case ERROR:
        return this.#error(depth)
      case REGEXP:
        return this.#regexp()
      default:
        throw new ProtocolError(`payload has unknown tag ${tag}`)
    }
  }

  #byte(): number {
    if (this.at >= this.#end) throw new ProtocolError('payload ends too early')
    return this.#bytes[this.at++] as number
  }

  #varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 0x80
    }
    throw new ProtocolError('payload has a number out of range')
  }

  /** A length or count: more than the bytes that are left is a lie, whatever it counts. */
  #count(): number {
    const count = this.#varint()
    if (count > this.#end - this.at) throw new ProtocolError(`payload counts ${count} where ${this.#end - this.at} bytes are left`)
    return count
  }

  #take(length: number): number {
    if (length > this.#end - this.at) throw new ProtocolError(`payload ends too early: ${length} bytes wanted, ${this.#end - this.at} left`)
    const start = this.at
    this.at += length
    return start
  }

  #double(): number {
    return this.#bytes.readDoubleLE(this.#take(8))
  }

  #bigint(): bigint {
    const length = this.#count()
    if (length === 0 || length > MAX_BIGINT_BYTES) throw new ProtocolError(`payload has a bigint of ${length} bytes`)
    const start = this.#take(length)
    return BigInt(`0x${this.#bytes.hexSlice(start, start + length)}`)
  }

  #text(utf8: boolean, length: number): string {
    const start = this.#take(length)
    if (utf8) return this.#bytes.utf8Slice(start, this.at)
    if (length % 2 !== 0) throw new ProtocolError('payload has an odd number of UTF-16 bytes')
    return this.#bytes.ucs2Slice(start, this.at)
  }

  #string(): string {
    const tag = this.#byte()
    if (tag !== UTF8 && tag !== UTF16) throw new ProtocolError(`payload has tag ${tag} where a string belongs`)
    return this.#text(tag === UTF8, this.#varint())
  }

  #map(depth: number): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>()
    for (let left = this.#count(); left > 0; left--) {
      const key = this.value(depth + 1)
      map.set(key, this.value(depth + 1))
    }
    return map
  }

  #set(depth: number): Set<unknown> {
    const set = new Set<unknown>()
    for (let left = this.#count(); left > 0; left--) set.add(this.value(depth + 1))
    return set
  }

  #array(depth: number): unknown[] {
    const count = this.#count()
    const array: unknown[] = []
    for (let i = 0; i < count; i++) {
      if (this.#bytes[this.at] === HOLE && this.at < this.#end) {
        this.at++
        array.length = i + 1
      } else array.push(this.value(depth + 1))
    }
    return array
  }

  #object(object: Record<string, unknown>, depth: number): unknown {
    for (let left = this.#count(); left > 0; left--) {
      const length = this.#varint()
      const key = this.#text(length % 2 === 0, Math.floor(length / 2))
      const value = this.value(depth + 1)
      // Assigning `__proto__` would set the prototype; as data it is a property like any other.
      if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
      else object[key] = value
    }
    return object
  }

  #error(depth: number): Error {
    const bits = this.#byte()
    const name = this.#string()
    const message = this.#string()
    const error = makeError(name, message)
    const stack = bits & HAS_STACK ? this.#string() : undefined
    define(error, 'stack', stack)
    if (bits & HAS_CODE) define(error, 'code', this.value(depth + 1), true)
    if (bits & HAS_CAUSE) define(error, 'cause', this.value(depth + 1))
    return error
  }

  #regexp(): RegExp {
    const source = this.#string()
    const flags = this.#string()
    try {
      return new RegExp(source, flags)
    } catch (error) {
      throw new ProtocolError('payload has an invalid regular expression', { cause: error })
    }
  }

  #view(): ArrayBuffer | View {
    const name = VIEW_NAMES[this.#byte()]
    const make = name === undefined ? undefined : MAKE_VIEW[name]
    if (name === undefined || make === undefined) throw new ProtocolError('payload has an unknown view type')
    const length = this.#varint()
    const start = this.#take(length)
    if (length % (ELEMENT_BYTES[name] ?? 1) !== 0) throw new ProtocolError(`payload has ${length} bytes in a ${name}`)
    const copy = new Uint8Array(length)
    copy.set(this.#bytes.subarray(start, start + length))
    return make(copy.buffer)
  }
}

const ERROR_TYPES: Record<string, ErrorConstructor> = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }

function makeError(name: string, message: string): Error {
  const Type = Object.hasOwn(ERROR_TYPES, name) ? (ERROR_TYPES[name] as ErrorConstructor) : Error
  const error = new Type(message)
  if (error.name !== name) define(error, 'name', name)
  return error
}

function define(error: Error, key: string, value: unknown, enumerable = false): void {
  Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true })
}
