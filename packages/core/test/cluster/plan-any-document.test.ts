// The planner over documents in any state that transitions can lead to, with any nodes alive: whatever a leader before this one began.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { initialPlacement, type PlacementDocument, type PlacementEntry } from '../../src/cluster/placement-document.ts'
import { applyChanges, type PlacementChange, PlacementChangeError } from '../../src/cluster/placement-transitions.ts'
import { type PlanCandidate, plan, planDefaults } from '../../src/cluster/planner.ts'
import { anyChange, carryOut, node, ownerOf } from './placement-arbitraries.ts'

const SHARDS = 6

const documents = fc.array(anyChange(SHARDS), { minLength: 5, maxLength: 80, size: 'max' }).map((changes) =>
  changes.reduce(
    (document, change) => {
      try {
        return applyChanges(document, [change])
      } catch (error) {
        if (error instanceof PlacementChangeError) return document
        throw error
      }
    },
    initialPlacement('counter', SHARDS),
  ),
)

/** Of the same stock as the owners that `anyChange` draws: some are alive as they were, some under another session, some as another process, some not at all. */
const candidates = fc
  .tuple(
    ...[0, 1, 2, 3].map((node) =>
      fc.option(
        fc
          .record({
            process: fc.nat(1),
            session: fc.nat(3),
            draining: fc.boolean(),
            capacity: fc.constantFrom(1, 1, 2),
            hosts: fc.integer({ min: 0, max: 9 }),
          })
          .map(
            ({ process, session, draining, capacity, hosts }): PlanCandidate => ({
              nodeId: `n${node}`,
              processId: `n${node}-p${process}`,
              incarnation: `n${node}-p${process}-s${session}`,
              kinds: hosts === 0 ? ['cart'] : ['counter'],
              capacity,
              load: 0,
              draining,
            }),
          ),
        { freq: 4 },
      ),
    ),
  )
  .map((nodes) => nodes.filter((node) => node !== null))

const entries = (document: PlacementDocument): PlacementEntry[] => [...document.shards, ...document.pins.values()]
const isNamed = (alive: readonly PlanCandidate[], entry: PlacementEntry): boolean =>
  alive.some((node) => node.incarnation === entry.owner?.incarnation && node.kinds.includes('counter'))

describe('a plan of any document, whoever is alive,', () => {
  it('has changes that the document allows, and moves that may begin after them', () => {
    fc.assert(
      fc.property(documents, candidates, (document, alive) => {
        const { changes, moves } = plan(document, alive)
        const settled = applyChanges(document, changes)
        const begun = moves.map(({ unit, target }): PlacementChange => ({ type: 'begin-move', unit, handoffId: 'new', target }))
        expect(() => applyChanges(settled, begun)).not.toThrow()
      }),
      { numRuns: 1_000 },
    )
  })

  it('leaves no unit with an owner that is gone, and none without one while somebody hosts the kind', () => {
    fc.assert(
      fc.property(documents, candidates, (document, alive) => {
        const settled = applyChanges(document, plan(document, alive).changes)
        const canHost = alive.some((node) => !node.draining && node.kinds.includes('counter'))
        for (const entry of entries(settled)) {
          if (entry.owner !== null) expect(isNamed(alive, entry)).toBe(true)
          else expect(canHost).toBe(false)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('has nothing more to change once its changes are made', () => {
    fc.assert(
      fc.property(documents, candidates, (document, alive) => {
        const settled = applyChanges(document, plan(document, alive).changes)
        expect(plan(settled, alive).changes).toEqual([])
      }),
      { numRuns: 1_000 },
    )
  })

  it('leaves no move towards a node that could not take over', () => {
    fc.assert(
      fc.property(documents, candidates, (document, alive) => {
        const settled = applyChanges(document, plan(document, alive).changes)
        for (const { move } of entries(settled)) {
          if (move === undefined) continue
          expect(alive.some((node) => node.incarnation === move.target.incarnation && !node.draining)).toBe(true)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('comes to rest: every handoff that is under way or wanted ends, and then nothing is wanted', () => {
    fc.assert(
      fc.property(documents, candidates, fc.constantFrom(0.1, 1), (start, alive, maxMovingShare) => {
        let document = start
        for (let round = 0; round < 60; round++) {
          const step = plan(document, alive, { ...planDefaults, maxMovingShare })
          const underWay = entries(document).filter(({ move }) => move !== undefined).length
          if (step.changes.length + step.moves.length + underWay === 0) return
          document = carryOut(document, step)
          const ending = [...document.shards.entries(), ...document.pins.entries()].flatMap(([unit, { move }]): PlacementChange[] =>
            move === undefined ? [] : [{ type: 'complete-move', unit, handoffId: move.handoffId }],
          )
          document = applyChanges(document, ending)
        }
        throw new Error('it goes on for ever')
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('a plan without evidence that who is missing is dead', () => {
  it('takes nothing from those who are missing, and moves nothing', () => {
    fc.assert(
      fc.property(documents, candidates, (document, alive) => {
        const { changes, moves } = plan(document, alive, planDefaults, { missingIsDead: false })
        expect(moves).toEqual([])
        const settled = applyChanges(document, changes)
        const isAlive = (owner: PlacementEntry['owner']): boolean =>
          alive.some((node) => node.processId === owner?.processId && node.kinds.includes('counter'))
        document.shards.forEach((entry, shard) => {
          if (entry.owner !== null && !isAlive(entry.owner)) expect(settled.shards[shard]).toBe(entry)
        })
        for (const [id, entry] of document.pins) {
          if (entry.owner !== null && !isAlive(entry.owner)) expect(settled.pins.get(id)).toBe(entry)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('gives shards that nobody owns to somebody, and reinstates who is back', () => {
    fc.assert(
      fc.property(documents, candidates, (document, alive) => {
        const { shards } = applyChanges(document, plan(document, alive, planDefaults, { missingIsDead: false }).changes)
        const canHost = alive.some((node) => !node.draining && node.kinds.includes('counter'))
        for (const { owner } of shards) {
          if (owner === null) expect(canHost).toBe(false)
          const present = alive.find((node) => node.processId === owner?.processId && node.kinds.includes('counter'))
          if (present !== undefined) expect(owner?.incarnation).toBe(present.incarnation)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('lets a move wait for a target that is missing', () => {
    const [source, target] = [node(1), node(2)]
    const document = applyChanges(initialPlacement('counter', 1), [
      { type: 'assign', unit: 0, owner: ownerOf(source) },
      { type: 'begin-move', unit: 0, handoffId: 'h', target: ownerOf(target) },
    ])
    expect(plan(document, [source], planDefaults, { missingIsDead: false }).changes).toEqual([])
    expect(plan(document, [source]).changes).toEqual([{ type: 'abort-move', unit: 0, handoffId: 'h' }])
  })
})
