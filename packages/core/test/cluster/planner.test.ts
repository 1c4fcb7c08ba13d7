import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { initialPlacement, type PlacementDocument } from '../../src/cluster/placement-document.ts'
import { applyChanges } from '../../src/cluster/placement-transitions.ts'
import { type Plan, type PlanCandidate, type PlanOptions, plan, planDefaults } from '../../src/cluster/planner.ts'
import { rank, shardHash } from '../../src/hashing/rendezvous.ts'
import { carryOut, counts, moved, node, nodes, ownerOf } from './placement-arbitraries.ts'

/** Everything may move at once: one plan then shows all that is wanted. */
const unlimited: PlanOptions = { ...planDefaults, maxMovingShare: 1 }
const empty = (shards: number): PlacementDocument => initialPlacement('counter', shards)
const placed = (shards: number, candidates: readonly PlanCandidate[], options = unlimited): PlacementDocument =>
  carryOut(empty(shards), plan(empty(shards), candidates, options))

/** A sequence of clusters, each with some nodes of a common stock. */
const stock = fc.uniqueArray(fc.record({ id: fc.nat(40), capacity: fc.constantFrom(1, 1, 1, 0.5, 2, 3.7, 10) }), {
  minLength: 1,
  maxLength: 14,
  size: 'max',
  selector: ({ id }) => id,
})
const unevenNodes = stock.map((all) => all.map(({ id, capacity }) => node(id, { capacity })))
const evenNodes = stock.map((all) => all.map(({ id }) => node(id)))
const shardCounts = fc.constantFrom(1, 2, 7, 16, 64, 256)

function caps(shards: number, candidates: readonly PlanCandidate[]): Map<string, number> {
  const hosts = candidates.filter(({ draining }) => !draining)
  const total = hosts.reduce((sum, { capacity }) => sum + capacity, 0)
  return new Map(hosts.map(({ nodeId, capacity }) => [nodeId, Math.ceil((shards * capacity) / total - 1e-9)]))
}

function expectWithinCaps(document: PlacementDocument, candidates: readonly PlanCandidate[]): void {
  const most = caps(document.shardCount, candidates)
  for (const [nodeId, count] of counts(document)) expect(count).toBeLessThanOrEqual(most.get(nodeId) ?? 0)
}

describe('the first plan', () => {
  it('gives every shard an owner at once, none more than its fair share rounded up', () => {
    fc.assert(
      fc.property(unevenNodes, shardCounts, (candidates, shards) => {
        const { changes, moves } = plan(empty(shards), candidates)
        expect(moves).toEqual([])
        const document = applyChanges(empty(shards), changes)
        expect(document.shards.every(({ owner }) => owner !== null)).toBe(true)
        expectWithinCaps(document, candidates)
      }),
    )
  })

  it('gives nobody less than its fair share rounded down', () => {
    fc.assert(
      fc.property(evenNodes, shardCounts, (candidates, shards) => {
        const has = counts(placed(shards, candidates))
        for (const { nodeId } of candidates) expect(has.get(nodeId) ?? 0).toBeGreaterThanOrEqual(Math.floor(shards / candidates.length))
      }),
    )
  })

  it('places most shards where rendezvous hashing prefers them', () => {
    const candidates = nodes(10)
    const document = placed(256, candidates)
    const weighted = candidates.map(({ nodeId, capacity }) => ({ nodeId, weight: capacity }))
    const favourites = document.shards.filter(
      ({ owner }, shard) => rank(shardHash('counter', shard), weighted)[0]?.nodeId === owner?.nodeId,
    )
    // The rest was turned away by the cap.
    expect(favourites.length).toBeGreaterThan(200)
  })

  it('follows capacities', () => {
    const document = placed(256, [node(1), node(2, { capacity: 2 }), node(3, { capacity: 5 })])
    expect([...counts(document)].sort()).toEqual([
      ['node1', 32],
      ['node2', 64],
      ['node3', 160],
    ])
  })

  it('names owners by node, process and session, and nothing else', () => {
    const [only] = nodes(1) as [PlanCandidate]
    expect(plan(empty(1), [only]).changes).toEqual([{ type: 'assign', unit: 0, owner: ownerOf(only) }])
  })

  it('leaves out nodes that host other kinds, and draining ones', () => {
    const document = placed(64, [node(1), node(2, { kinds: ['cart'] }), node(3, { draining: true })])
    expect([...counts(document).keys()]).toEqual(['node1'])
  })

  it('wants nothing without a host', () => {
    expect(plan(empty(16), [])).toEqual({ changes: [], moves: [] })
    expect(plan(empty(16), [node(1, { draining: true })])).toEqual({ changes: [], moves: [] })
  })
})

