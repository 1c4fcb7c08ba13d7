// The placement document of one actor kind: who owns which shard, under which epoch. Written by the leader alone,
// read by every node. This file owns its shape and its stored form; who writes what and when is `planner.ts` and `leader.ts`.
//
// Stored under `placement/<kind>` and never deleted, because its epoch counter must never start again.

import type { PeerId } from '../messaging/messaging-system.ts'

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
  /** The epoch that this entry replaced: a state of that epoch, and of no other, may be carried on. */
  readonly after: number
  readonly move?: Move
}

export interface PlacementDocument {
  readonly kind: string
  readonly shardCount: number
  readonly hashVersion: number
  /** The last epoch given out. */
  readonly epoch: number
  /** `shardCount` entries. */
  readonly shards: readonly PlacementEntry[]
  /** Actors placed by hand, by id; at most 1,000. An entry here counts instead of the shard's. */
  readonly pins: ReadonlyMap<string, PlacementEntry>
}
