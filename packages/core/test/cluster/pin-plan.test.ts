// What the planner does about actors that were placed by hand.

import { describe, expect, it } from 'vitest'
import { initialPlacement, type PlacementDocument } from '../../src/cluster/placement-document.ts'
import { applyChanges, type PlacementChange } from '../../src/cluster/placement-transitions.ts'
import { type Plan, plan } from '../../src/cluster/planner.ts'
import { shardOf } from '../../src/hashing/key-hash.ts'
import { node, ownerOf } from './placement-arbitraries.ts'

const ID = 'c-42'
const SHARD = shardOf(ID, 8)
const [home, pinned, third] = [node(1), node(2), node(3)]

/** All shards on `home`, one actor of them on `pinned`. */
function document(...more: PlacementChange[]): PlacementDocument {
  return applyChanges(initialPlacement('counter', 8), [
    ...Array.from({ length: 8 }, (_, unit): PlacementChange => ({ type: 'assign', unit, owner: ownerOf(home) })),
    { type: 'pin', id: ID, handoffId: 'h', target: ownerOf(pinned) },
    { type: 'complete-move', unit: ID, handoffId: 'h' },
    ...more,
  ])
}
const ofPin = ({ changes }: Plan): PlacementChange[] => changes.filter((change) => ('unit' in change ? change.unit : change.id) === ID)
/** The other shards would be rebalanced; these tests are not about them. */
const pinMoves = ({ moves }: Plan): Plan['moves'] => moves.filter(({ unit }) => unit === ID)

describe('a pinned actor', () => {
  it('stays where it was put, whatever its shard does', () => {
    const result = plan(document(), [home, pinned, third])
    expect(ofPin(result)).toEqual([])
    expect(pinMoves(result)).toEqual([])
    expect(ofPin(plan(document(), [pinned, third]))).toEqual([])
  })

  it('goes back to the owner of its shard when its own is gone', () => {
    const present = document()
    const result = plan(present, [home])
    expect(ofPin(result)).toEqual([{ type: 'unpin', id: ID }])
    const next = applyChanges(present, result.changes)
    expect(next.shards[SHARD]?.owner).toEqual(ownerOf(home))
    expect(next.shards[SHARD]?.epoch).toBeGreaterThan(present.pins.get(ID)?.epoch ?? Number.POSITIVE_INFINITY)
  })

  it('goes to the new owner of its shard when both are gone, in one batch', () => {
    const next = applyChanges(document(), plan(document(), [third]).changes)
    expect(next.pins.size).toBe(0)
    expect(next.shards[SHARD]?.owner).toEqual(ownerOf(third))
  })

  it('has no owner while nobody can host it, and goes with its shard as soon as somebody can', () => {
    const stranded = applyChanges(document(), plan(document(), []).changes)
    expect(stranded.pins.get(ID)).toMatchObject({ owner: null, epoch: document().pins.get(ID)?.epoch })
    expect(plan(stranded, []).changes).toEqual([])
    const next = applyChanges(stranded, plan(stranded, [third]).changes)
    expect(next.pins.size).toBe(0)
    expect(next.shards.every(({ owner }) => owner?.nodeId === third.nodeId)).toBe(true)
  })

  it('stands on its own while its shard moves, on the owner of the shard', () => {
    const moving = document({ type: 'begin-move', unit: SHARD, handoffId: 'm', target: ownerOf(third) })
    expect(ofPin(plan(moving, [home, third]))).toEqual([{ type: 'assign', unit: ID, owner: ownerOf(home) }])
  })

  it('goes back to its shard even while that moves, when the epoch of the shard is above its own: nothing has to be raised', () => {
    const again = { ...home, incarnation: 'another' }
    const moving = document(
      { type: 'reinstate', unit: SHARD, owner: ownerOf(again) },
      { type: 'begin-move', unit: SHARD, handoffId: 'm', target: ownerOf(third) },
    )
    const result = plan(moving, [again, third])
    expect(ofPin(result)).toEqual([{ type: 'unpin', id: ID }])
    expect(applyChanges(moving, result.changes).shards[SHARD]).toEqual(moving.shards[SHARD])
  })

  it('is reinstated when its process has another session', () => {
    const again = { ...pinned, incarnation: 'another' }
    expect(ofPin(plan(document(), [home, again]))).toEqual([{ type: 'reinstate', unit: ID, owner: ownerOf(again) }])
  })

  it('moves to where its shard is when its node drains', () => {
    const result = plan(document(), [home, { ...pinned, draining: true }])
    expect(ofPin(result)).toEqual([])
    expect(pinMoves(result)).toEqual([{ unit: ID, from: ownerOf(pinned), target: ownerOf(home), reason: 'drain' }])
  })

  it('moves to where its shard would like to be when both nodes drain', () => {
    const result = plan(document(), [{ ...home, draining: true }, { ...pinned, draining: true }, third], {
      strategy: 'rendezvous',
      topK: 3,
      maxMovingShare: 2,
    })
    expect(pinMoves(result)).toEqual([{ unit: ID, from: ownerOf(pinned), target: ownerOf(third), reason: 'drain' }])
  })

  it('waits for its turn: pins count among what moves at once', () => {
    const result = plan(document(), [{ ...home, draining: true }, { ...pinned, draining: true }, third])
    expect(result.moves.length).toBe(1)
    expect(pinMoves(result)).toEqual([])
  })

  it('goes with its shard when both its owner and that of the shard are gone in mid-move', () => {
    const moving = document({ type: 'begin-move', unit: SHARD, handoffId: 'm', target: ownerOf(third) })
    const next = applyChanges(moving, plan(moving, [third]).changes)
    expect(next.pins.size).toBe(0)
    expect(next.shards[SHARD]?.owner).toEqual(ownerOf(third))
  })

  it('stays while more moves by hand than the planner would let move', () => {
    const ids = ['a', 'b', 'c', 'd']
    const busy = document(...ids.map((id): PlacementChange => ({ type: 'pin', id, handoffId: id, target: ownerOf(third) })))
    expect(plan(busy, [home, { ...pinned, draining: true }, third]).moves).toEqual([])
  })

  it('that is on its way goes to its target when its owner is gone', () => {
    const moving = document({ type: 'begin-move', unit: ID, handoffId: 'm', target: ownerOf(third) })
    expect(ofPin(plan(moving, [home, third]))).toEqual([{ type: 'assign', unit: ID, owner: ownerOf(third) }])
  })
})

describe('a thousand pins on one dead node', () => {
  it('end in one batch, each shard raised at most once', () => {
    let present = document()
    const ids = Array.from({ length: 900 }, (_, i) => `p-${i}`)
    present = applyChanges(
      present,
      ids.flatMap((id): PlacementChange[] => [
        { type: 'pin', id, handoffId: 'h', target: ownerOf(pinned) },
        { type: 'complete-move', unit: id, handoffId: 'h' },
      ]),
    )
    const next = applyChanges(present, plan(present, [home]).changes)
    expect(next.pins.size).toBe(0)
    expect(next.epoch - present.epoch).toBeLessThanOrEqual(8)
  })
})
