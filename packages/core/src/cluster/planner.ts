// Who should own what: a pure function of the present document and the nodes that are alive. Decides; changes and writes nothing.
//
// It starts from what is, so that nothing moves without need:
// - a unit whose owner is gone goes to the host that it prefers (rendezvous hashing) among those with room;
// - no host has more than its fair share rounded up, nor (by more than rounding) less than its fair share rounded down;
// - what a draining node has, and what is above a fair share, moves by handoff.
// So a join moves at most ceil(shards / nodes), a leave only what the leaver had (nodes of equal capacity; of unequal: see `Share.low`).
// `planner.test.ts` proves it.

import { shardOf } from '../hashing/key-hash.ts'
import type { Owner, PlacementDocument, PlacementEntry, UnitKey } from './placement-document.ts'
import { sameOwner, sameProcess } from './placement-document.ts'
import type { PlacementChange } from './placement-transitions.ts'
import { ShardPlan } from './shard-plan.ts'

/** A node that is alive; a `NodeRecord` fits. */
export interface PlanCandidate extends Owner {
  readonly kinds: readonly string[]
  readonly capacity: number
  readonly load: number
  readonly draining: boolean
}

export interface PlanOptions {
  /** `least-loaded`: the lightest (reported load by capacity) of the `topK` that the shard prefers, for shards that need an owner anyway. Loads move nothing. */
  readonly strategy: 'rendezvous' | 'least-loaded'
  /** Default 3. */
  readonly topK: number
  /** The largest share of the shards that may be moving at once, pins counted; one always may. Default 0.1. */
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

/**
 * `candidates`: every node that is alive, each node id once, in any order; draining nodes too (what they own is theirs until it has moved).
 * Whoever is missing here is dead, if there is evidence for that (ARCHITECTURE: evidence of death); with `missingIsDead: false` nothing is
 * taken from those who are missing, and nothing moves, because nobody knows yet how many nodes there are.
 */
export function plan(
  document: PlacementDocument,
  candidates: readonly PlanCandidate[],
  options: PlanOptions = planDefaults,
  { missingIsDead = true }: { readonly missingIsDead?: boolean } = {},
): Plan {
  const alive = new Map<string, PlanCandidate>()
  for (const candidate of candidates) {
    if (candidate.kinds.includes(document.kind)) alive.set(candidate.nodeId, candidate)
  }
  const settle = missingIsDead ? settleKnown : settleUnknown
  const shards = new ShardPlan(document, alive, options)
  const changes: PlacementChange[] = []
  document.shards.forEach((entry, shard) => {
    const step = settle(entry, shard, alive)
    if (step === 'orphan') shards.orphan(shard)
    else if (step !== 'missing') shards.keep(shard, entry, step)
    if (typeof step === 'object') changes.push(step)
  })
  changes.push(...shards.assignOrphans())
  const touched = new Set<UnitKey>(changes.map((change) => ('unit' in change ? change.unit : change.id)))
  const settledPins = new Set<string>()
  for (const [id, entry] of document.pins) {
    const steps = settlePin(document, id, entry, settle(entry, id, alive), shards, touched)
    changes.push(...steps)
    if (steps.length > 0) settledPins.add(id)
  }

  if (!missingIsDead) return { changes, moves: [] }
  const budget = mostMoving(document, options) - movingAfter(document, changes)
  const moves = budget > 0 ? [...shards.moves(budget)] : []
  if (moves.length < budget) moves.push(...pinMoves(document, alive, shards, settledPins, budget - moves.length))
  return { changes, moves }
}

/** What must happen to a unit before anything else: nothing, a change that keeps or names its owner; it needs an owner; or its owner is missing and may come back. */
type Step = PlacementChange | 'orphan' | 'missing' | undefined

function settleUnknown(entry: PlacementEntry, unit: UnitKey, alive: ReadonlyMap<string, PlanCandidate>): Step {
  const isMissing = ({ nodeId, processId }: Owner): boolean => alive.get(nodeId)?.processId !== processId
  if (entry.owner !== null && isMissing(entry.owner)) return 'missing'
  // The target may come back too: the move waits for it.
  const { move, ...still } = entry
  if (move !== undefined && isMissing(move.target)) return settleKnown(still, unit, alive)
  return settleKnown(entry, unit, alive)
}

function settleKnown(entry: PlacementEntry, unit: UnitKey, alive: ReadonlyMap<string, PlanCandidate>): Step {
  const owner = entry.owner === null ? undefined : alive.get(entry.owner.nodeId)
  const target = entry.move === undefined ? undefined : alive.get(entry.move.target.nodeId)
  const targetIsUsable = target !== undefined && entry.move !== undefined && sameOwner(target, entry.move.target) && !target.draining
  if (entry.owner === null || owner === undefined || !sameProcess(owner, entry.owner)) {
    // The target of a handoff may hold the whole copy; nobody else has anything.
    return targetIsUsable ? { type: 'assign', unit, owner: ownerOf(target) } : 'orphan'
  }
  if (owner.incarnation !== entry.owner.incarnation) return { type: 'reinstate', unit, owner: ownerOf(owner) }
  if (entry.move !== undefined && !targetIsUsable) return { type: 'abort-move', unit, handoffId: entry.move.handoffId }
  return undefined
}

/** A pin whose owner is gone ends: the actor is its shard's again. It has to wait while its shard has no owner, and stands on its own while its shard moves. */
function settlePin(
  document: PlacementDocument,
  id: string,
  entry: PlacementEntry,
  step: Step,
  shards: ShardPlan,
  touched: ReadonlySet<UnitKey>,
): PlacementChange[] {
  if (step === undefined || step === 'missing') return []
  if (step !== 'orphan') return [step]
  const shard = shardOf(id, document.shardCount)
  const shardEntry = document.shards[shard] as PlacementEntry
  const shardOwner = shards.ownerOf(shard)
  if (shardOwner === undefined) return entry.owner === null ? [] : [{ type: 'assign', unit: id, owner: null }]
  const isMoving = shardEntry.move !== undefined && !touched.has(shard)
  if (!isMoving || shardEntry.epoch > entry.epoch) return [{ type: 'unpin', id }]
  return [{ type: 'assign', unit: id, owner: ownerOf(shardOwner) }]
}

/** Pins on draining nodes go to where their shard is, or else to where it would like to be; not those that this plan has changed already. */
function* pinMoves(
  document: PlacementDocument,
  alive: ReadonlyMap<string, PlanCandidate>,
  shards: ShardPlan,
  settled: ReadonlySet<string>,
  budget: number,
): Generator<WantedMove> {
  let left = budget
  for (const [id, entry] of document.pins) {
    if (left === 0) return
    const from = entry.owner === null ? undefined : alive.get(entry.owner.nodeId)
    if (from === undefined || !from.draining || entry.move !== undefined || settled.has(id)) continue
    const shard = shardOf(id, document.shardCount)
    const home = shards.ownerOf(shard)
    const target = home !== undefined && !home.draining ? home : shards.favourite(shard)
    if (target === undefined) return
    left--
    yield { unit: id, from: ownerOf(from), target: ownerOf(target), reason: 'drain' }
  }
}

/** How many units of a kind may be moving at once, whoever wants them moved. */
export function mostMoving(document: PlacementDocument, { maxMovingShare }: Pick<PlanOptions, 'maxMovingShare'>): number {
  return Math.max(1, Math.floor(document.shardCount * maxMovingShare))
}

export function countMoving(document: PlacementDocument): number {
  let moving = 0
  for (const entry of document.shards) if (entry.move !== undefined) moving++
  for (const entry of document.pins.values()) if (entry.move !== undefined) moving++
  return moving
}

function movingAfter(document: PlacementDocument, changes: readonly PlacementChange[]): number {
  let moving = countMoving(document)
  // Every change that the planner makes of a moving unit ends its move.
  for (const change of changes) {
    const entry =
      'unit' in change
        ? typeof change.unit === 'number'
          ? document.shards[change.unit]
          : document.pins.get(change.unit)
        : document.pins.get(change.id)
    if (entry?.move !== undefined) moving--
  }
  return moving
}

/** A candidate as an owner: what the document holds, and nothing else. */
export function ownerOf(candidate: Owner): Owner {
  return { nodeId: candidate.nodeId, processId: candidate.processId, incarnation: candidate.incarnation }
}
