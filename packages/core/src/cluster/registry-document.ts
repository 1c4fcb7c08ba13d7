// The remembered actors of one shard, as stored under `registry/<kind>/<shard>/<chunk>`. Pure: it says which keys to write for a batch of
// changes; the shard's owner writes them, under its epoch. Chunks have numbers without meaning; an id is in one of them.
//
//   { "v": 1, "epoch": 812, "ids": ["c-7", …] }        at most 256 KiB
//
// A crash between two writes of one batch loses nothing that was confirmed: what is merged into a chunk is written there before the other
// chunk goes, so at worst an id stands in two chunks. The next reader takes it once, and cleans up with its first batch.
//
// Gotcha: fields may be added, and are ignored by who does not know them; anything else is a new `v`.

import { ManagementError } from '../errors.ts'
import { MAX_ID_BYTES } from '../messaging/address.ts'
import { PROTOCOL, type ProtocolRange } from '../messaging/protocol-version.ts'
import type { Entry } from '../metadata/metadata-store.ts'
import { StoredJson } from './stored-json.ts'

export type RegistryWrite =
  /** `ifVersion: null`: the key must not exist. */
  | { readonly type: 'put'; readonly key: string; readonly value: string; readonly ifVersion: string | null }
  | { readonly type: 'delete'; readonly key: string; readonly ifVersion: string }

/** Removals come before additions: an id in both is remembered. */
export interface RegistryBatch {
  readonly add?: Iterable<string>
  readonly remove?: Iterable<string>
}

export const MAX_CHUNK_BYTES: number = 256 * 1024
/** Bounds what a reader of a shard takes in (with chunks of 256 KiB: 256 MiB, about 5 million ids). */
export const MAX_CHUNKS = 1_024

/** What a chunk takes around its ids. */
const FRAME_BYTES = 64

interface Chunk {
  readonly ids: Set<string>
  /** Of the stored form; at least what it takes. */
  bytes: number
  /** `null`: not stored yet. */
  version: string | null
}

export interface RegistryShardOptions {
  readonly maxChunkBytes?: number
  /** What this process reads. Default: this release's. */
  readonly protocol?: ProtocolRange
}

/**
 * The image of a shard's chunks, made from a `list` of its prefix. After a write that was refused, or whose outcome is unknown, and after
 * an error it no longer matches the store: make a new one from another `list`, and repeat the batch.
 */
export class RegistryShard {
  readonly #prefix: string
  readonly #maxBytes: number
  readonly #protocol: ProtocolRange
  readonly #chunks = new Map<number, Chunk>()
  /** Chunks with ids that stand in another one too. */
  readonly #toClean = new Set<number>()
  #epoch = 0
  #size = 0

  /** `prefix` is that of the shard and ends with `/`. Throws `ProtocolError` naming the key. */
  constructor(prefix: string, entries: readonly Entry[], options: RegistryShardOptions = {}) {
    this.#prefix = prefix
    this.#protocol = options.protocol ?? PROTOCOL
    this.#maxBytes = Math.min(options.maxChunkBytes ?? MAX_CHUNK_BYTES, MAX_CHUNK_BYTES)
    for (const entry of entries) this.#read(entry)
  }

  get size(): number {
    return this.#size
  }

  /** The highest epoch under which a chunk was written. */
  get epoch(): number {
    return this.#epoch
  }

  has(id: string): boolean {
    return this.#chunkOf(id) !== undefined
  }