describe('a plan', () => {
  it('is the same for the same nodes in any order', () => {
    fc.assert(
      fc.property(
        unevenNodes,
        unevenNodes,
        shardCounts,
        fc.constantFrom('rendezvous', 'least-loaded'),
        (before, after, shards, strategy) => {
          const options: PlanOptions = { ...planDefaults, strategy: strategy as PlanOptions['strategy'] }
          const document = placed(shards, before)
          expect(plan(document, [...after].reverse(), options)).toEqual(plan(document, after, options))
        },
      ),
    )
  })

  it('is empty once it was carried out', () => {
    fc.assert(
      fc.property(unevenNodes, unevenNodes, shardCounts, (before, after, shards) => {
        const document = carryOut(placed(shards, before), plan(placed(shards, before), after, unlimited))
        expect(plan(document, after, unlimited)).toEqual({ changes: [], moves: [] })
      }),
    )
  })

  it('moves each unit at most once, to where it is not, and from its owner', () => {
    fc.assert(
      fc.property(unevenNodes, unevenNodes, shardCounts, (before, after, shards) => {
        const document = placed(shards, before)
        const { changes, moves } = plan(document, after, unlimited)
        const present = applyChanges(document, changes)
        expect(new Set(moves.map(({ unit }) => unit)).size).toBe(moves.length)
        for (const { unit, from, target } of moves) {
          expect(present.shards[unit as number]?.owner).toEqual(from)
          expect(target.nodeId).not.toBe(from.nodeId)
        }
      }),
    )
  })
})

describe('when a node joins', () => {
  it('at most ceil(shards / nodes) shards move, all to it, and it gets its fair share rounded down', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(200), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 30 }),
        shardCounts,
        (newcomers, start, shards) => {
          let present = nodes(start)
          let document = placed(shards, present)
          for (const newcomer of newcomers) {
            if (present.some(({ nodeId }) => nodeId === `node${newcomer}`)) continue
            present = [...present, node(newcomer)]
            const next = carryOut(document, plan(document, present, unlimited))
            const changed = moved(document, next)
            expect(changed.length).toBeLessThanOrEqual(Math.ceil(shards / present.length))
            for (const shard of changed) expect(next.shards[shard]?.owner?.nodeId).toBe(`node${newcomer}`)
            expect(counts(next).get(`node${newcomer}`) ?? 0).toBeGreaterThanOrEqual(Math.floor(shards / present.length))
            expectWithinCaps(next, present)
            document = next
          }
        },
      ),
    )
  })

  it('nothing changes hands without a handoff', () => {
    const document = placed(256, nodes(4))
    const { changes, moves } = plan(document, nodes(5), unlimited)
    expect(changes).toEqual([])
    expect(moves.length).toBe(51)
    expect(moves.every(({ reason }) => reason === 'rebalance')).toBe(true)
  })

  it('a large cluster gives it shards although nobody is above the fair share rounded up', () => {
    const document = placed(256, nodes(99))
    expect(plan(document, nodes(100), unlimited).moves.length).toBe(2)
  })
})

describe('when a node leaves', () => {
  it('only what it had changes hands, whatever the capacities', () => {
    fc.assert(
      fc.property(
        unevenNodes.filter((all) => all.length > 1),
        shardCounts,
        (candidates, shards) => {
          let present = candidates
          let document = placed(shards, present)
          while (present.length > 1) {
            const [leaver, ...rest] = present as [PlanCandidate, ...PlanCandidate[]]
            const next = carryOut(document, plan(document, rest, unlimited))
            for (const shard of moved(document, next)) expect(document.shards[shard]?.owner?.nodeId).toBe(leaver.nodeId)
            expectWithinCaps(next, rest)
            document = next
            present = rest
          }
        },
      ),
    )
  })

  it('its shards are assigned at once, under higher epochs, after those they had', () => {
    const document = placed(16, nodes(2))
    const { changes, moves } = plan(document, [node(0)])
    expect(moves).toEqual([])
    const next = applyChanges(document, changes)
    for (const shard of moved(document, next)) {
      const [before, after] = [document.shards[shard], next.shards[shard]]
      expect(after?.epoch).toBeGreaterThan(before?.epoch ?? Number.POSITIVE_INFINITY)
      expect(after?.after).toBe(before?.epoch)
    }
  })

  it('and no host is left, its shards have no owner and keep their epoch', () => {
    const document = placed(16, [node(1)])
    const next = applyChanges(document, plan(document, []).changes)
    expect(next.shards.map(({ owner, epoch }) => ({ owner, epoch }))).toEqual(document.shards.map(({ epoch }) => ({ owner: null, epoch })))
    expect(plan(next, [])).toEqual({ changes: [], moves: [] })
  })
})

