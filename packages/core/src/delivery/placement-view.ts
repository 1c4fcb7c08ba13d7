// What delivery asks of placement: who owns an actor now, and under which epoch. The cluster answers from its cached documents.

import type { PeerId } from '../messaging/messaging-system.ts'

/** What is owned: a shard, or one actor pinned by hand. */
export interface Unit {
  readonly kind: string
  readonly shard: number
  /** The id of the pinned actor; undefined: the shard. */
  readonly pin: string | undefined
}

/** One object per entry of a document: a new object whenever owner or epoch changed, so that identity tells whether a route is stale. */
export interface Location {
  readonly unit: Unit
  /** `null`: nobody can host it now. */
  readonly owner: PeerId | null
  readonly epoch: number
}

export interface PlacementView {
  /** Undefined: the kind is unknown here. Allocates nothing. A unit that moves still names its present owner. */
  locate(kind: string, id: string): Location | undefined
}

/** The unit as a map key. Kinds hold no control characters. */
export function unitKey(unit: Unit): string {
  return unit.pin === undefined ? `${unit.kind}\u0000${unit.shard}` : `${unit.kind}\u0000${unit.shard}\u0000${unit.pin}`
}
