// Nodes, clusters and changes as the property tests of placement draw them.

import fc from 'fast-check'
import type { Owner, PlacementDocument, UnitKey } from '../../src/cluster/placement-document.ts'
import { applyChanges, type PlacementChange } from '../../src/cluster/placement-transitions.ts'
import type { Plan, PlanCandidate } from '../../src/cluster/planner.ts'

export function node(index: number, more: Partial<PlanCandidate> = {}): PlanCandidate {
  const nodeId = `node${index}`
  return {
    nodeId,
    processId: `${nodeId}-p1`,
    incarnation: `${nodeId}-s1`,
    kinds: ['counter'],
    capacity: 1,
    load: 0,
    draining: false,
    ...more,
  }
}

export const nodes = (count: number): PlanCandidate[] => Array.from({ length: count }, (_, i) => node(i))

export function ownerOf({ nodeId, processId, incarnation }: Owner): Owner {
  return { nodeId, processId, incarnation }
}

/** Applies a plan as a leader does whose handoffs all succeed. */
export function carryOut(document: PlacementDocument, { changes, moves }: Plan): PlacementDocument {
  const begun = moves.map(({ unit, target }, i): PlacementChange => ({ type: 'begin-move', unit, handoffId: `h${i}`, target }))
  const ended = moves.map(({ unit }, i): PlacementChange => ({ type: 'complete-move', unit, handoffId: `h${i}` }))
  return applyChanges(document, [...changes, ...begun, ...ended])
}

/** How many shards each node owns. */
export function counts(document: PlacementDocument): Map<string, number> {
  const result = new Map<string, number>()
  for (const { owner } of document.shards) if (owner !== null) result.set(owner.nodeId, (result.get(owner.nodeId) ?? 0) + 1)
  return result
}

/** The shards whose owner is another node than before. */
export function moved(before: PlacementDocument, after: PlacementDocument): number[] {
  return before.shards.flatMap((entry, shard) => (entry.owner?.nodeId === after.shards[shard]?.owner?.nodeId ? [] : [shard]))
}

/** Changes without regard to what the document allows: most are refused, which is a part of the test. */
export function anyChange(shardCount: number): fc.Arbitrary<PlacementChange> {
  const owner = fc.record({ node: fc.nat(3), process: fc.nat(1), session: fc.nat(2) }).map(({ node, process, session }) => ({
    nodeId: `n${node}`,
    processId: `n${node}-p${process}`,
    incarnation: `n${node}-p${process}-s${session}`,
  }))
  const id = fc.constantFrom('a', 'b', 'c', 'd')
  const unit: fc.Arbitrary<UnitKey> = fc.oneof({ weight: 3, arbitrary: fc.nat(shardCount - 1) }, { weight: 1, arbitrary: id })
  const handoffId = fc.constantFrom('h1', 'h2')
  return fc.oneof(
    fc.record({ type: fc.constant('assign' as const), unit, owner: fc.option(owner, { freq: 6 }) }),
    fc.record({ type: fc.constant('reinstate' as const), unit, owner }),
    fc.record({ type: fc.constant('begin-move' as const), unit, handoffId, target: owner }),
    fc.record({ type: fc.constant('complete-move' as const), unit, handoffId }),
    fc.record({ type: fc.constant('abort-move' as const), unit, handoffId }),
    fc.record({ type: fc.constant('pin' as const), id, handoffId, target: owner }),
    fc.record({ type: fc.constant('unpin' as const), id }),
  )
}
