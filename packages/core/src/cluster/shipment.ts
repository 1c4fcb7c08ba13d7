// The copy that a handoff ships, as a stream of bytes cut into chunks: snapshots of live actors, and the records and kept replies of all.
//
// Gotcha, on the wire: each item is a 32-bit big-endian length and an encoded payload of that length; chunks are cut anywhere.

import type { ActorSnapshot } from '../actor/snapshot.ts'
import { ProtocolError } from '../errors.ts'
import { decodePayload, encodePayload } from '../messaging/payload-codec.ts'

export type ShippedItem =
  | { readonly actor: ActorSnapshot }
  /** One of `Tenure.exportRecords`, opaque here. */
  | { readonly records: unknown }

/** The largest single item: an actor's state is bounded by memory, not by the limit of messages. */
const MAX_ITEM_BYTES = 256 * 1024 * 1024
const HEADER_BYTES = 4

/** `onRefused` is told of an actor whose state the codec refuses; it is shipped without and starts afresh. */
export function* packShipment(
  items: Iterable<ShippedItem>,
  chunkBytes: number,
  onRefused: (actor: ActorSnapshot, error: unknown) => void,
): Generator<Uint8Array> {
  let parts: Uint8Array[] = []
  let size = 0
  for (const item of items) {
    for (let bytes = framed(item, onRefused); bytes.length > 0; ) {
      const taken = bytes.subarray(0, chunkBytes - size)
      parts.push(taken)
      size += taken.length
      bytes = bytes.subarray(taken.length)
      if (size < chunkBytes) continue
      yield joined(parts, size)
      parts = []
      size = 0
    }
  }
  if (size > 0) yield joined(parts, size)
}

function framed(item: ShippedItem, onRefused: (actor: ActorSnapshot, error: unknown) => void): Uint8Array {
  const body = encodeItem(item, onRefused)
  const bytes = new Uint8Array(HEADER_BYTES + body.length)
  new DataView(bytes.buffer).setUint32(0, body.length)
  bytes.set(body, HEADER_BYTES)
  return bytes
}

function encodeItem(item: ShippedItem, onRefused: (actor: ActorSnapshot, error: unknown) => void): Uint8Array {
  try {
    return encodePayload(item, MAX_ITEM_BYTES, 'shipped state')
  } catch (error) {
    if (!('actor' in item)) throw error
    onRefused(item.actor, error)
    const bare: ActorSnapshot = { ...item.actor, state: undefined, fresh: true, stash: [], waiting: [], timers: [], children: [] }
    return encodePayload({ actor: bare }, MAX_ITEM_BYTES, 'shipped state')
  }
}

function joined(parts: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Takes chunks in order, gives items. Throws `ProtocolError` for what {@link packShipment} would not have made. */
export class ShipmentReader {
  #rest: Uint8Array = new Uint8Array(0)

  /** Whether nothing is left over. */
  get complete(): boolean {
    return this.#rest.length === 0
  }

  *push(chunk: Uint8Array): Generator<ShippedItem> {
    let bytes = this.#rest.length === 0 ? chunk : joined([this.#rest, chunk], this.#rest.length + chunk.length)
    while (bytes.length >= HEADER_BYTES) {
      const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0)
      if (length === 0 || length > MAX_ITEM_BYTES)
        throw new ProtocolError(`a shipped item of ${length} bytes; 1 to ${MAX_ITEM_BYTES} are possible`)
      if (bytes.length < HEADER_BYTES + length) break
      yield itemOf(decodePayload(bytes, HEADER_BYTES, HEADER_BYTES + length))
      bytes = bytes.subarray(HEADER_BYTES + length)
    }
    this.#rest = bytes
  }
}

function itemOf(value: unknown): ShippedItem {
  if (typeof value !== 'object' || value === null || !('actor' in value || 'records' in value)) {
    throw new ProtocolError('a shipped item is neither an actor nor records')
  }
  return value as ShippedItem
}