describe('who is alive', () => {
  it('is not who has the same node id with another process', () => {
    const document = placed(8, [node(1)])
    const { changes } = plan(document, [node(1, { processId: 'another' })])
    expect(changes.map(({ type }) => type)).toEqual(new Array(8).fill('assign'))
  })

  it('is reinstated when its process has another session', () => {
    const document = placed(8, [node(1)])
    const reborn = node(1, { incarnation: 'another' })
    const { changes, moves } = plan(document, [reborn])
    expect(changes).toEqual(document.shards.map((_, unit) => ({ type: 'reinstate', unit, owner: ownerOf(reborn) })))
    expect(moves).toEqual([])
  })
})

describe('when a node drains', () => {
  it('everything it has moves by handoff, and nothing else does', () => {
    fc.assert(
      fc.property(
        evenNodes.filter((all) => all.length > 1),
        shardCounts,
        (candidates, shards) => {
          const document = placed(shards, candidates)
          const draining = candidates.map((candidate, i) => (i === 0 ? { ...candidate, draining: true } : candidate))
          const { changes, moves } = plan(document, draining, unlimited)
          expect(changes).toEqual([])
          expect(moves.every(({ reason }) => reason === 'drain')).toBe(true)
          const next = carryOut(document, { changes, moves })
          expect(counts(next).get(candidates[0]?.nodeId ?? '')).toBe(undefined)
          expect(moves.length).toBe(counts(document).get(candidates[0]?.nodeId ?? '') ?? 0)
          expectWithinCaps(next, draining)
        },
      ),
    )
  })

  it('and is the last one, it keeps what it has', () => {
    const document = placed(8, [node(1)])
    expect(plan(document, [node(1, { draining: true })])).toEqual({ changes: [], moves: [] })
  })
})

describe('how much moves at once', () => {
  it('is a tenth of the shards, handoffs under way counted', () => {
    const document = placed(256, nodes(2))
    const first = plan(document, nodes(4))
    expect(first.moves.length).toBe(25)
    const begun = applyChanges(
      document,
      first.moves.slice(0, 20).map(({ unit, target }, i) => ({ type: 'begin-move', unit, handoffId: `h${i}`, target })),
    )
    expect(plan(begun, nodes(4)).moves.length).toBe(5)
  })

  it('is one shard at least', () => {
    const document = placed(4, nodes(1))
    expect(plan(document, nodes(2), { ...planDefaults, maxMovingShare: 0 }).moves.length).toBe(1)
  })

  it('never keeps failover waiting', () => {
    const document = placed(256, nodes(3))
    expect(plan(document, nodes(2), { ...planDefaults, maxMovingShare: 0 }).changes.length).toBeGreaterThan(80)
  })

  it('leads to the same balance in small steps, and stops there', () => {
    fc.assert(
      fc.property(unevenNodes, unevenNodes, shardCounts, fc.constantFrom(0.02, 0.1, 0.5), (before, after, shards, maxMovingShare) => {
        const options = { ...planDefaults, maxMovingShare }
        let document = placed(shards, before)
        let steps = 0
        for (
          let step = plan(document, after, options);
          step.changes.length + step.moves.length > 0;
          step = plan(document, after, options)
        ) {
          expect(step.moves.length).toBeLessThanOrEqual(Math.max(1, Math.floor(shards * maxMovingShare)))
          document = carryOut(document, step)
          steps++
          expect(steps).toBeLessThan(2 * shards + 2)
        }
        expectWithinCaps(document, after)
      }),
    )
  })

  it('stays within bounds while handoffs overlap: a plan made in mid-move does not move anything twice', () => {
    let document = placed(64, nodes(2))
    const candidates = nodes(5)
    const seen: number[] = []
    for (let round = 0; round < 100; round++) {
      const { changes, moves } = plan(document, candidates)
      document = applyChanges(document, [
        ...changes,
        ...moves.map(({ unit, target }) => ({ type: 'begin-move' as const, unit, handoffId: `h${unit}`, target })),
      ])
      seen.push(...moves.map(({ unit }) => unit as number))
      // One of those under way completes, in an order of its own.
      const ready = document.shards.findLastIndex(({ move }) => move !== undefined)
      if (ready === -1) break
      document = applyChanges(document, [{ type: 'complete-move', unit: ready, handoffId: `h${ready}` }])
    }
    while (document.shards.some(({ move }) => move !== undefined)) {
      const ready = document.shards.findIndex(({ move }) => move !== undefined)
      document = applyChanges(document, [{ type: 'complete-move', unit: ready, handoffId: `h${ready}` }])
    }
    expect(new Set(seen).size).toBe(seen.length)
    expect(plan(document, candidates).moves).toEqual([])
  })
})

