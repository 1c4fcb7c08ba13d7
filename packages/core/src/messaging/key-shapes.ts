// Which keys objects have, in which order: a shape. The writer finds the one of an object by its keys, one after the other; the reader finds it by the bytes
// that they were written as. Both remember a bounded number, of whatever was sent or came, for the whole process.

import { ProtocolError } from '../errors.ts'
import { allocateBuffer, type NativeBuffer } from './native-buffer.ts'

const MAX_KEYS = 32
const MAX_KEY_BYTES = 255
/** Of the writer's tree; beyond, it is made anew. Objects whose keys are data would otherwise fill the memory. */
const MAX_NODES = 4_096
/** Shapes that the reader remembers; a power of two. Two of one place displace each other. */
const READ_SHAPES = 1_024

export interface KeyShape {
  readonly keys: readonly string[]
  /** As they go on the wire: check u16, count u8, length u16, (length u8, ASCII)* for each key. */
  readonly bytes: NativeBuffer
}

/** Before the keys' bytes. */
export const SHAPE_HEAD_BYTES = 5

class Node {
  next: Map<string, Node> | undefined = undefined
  /** Most often asked for: the one that came last. */
  lastKey: string | undefined = undefined
  lastNode: Node | undefined = undefined
  /** Null: these keys are none of a shape's. */
  shape: KeyShape | null | undefined = undefined
}

let root = new Node()
let nodes = 0

/** The shape of these enumerable keys, which are own ones while `Object.prototype` has none; undefined when there is none: too many keys, too long ones, others than ASCII, `__proto__`. */
export function shapeOf(object: object): KeyShape | undefined {
  let node = root
  let count = 0
  for (const key in object) {
    if (++count > MAX_KEYS) return undefined
    node = key === node.lastKey ? (node.lastNode as Node) : step(node, key)
  }
  if (node.shape === undefined) node.shape = makeShape(Object.keys(object))
  return node.shape ?? undefined
}

function step(node: Node, key: string): Node {
  node.next ??= new Map()
  let next = node.next.get(key)
  if (next === undefined) {
    if (++nodes > MAX_NODES) {
      root = new Node()
      nodes = 0
    }
    next = new Node()
    node.next.set(key, next)
  }
  node.lastKey = key
  node.lastNode = next
  return next
}

function makeShape(keys: readonly string[]): KeyShape | null {
  let length = 0
  for (const key of keys) {
    if (key.length > MAX_KEY_BYTES || key === '__proto__' || !/^[\0-\x7f]*$/.test(key)) return null
    length += 1 + key.length
  }
  const bytes = allocateBuffer(SHAPE_HEAD_BYTES + length)
  bytes[2] = keys.length
  bytes.writeUInt16LE(length, 3)
  let at = SHAPE_HEAD_BYTES
  for (const key of keys) {
    bytes[at++] = key.length
    at += bytes.latin1Write(key, at, key.length)
  }
  bytes.writeUInt16LE(checkOf(bytes, SHAPE_HEAD_BYTES, at), 0)
  return { keys, bytes }
}

/** FNV-1a, folded to 16 bits. */
function checkOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193)
  return (hash ^ (hash >>> 16)) & 0xffff
}

const remembered: (KeyShape | undefined)[] = new Array(READ_SHAPES).fill(undefined)

/** The shape whose bytes begin at `start`: `SHAPE_HEAD_BYTES` of head are there, and the head's length is what follows. */
export function readShape(bytes: NativeBuffer, start: number, end: number): KeyShape {
  const place = ((bytes[start] as number) | ((bytes[start + 1] as number) << 8)) & (READ_SHAPES - 1)
  const known = remembered[place]
  if (known !== undefined && isSame(known.bytes, bytes, start, end)) return known
  const shape = parseShape(bytes, start, end)
  remembered[place] = shape
  return shape
}

function isSame(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false
  return true
}

function parseShape(bytes: NativeBuffer, start: number, end: number): KeyShape {
  const count = bytes[start + 2] as number
  const keys = new Set<string>()
  let at = start + SHAPE_HEAD_BYTES
  for (let i = 0; i < count; i++) {
    const length = at < end ? (bytes[at++] as number) : Number.POSITIVE_INFINITY
    if (at + length > end) throw new ProtocolError('payload has keys that are longer than it says')
    for (let j = at; j < at + length; j++) if ((bytes[j] as number) >= 0x80) throw new ProtocolError('payload has a key that is not ASCII')
    keys.add(bytes.latin1Slice(at, at + length))
    at += length
  }
  if (at !== end) throw new ProtocolError('payload has keys that are shorter than it says')
  if (keys.size !== count || count > MAX_KEYS)
    throw new ProtocolError(`payload has an object of ${count} keys, ${keys.size} of them different`)
  if (keys.has('__proto__')) throw new ProtocolError("payload has the key '__proto__' in a shape")
  if (checkOf(bytes, start + SHAPE_HEAD_BYTES, end) !== bytes.readUInt16LE(start))
    throw new ProtocolError('payload has keys with a wrong check')
  const copy = allocateBuffer(end - start)
  copy.set(bytes.subarray(start, end))
  return { keys: [...keys], bytes: copy }
}
