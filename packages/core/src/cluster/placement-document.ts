// The placement document of one actor kind: who owns which shard, under which epoch. Written by the leader alone,
// read by every node. This file owns its shape and what its numbers mean; `placement-codec.ts` its stored form,
// `placement-transitions.ts` the only ways in which it changes, `planner.ts` which of them are wanted.
//
// Stored under `placement/<kind>` and never deleted, because its epochs must never fall.

import { IncompatibleClusterError } from '../errors.ts'
import { HASH_VERSION } from '../hashing/key-hash.ts'
import { MAX_ID_BYTES } from '../messaging/address.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import { PROTOCOL } from '../messaging/protocol-version.ts'

/** A process in the role of owner. `incarnation` is that of its session: after a lost session the same process comes back with another one. */
export interface Owner extends PeerId {
  readonly incarnation: string
}

/** A handoff under way: the owner seals and ships, the target waits for the document that names it. */
export interface Move {
  readonly handoffId: string
  readonly target: Owner
}

/** Who owns a placement unit (a shard, or one pinned actor). */
export interface PlacementEntry {
  /** `null`: nobody can host it; the epoch stays. */
  readonly owner: Owner | null
  /** Higher than every epoch that this document gave out before. 0: never owned. */
  readonly epoch: number
  /**
   * The oldest epoch whose state may be carried on under this entry, see {@link carriesOn}. When the owner changed it is the epoch that
   * this entry replaced. While one process keeps the unit (reinstated, or after an aborted handoff) it stays, because nobody else
   * can have acted in between; so an owner that sees only the last of several such documents keeps its state.
   */
  readonly after: number
  readonly move?: Move
}

/** A shard by its number, or a pinned actor by its id. */
export type UnitKey = number | string

export interface PlacementDocument {
  /** The protocol version that it is stored in, and that what belongs to the kind (its registry) is to be stored in. */
  readonly protocol: number
  readonly kind: string
  readonly shardCount: number
  readonly hashVersion: number
  /** Grows by one with every write of the document (a `move` added changes no epoch): a reader never goes back to an older one. The leader sets it when it writes; 0: not written yet. */
  readonly revision: number
  /** The last epoch given out. The first one is above the time of day, in milliseconds since 1970, at which the document was made: see the leader. */
  readonly epoch: number
  /** `shardCount` entries. */
  readonly shards: readonly PlacementEntry[]
  /**
   * Actors placed by hand, by id; at most {@link MAX_PINS}. An entry here counts instead of the shard's, its epoch too: a pin is made with an epoch
   * above its shard's, and dropped only when the shard's is (or is raised) above it.
   */
  readonly pins: ReadonlyMap<string, PlacementEntry>
}

/** The most pinned actors of a kind: the document is read by every node on every change. */
export const MAX_PINS = 1_000
/** What the ids of all pins may take as JSON: 256 bytes each. Only ids full of characters that JSON escapes take more. */
export const MAX_PIN_ID_BYTES: number = MAX_PINS * MAX_ID_BYTES
/** The most shards of a kind. */
export const MAX_SHARDS = 4_096

/**
 * Whether a state (an activation that was suspended, or the copy of a handoff) that was last owned or sealed in `epoch` is the newest there is
 * under `entry`, so that its owner goes on with it instead of starting afresh. A process that holds several takes the one of the highest epoch.
 *
 * Gotcha: compare pins before shards when one document changed both: the state of an actor that was just pinned is that of its shard's tenure.
 */
export function carriesOn(entry: PlacementEntry, epoch: number): boolean {
  return epoch > 0 && entry.after <= epoch && epoch <= entry.epoch
}

/** The same process under the same session. */
export function sameOwner(a: Owner, b: Owner): boolean {
  return a.nodeId === b.nodeId && a.processId === b.processId && a.incarnation === b.incarnation
}

/** The same process, whatever its session: what it holds in memory is still there. */
export function sameProcess(a: PeerId, b: PeerId): boolean {
  return a.nodeId === b.nodeId && a.processId === b.processId
}

export function entryOf(document: PlacementDocument, unit: UnitKey): PlacementEntry | undefined {
  return typeof unit === 'number' ? document.shards[unit] : document.pins.get(unit)
}

const UNOWNED: PlacementEntry = { owner: null, epoch: 0, after: 0 }

/** The document of a kind that no leader has written yet: nobody owns anything. */
export function initialPlacement(kind: string, shardCount: number, hashVersion: number = HASH_VERSION): PlacementDocument {
  return {
    protocol: PROTOCOL.min,
    kind,
    shardCount,
    hashVersion,
    revision: 0,
    epoch: 0,
    shards: Array.from({ length: shardCount }, () => UNOWNED),
    pins: new Map(),
  }
}

/** Throws `IncompatibleClusterError` when this node would place actors of the kind otherwise than the cluster does. */
export function requireSamePlacement(document: PlacementDocument, shardCount: number): void {
  if (document.shardCount !== shardCount) {
    throw new IncompatibleClusterError(
      `kind '${document.kind}' has ${document.shardCount} shards in this cluster, and shardCount of this node is ${shardCount}; set it to ${document.shardCount}`,
    )
  }
  if (document.hashVersion !== HASH_VERSION) {
    throw new IncompatibleClusterError(
      `kind '${document.kind}' is placed by hash version ${document.hashVersion} in this cluster, and this release has version ${HASH_VERSION}`,
    )
  }
}