describe('a handoff under way', () => {
  const moving = (): { document: PlacementDocument; unit: number; from: string; to: string } => {
    const document = placed(8, nodes(2))
    const unit = document.shards.findIndex(({ owner }) => owner?.nodeId === 'node0')
    return {
      document: applyChanges(document, [{ type: 'begin-move', unit, handoffId: 'h', target: ownerOf(node(1)) }]),
      unit,
      from: 'node0',
      to: 'node1',
    }
  }
  const of = (result: Plan, unit: number): Plan['changes'] => result.changes.filter((change) => 'unit' in change && change.unit === unit)

  it('is left alone while both sides live', () => {
    const { document, unit } = moving()
    const result = plan(document, nodes(2), unlimited)
    expect(of(result, unit)).toEqual([])
    expect(result.moves.some((move) => move.unit === unit)).toBe(false)
  })

  it('ends with its target as owner when its source is gone: only the target may hold a copy', () => {
    const { document, unit } = moving()
    expect(of(plan(document, [node(1), node(2), node(3)]), unit)).toEqual([{ type: 'assign', unit, owner: ownerOf(node(1)) }])
  })

  it('is aborted when its target is gone, is draining, or has another session', () => {
    const { document, unit } = moving()
    const abort = [{ type: 'abort-move', unit, handoffId: 'h' }]
    expect(of(plan(document, [node(0)]), unit)).toEqual(abort)
    expect(of(plan(document, [node(0), node(1, { draining: true })]), unit)).toEqual(abort)
    expect(of(plan(document, [node(0), node(1, { incarnation: 'another' })]), unit)).toEqual(abort)
  })

  it('gives the shard to a third when both sides are gone', () => {
    const { document, unit } = moving()
    expect(of(plan(document, [node(2)]), unit)).toEqual([{ type: 'assign', unit, owner: ownerOf(node(2)) }])
  })
})

describe('the least-loaded strategy', () => {
  const options: PlanOptions = { strategy: 'least-loaded', topK: 3, maxMovingShare: 1 }

  it('gives an orphaned shard to the lightest of the three that it prefers', () => {
    // One shard each, so that nobody is at its cap.
    const all = nodes(12)
    const weighted = all.map(({ nodeId, capacity }) => ({ nodeId, weight: capacity }))
    for (let shard = 0; shard < 8; shard++) {
      const top = rank(shardHash('counter', 0), weighted).slice(0, 3)
      const lightest = top[shard % 3]?.nodeId
      const loaded = all.map((candidate) => ({ ...candidate, load: candidate.nodeId === lightest ? 1 : 100 }))
      expect(plan(empty(1), loaded, options).changes).toMatchObject([{ unit: 0, owner: { nodeId: lightest } }])
    }
  })

  it('counts load by capacity', () => {
    const candidates = [node(1, { load: 60, capacity: 10 }), node(2, { load: 50, capacity: 1 })]
    expect(plan(empty(1), candidates, options).changes).toMatchObject([{ owner: { nodeId: 'node1' } }])
  })

  it('keeps the caps, and moves nothing because of load alone', () => {
    fc.assert(
      fc.property(unevenNodes, fc.array(fc.nat(1_000), { minLength: 14, maxLength: 14 }), shardCounts, (candidates, loads, shards) => {
        const loaded = candidates.map((candidate, i) => ({ ...candidate, load: loads[i] ?? 0 }))
        const document = placed(shards, loaded, options)
        expectWithinCaps(document, loaded)
        const shifted = loaded.map((candidate, i) => ({ ...candidate, load: loads[13 - i] ?? 0 }))
        expect(plan(document, shifted, options)).toEqual({ changes: [], moves: [] })
      }),
    )
  })
})
