// Records and kept replies on their way to a new owner: plain payload data in chunks, and back. The other side reads chunks in the order they
// were made. Gotcha: this crosses processes of different releases; a change needs a new version.

import type { RecordBook, RecordCell, Source } from './records.ts'

const VERSION = 1
/** Of payload; the codec's own bytes come on top, and a chunk must stay below 256 KiB. */
const CHUNK_BYTES = 160 * 1024
const PART_BYTES = 96 * 1024

/** [node, process, floor] */
type ShippedSource = readonly [string, string, number]
/** [place of the source, actor id, path, id last handled] */
type ShippedRecord = readonly [number, string, string | null, number]
/** [place of the source, actor id, path, message id, outcome, bytes or null, whether more parts of the bytes follow] */
type ShippedReply = readonly [number, string, string | null, number, number, Uint8Array | null, boolean]

interface Chunk {
  readonly version: number
  readonly sources: ShippedSource[]
  readonly records: ShippedRecord[]
  readonly replies: ShippedReply[]
}

export function* exportRecords(cells: Iterable<RecordCell>): Generator<unknown> {
  let places = new Map<Source, number>()
  let chunk = emptyChunk()
  let bytes = 0
  const placeOf = (source: Source): number => {
    let place = places.get(source)
    if (place === undefined) {
      place = places.size
      places.set(source, place)
      chunk.sources.push([source.nodeId, source.processId, source.floor])
      bytes += 128
    }
    return place
  }
  for (const cell of [...cells]) {
    if (bytes > CHUNK_BYTES) {
      yield chunk
      chunk = emptyChunk()
      places = new Map()
      bytes = 0
    }
    const path = cell.path ?? null
    const nameBytes = cell.id.length * 3 + (path?.length ?? 0) * 3 + 64
    chunk.records.push([placeOf(cell.source), cell.id, path, cell.last])
    bytes += nameBytes
    for (const kept of cell.kept?.values() ?? []) {
      const whole = kept.bytes
      for (let at = 0; at === 0 || (whole !== undefined && at < whole.length); at += PART_BYTES) {
        if (bytes > CHUNK_BYTES) {
          yield chunk
          chunk = emptyChunk()
          places = new Map()
          bytes = 0
        }
        const part = whole === undefined ? null : new Uint8Array(whole.subarray(at, at + PART_BYTES))
        const hasMore = whole !== undefined && at + PART_BYTES < whole.length
        chunk.replies.push([placeOf(cell.source), cell.id, path, kept.id, kept.outcome, part, hasMore])
        bytes += nameBytes + (part?.length ?? 0)
      }
    }
  }
  if (chunk.records.length > 0 || chunk.replies.length > 0) yield chunk
}

function emptyChunk(): Chunk {
  return { version: VERSION, sources: [], records: [], replies: [] }
}

/** Parts of a reply that is not complete yet, by book. */
const partial = new WeakMap<RecordBook, Uint8Array[]>()

export function installShipment(data: unknown, book: RecordBook, sourceOf: (nodeId: string, processId: string) => Source): void {
  const chunk = data as Partial<Chunk> | null
  if (
    typeof chunk !== 'object' ||
    chunk === null ||
    !Array.isArray(chunk.sources) ||
    !Array.isArray(chunk.records) ||
    !Array.isArray(chunk.replies)
  ) {
    throw new TypeError('a shipment must consist of chunks that exportRecords made')
  }
  if (chunk.version !== VERSION) throw new TypeError(`shipment of version ${chunk.version}; this process reads ${VERSION}`)
  const sources = chunk.sources.map(([nodeId, processId, floor]) => {
    const source = sourceOf(nodeId, processId)
    source.raiseFloor(floor)
    return source
  })
  for (const [place, id, path, last] of chunk.records) {
    const source = sources[place]
    if (source === undefined) throw new TypeError('shipment names a source that it does not hold')
    const cell = book.open(source, id, path ?? undefined)
    if (last > cell.last) cell.last = last
  }
  for (const [place, id, path, messageId, outcome, part, hasMore] of chunk.replies) {
    const source = sources[place]
    if (source === undefined) throw new TypeError('shipment names a source that it does not hold')
    const parts = partial.get(book) ?? []
    if (part !== null) parts.push(part)
    if (hasMore) {
      partial.set(book, parts)
      continue
    }
    partial.delete(book)
    book.keep(book.open(source, id, path ?? undefined), messageId, outcome, part === null ? undefined : Buffer.concat(parts))
  }
}
