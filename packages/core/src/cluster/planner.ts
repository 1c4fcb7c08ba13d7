// Who should own what: a pure function of the present document and the nodes that are alive. Decides; changes and writes nothing.

import type { Owner, PlacementDocument, UnitKey } from './placement-document.ts'
import type { PlacementChange } from './placement-transitions.ts'

/** A node that is alive; a `NodeRecord` fits. */
export interface PlanCandidate extends Owner {
  readonly kinds: readonly string[]
  readonly capacity: number
  readonly load: number
  readonly draining: boolean
}

export interface PlanOptions {
  readonly strategy: 'rendezvous' | 'least-loaded'
  /** `least-loaded`: the lightest of this many that the shard prefers. */
  readonly topK: number
  /** The largest share of the shards that may be moving at once; one always may. */
  readonly maxMovingShare: number
}

export interface WantedMove {
  readonly unit: UnitKey
  readonly from: Owner
  readonly target: Owner
  readonly reason: 'drain' | 'rebalance'
}

export interface Plan {
  /** To be applied and written at once, in this order: they wait for nobody. */
  readonly changes: readonly PlacementChange[]
  /** Handoffs to begin after `changes`, most urgent first; no more than may move now. Each becomes a `begin-move` with a handoff id. */
  readonly moves: readonly WantedMove[]
}

export const planDefaults: PlanOptions = { strategy: 'rendezvous', topK: 3, maxMovingShare: 0.1 }

export declare function plan(
  document: PlacementDocument,
  candidates: readonly PlanCandidate[],
  options?: PlanOptions,
): Plan
