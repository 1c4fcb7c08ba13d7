import { describe, expect, it } from 'vitest'
import { initialPlacement, type Owner, type PlacementDocument } from '../../src/cluster/placement-document.ts'
import { applyChanges, type PlacementChange } from '../../src/cluster/placement-transitions.ts'
import { PlacementViews } from '../../src/cluster/placement-views.ts'
import { HASH_VERSION, shardOf } from '../../src/hashing/key-hash.ts'

const a: Owner = { nodeId: 'a', processId: 'pa', incarnation: 's1' }
const b: Owner = { nodeId: 'b', processId: 'pb', incarnation: 's2' }
const SHARDS = 8

function next(document: PlacementDocument, ...changes: PlacementChange[]): PlacementDocument {
  return { ...applyChanges(document, changes), revision: document.revision + 1 }
}

const empty = initialPlacement('k', SHARDS, HASH_VERSION)
const placed = next(empty, ...Array.from({ length: SHARDS }, (_, unit): PlacementChange => ({ type: 'assign', unit, owner: a })))
const id = 'x'
const shard = shardOf(id, SHARDS)

describe('the cached placement', () => {
  it('knows nothing of a kind until it is expected or read', () => {
    const views = new PlacementViews()
    expect(views.locate('k', id)).toBeUndefined()
    views.expect('k', SHARDS)
    expect(views.locate('k', id)).toEqual({ unit: { kind: 'k', shard, pin: undefined }, owner: null, epoch: 0 })
  })

  it('never goes back to an older document, nor takes the same one twice', () => {
    const views = new PlacementViews()
    const moving = next(placed, { type: 'begin-move', unit: shard, handoffId: 'h', target: b })
    expect(views.replace(moving)).toBe(true)
    expect(views.replace(placed)).toBe(false)
    expect(views.replace(moving)).toBe(false)
    expect(views.document('k')).toBe(moving)
  })

  // Found by the simulation (seed 24011): a node that took in a late document of before never believed another one.
  it('lets a document of before the store lost its data, which arrives late, displace none of the new life, and be displaced', () => {
    const views = new PlacementViews()
    const old = { ...placed, revision: 40 }
    views.replace(old)
    views.forget()
    const reborn = next({ ...empty, epoch: old.epoch + 100 }, { type: 'assign', unit: shard, owner: b })
    expect(views.replace(old)).toBe(true)
    expect(views.replace(reborn)).toBe(true)
    expect(views.replace(old)).toBe(false)
    expect(views.locate('k', id)).toMatchObject({ owner: { nodeId: 'b' } })
  })

  it('keeps the location object as long as owner and epoch are the same, so that routes can be told stale by identity', () => {
    const views = new PlacementViews()
    views.replace(placed)
    const before = views.locate('k', id)
    const moving = next(placed, { type: 'begin-move', unit: shard, handoffId: 'h', target: b })
    views.replace(moving)
    expect(views.locate('k', id)).toBe(before)
    const moved = next(moving, { type: 'complete-move', unit: shard, handoffId: 'h' })
    views.replace(moved)
    expect(views.locate('k', id)).not.toBe(before)
    expect(views.locate('k', id)).toMatchObject({ owner: { nodeId: 'b' }, epoch: moved.epoch })
  })

  it('locates a pinned actor by its pin, its neighbours by their shard, and the actor by its shard again when the pin is gone', () => {
    const views = new PlacementViews()
    const pinned = next(placed, { type: 'pin', id, handoffId: 'h', target: b })
    views.replace(pinned)
    expect(views.locate('k', id)?.unit).toEqual({ kind: 'k', shard, pin: id })
    const neighbour = Array.from({ length: 1_000 }, (_, i) => `n${i}`).find((each) => shardOf(each, SHARDS) === shard) ?? ''
    expect(views.locate('k', neighbour)?.unit.pin).toBeUndefined()
    views.replace(next(pinned, { type: 'unpin', id }))
    expect(views.locate('k', id)?.unit.pin).toBeUndefined()
  })

  it('remembers how far epochs had come when the store lost its data', () => {
    const views = new PlacementViews()
    expect(views.epochFloors()).toBeUndefined()
    views.replace(placed)
    views.forget()
    expect(views.epochFloor('k')).toBe(placed.epoch)
    expect(views.epochFloors()).toEqual({ k: placed.epoch })
    expect(views.locate('k', id)).toMatchObject({ owner: null, epoch: 0 })
    expect(views.replace({ ...placed, revision: 1 })).toBe(true)
  })
})
