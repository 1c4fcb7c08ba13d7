// The remembered actors of one shard: `registry/<kind>/<shard>/<chunk>`. Pure: says which keys to write for a batch of changes.

import type { Entry } from '../metadata/metadata-store.ts'

export type RegistryWrite =
  /** `ifVersion: null`: the key must not exist. */
  | { readonly type: 'put'; readonly key: string; readonly value: string; readonly ifVersion: string | null }
  | { readonly type: 'delete'; readonly key: string; readonly ifVersion: string }

/**
 * In-memory image of a shard's chunks, made from a `list` of its prefix. After a write that was refused or whose outcome is unknown it no longer
 * matches the store: make a new one from another `list`, and repeat the batch.
 */
export declare class RegistryShard {
  /** `prefix` ends with `/`: `…/registry/<kind>/<shard>/`. Throws `ProtocolError` naming the key. */
  constructor(prefix: string, entries: readonly Entry[], options?: { readonly maxChunkBytes?: number })
  readonly size: number
  /** The highest epoch under which it was written. */
  readonly epoch: number
  has(id: string): boolean
  ids(): IterableIterator<string>
  /** Writes that bring the store to this image with the changes: do them in order, and call `written` after each. */
  change(epoch: number, batch: { readonly add?: Iterable<string>; readonly remove?: Iterable<string> }): RegistryWrite[]
  /** A put of {@link change} succeeded and gave this version. */
  written(key: string, version: string): void
}