  *ids(): IterableIterator<string> {
    for (const { ids } of this.#chunks.values()) yield* ids
  }

  /**
   * The writes that bring the store to this image with the changes: to be done one after the other, each put followed by {@link written}. The batch is
   * remembered when all have succeeded. No writes: nothing changed. Throws `ManagementError` when a later owner has written, or the shard is full.
   */
  change(epoch: number, batch: RegistryBatch, version: number = PROTOCOL.min): RegistryWrite[] {
    if (epoch < this.#epoch) {
      throw new ManagementError(
        `${this.#prefix} was written under epoch ${this.#epoch}; epoch ${epoch} has been superseded and may not write`,
      )
    }
    this.#epoch = epoch
    // Cleaning comes first: an id must be gone from where it is double before it can be removed from where it counts.
    const dirty = new Set(this.#toClean)
    this.#toClean.clear()
    for (const id of batch.remove ?? []) this.#remove(id, dirty)
    for (const id of batch.add ?? []) this.#add(id, dirty)
    const deletes: RegistryWrite[] = []
    for (const index of [...dirty]) this.#shrink(index, dirty, deletes)
    const puts = [...dirty].map((index): RegistryWrite => {
      const chunk = this.#chunks.get(index) as Chunk
      const value = JSON.stringify({ v: version, epoch, ids: [...chunk.ids] })
      return { type: 'put', key: this.#key(index), value, ifVersion: chunk.version }
    })
    return [...puts, ...deletes]
  }

  /** A put of {@link change} succeeded and gave this version. */
  written(key: string, version: string): void {
    const chunk = this.#chunks.get(this.#indexOf(key))
    if (chunk !== undefined) chunk.version = version
  }

  #read(entry: Entry): void {
    const at = new StoredJson(entry.key)
    const index = this.#indexOf(entry.key)
    const root = at.parse(entry.value)
    at.form(root, this.#protocol)
    this.#epoch = Math.max(this.#epoch, at.integer(root.epoch, 'epoch', 0))
    const chunk: Chunk = { ids: new Set(), bytes: FRAME_BYTES, version: entry.version }
    at.array(root.ids, 'ids').forEach((value, i) => {
      const id = at.string(value, `ids[${i}]`)
      if (Buffer.byteLength(id) > MAX_ID_BYTES) at.fail(`ids[${i}] takes over ${MAX_ID_BYTES} bytes`)
      if (chunk.ids.has(id) || this.has(id)) {
        this.#toClean.add(index)
        return
      }
      chunk.ids.add(id)
      chunk.bytes += bytesOf(id)
    })
    this.#size += chunk.ids.size
    this.#chunks.set(index, chunk)
  }

  #remove(id: string, dirty: Set<number>): void {
    const index = this.#chunkOf(id)
    if (index === undefined) return
    const chunk = this.#chunks.get(index) as Chunk
    chunk.ids.delete(id)
    chunk.bytes -= bytesOf(id)
    this.#size--
    dirty.add(index)
  }

  #add(id: string, dirty: Set<number>): void {
    if (this.has(id)) return
    const bytes = bytesOf(id)
    const index = this.#roomFor(bytes, dirty)
    const chunk = this.#chunks.get(index) as Chunk
    chunk.ids.add(id)
    chunk.bytes += bytes
    this.#size++
    dirty.add(index)
  }

  /** Chunks that are written anyway come first, so that a batch writes few keys. */
  #roomFor(bytes: number, dirty: Set<number>): number {
    for (const index of dirty) if (this.#hasRoom(index, bytes)) return index
    for (const index of this.#chunks.keys()) if (this.#hasRoom(index, bytes)) return index
    for (let index = 0; index < MAX_CHUNKS; index++) {
      if (this.#chunks.has(index)) continue
      this.#chunks.set(index, { ids: new Set(), bytes: FRAME_BYTES, version: null })
      return index
    }
    throw new ManagementError(
      `${this.#prefix} is full: ${this.#size} remembered actors in ${MAX_CHUNKS} chunks; raise shardCount in a new cluster`,
    )
  }

  #hasRoom(index: number, bytes: number): boolean {
    return (this.#chunks.get(index) as Chunk).bytes + bytes <= this.#maxBytes
  }

  /** Deletes a chunk that became empty, and merges one that became small into another, up to three quarters, so that it is not split again at once. */
  #shrink(index: number, dirty: Set<number>, deletes: RegistryWrite[]): void {
    const chunk = this.#chunks.get(index) as Chunk
    if (chunk.ids.size > 0) {
      const other = chunk.bytes * 4 < this.#maxBytes ? this.#mergeTarget(index, chunk.bytes, dirty) : undefined
      if (other === undefined) return
      const target = this.#chunks.get(other) as Chunk
      for (const id of chunk.ids) target.ids.add(id)
      target.bytes += chunk.bytes - FRAME_BYTES
      dirty.add(other)
    }
    dirty.delete(index)
    this.#chunks.delete(index)
    if (chunk.version !== null) deletes.push({ type: 'delete', key: this.#key(index), ifVersion: chunk.version })
  }

  #mergeTarget(index: number, bytes: number, dirty: Set<number>): number | undefined {
    const fits = (other: number): boolean => other !== index && ((this.#chunks.get(other) as Chunk).bytes + bytes) * 4 <= this.#maxBytes * 3
    for (const other of dirty) if (fits(other)) return other
    for (const other of this.#chunks.keys()) if (fits(other)) return other
    return undefined
  }

  #chunkOf(id: string): number | undefined {
    for (const [index, { ids }] of this.#chunks) if (ids.has(id)) return index
    return undefined
  }

  #key(index: number): string {
    return `${this.#prefix}${index}`
  }

  #indexOf(key: string): number {
    const suffix = key.slice(this.#prefix.length)
    if (!key.startsWith(this.#prefix) || !/^(0|[1-9]\d{0,3})$/.test(suffix) || Number(suffix) >= MAX_CHUNKS) {
      new StoredJson(key).fail(`not a chunk of ${this.#prefix}, which are numbered from 0 to ${MAX_CHUNKS - 1}`)
    }
    return Number(suffix)
  }
}

/** In the stored form, with its comma. */
function bytesOf(id: string): number {
  return Buffer.byteLength(JSON.stringify(id)) + 1
}
