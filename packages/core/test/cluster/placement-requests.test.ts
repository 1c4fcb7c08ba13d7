// What the manager may ask of the leader: which change a wish comes to, and what is refused for good or for now.

import { describe, expect, it } from 'vitest'
import type { NodeRecord } from '../../src/cluster/node-record.ts'
import { initialPlacement, MAX_PINS, type Owner, type PlacementDocument } from '../../src/cluster/placement-document.ts'
import { migration, unpinning } from '../../src/cluster/placement-requests.ts'
import { applyChanges, type PlacementChange, PlacementChangeError } from '../../src/cluster/placement-transitions.ts'
import { ManagementError } from '../../src/errors.ts'

const owner = (nodeId: string): Owner => ({ nodeId, processId: `p-${nodeId}`, incarnation: `s-${nodeId}` })
const node = (nodeId: string, more: Partial<NodeRecord> = {}): NodeRecord => ({
  ...owner(nodeId),
  address: `${nodeId}:1`,
  kinds: ['k'],
  capacity: 1,
  load: 0,
  draining: false,
  protocol: { min: 1, max: 1 },
  ...more,
})
const nodes = [node('a'), node('b'), node('c'), node('leaving', { draining: true }), node('client', { kinds: [] })]

/** Everything is on `a`. */
const placed: PlacementDocument = applyChanges(
  initialPlacement('k', 4),
  [0, 1, 2, 3].map((unit): PlacementChange => ({ type: 'assign', unit, owner: owner('a') })),
)
const pinned = (count: number): PlacementDocument =>
  applyChanges(
    placed,
    Array.from({ length: count }, (_, i): PlacementChange => ({ type: 'pin', id: `x-${i}`, handoffId: `h-${i}`, target: owner('b') })),
  )

describe('a migration', () => {
  it('pins an actor, moves one that is pinned, and is nothing where it is there or on its way', () => {
    expect(migration(placed, nodes, 'x', 'b', 'h')).toEqual({ type: 'pin', id: 'x', handoffId: 'h', target: owner('b') })
    expect(migration(placed, nodes, 'x', 'a', 'h')).toBeUndefined()
    const moving = pinned(1)
    expect(migration(moving, nodes, 'x-0', 'b', 'h')).toBeUndefined()
    const moved = applyChanges(moving, [{ type: 'complete-move', unit: 'x-0', handoffId: 'h-0' }])
    expect(migration(moved, nodes, 'x-0', 'b', 'h')).toBeUndefined()
    expect(migration(moved, nodes, 'x-0', 'a', 'h')).toEqual({ type: 'begin-move', unit: 'x-0', handoffId: 'h', target: owner('a') })
  })

  it('waits while the actor moves elsewhere', () => {
    expect(() => migration(pinned(1), nodes, 'x-0', 'c', 'h')).toThrow(PlacementChangeError)
  })

  it.each([
    ['gone', /can't move to node 'gone': it is not registered; registered are: a, b, c, leaving, client/],
    ['client', /can't move to node 'client': it does not host kind 'k' \(its option hosts\)/],
    ['leaving', /can't move to node 'leaving': it is draining/],
  ])('to node %s is refused', (nodeId, words) => {
    const refused = () => migration(placed, nodes, 'x', nodeId, 'h')
    expect(refused).toThrow(ManagementError)
    expect(refused).toThrow(words)
  })

  it(`is refused with ${MAX_PINS} pins, but for those that are pinned`, () => {
    const full = pinned(MAX_PINS)
    expect(() => migration(full, nodes, 'another', 'b', 'h')).toThrow(
      /1000 actors of kind 'k' are, which is the most; give some back with manager.unpin/,
    )
    expect(migration(full, nodes, 'another', 'a', 'h')).toBeUndefined()
    const moved = applyChanges(full, [{ type: 'complete-move', unit: 'x-0', handoffId: 'h-0' }])
    expect(migration(moved, nodes, 'x-0', 'c', 'h')).toMatchObject({ type: 'begin-move' })
    expect(migration(pinned(MAX_PINS - 1), nodes, 'another', 'b', 'h')).toMatchObject({ type: 'pin' })
  })
})

it('unpinning is nothing for what is not pinned', () => {
  expect(unpinning(placed, 'x')).toBeUndefined()
  expect(unpinning(pinned(1), 'x-0')).toEqual({ type: 'unpin', id: 'x-0' })
})
