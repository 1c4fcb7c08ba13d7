import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodePlacement, largestPlacementBytes, parsePlacement } from '../../src/cluster/placement-codec.ts'
import { initialPlacement, MAX_PINS, type PlacementDocument } from '../../src/cluster/placement-document.ts'
import { applyChanges, type PlacementChange } from '../../src/cluster/placement-transitions.ts'
import { plan } from '../../src/cluster/planner.ts'
import { ProtocolError } from '../../src/errors.ts'
import { shardOf } from '../../src/hashing/key-hash.ts'
import { node, nodes, ownerOf } from './placement-arbitraries.ts'

const KEY = 'cajun/default/placement/counter'
const small = applyChanges(initialPlacement('counter', 2), [
  { type: 'assign', unit: 0, owner: ownerOf(node(1)) },
  { type: 'assign', unit: 1, owner: ownerOf(node(2)) },
  { type: 'begin-move', unit: 1, handoffId: 'h', target: ownerOf(node(1)) },
])
const stored = JSON.parse(encodePlacement(small)) as Record<string, unknown>
const problemOf = (change: Record<string, unknown>): string => {
  try {
    parsePlacement(KEY, JSON.stringify({ ...stored, ...change }))
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError)
    return (error as Error).message
  }
  throw new Error(`${JSON.stringify(change)} was taken`)
}

describe('the stored form of a placement document', () => {
  it('is this one: other releases read it', () => {
    expect(stored).toEqual({
      v: 1,
      kind: 'counter',
      hash: 1,
      revision: 0,
      epoch: 2,
      owners: [
        ['node1', 'node1-p1', 'node1-s1'],
        ['node2', 'node2-p1', 'node2-s1'],
      ],
      shards: [
        [0, 1],
        [1, 2],
        [0, 0],
      ],
      pins: [[], [], [], []],
      moves: [[1, 'h', 0]],
    })
    expect(parsePlacement(KEY, JSON.stringify(stored))).toEqual(small)
  })

  it('may hold fields that this release does not know', () => {
    expect(parsePlacement(KEY, JSON.stringify({ ...stored, colour: 'blue' }))).toEqual(small)
  })

  it('takes ids of every script', () => {
    const id = 'käse/日本\u0000"😀'
    const source = small.shards[shardOf(id, 2)]?.owner?.nodeId === 'node1' ? node(2) : node(1)
    const settled = applyChanges(small, [{ type: 'abort-move', unit: 1, handoffId: 'h' }])
    const document = applyChanges(settled, [{ type: 'pin', id, handoffId: 'p', target: ownerOf(source) }])
    expect(parsePlacement(KEY, encodePlacement(document))).toEqual(document)
  })

  it('shares one object among all entries of an owner', () => {
    const document = applyChanges(initialPlacement('counter', 64), plan(initialPlacement('counter', 64), nodes(3)).changes)
    const parsed = parsePlacement(KEY, encodePlacement(document))
    expect(new Set(parsed.shards.map(({ owner }) => owner)).size).toBe(3)
  })

  it('of 1,024 shards on 1,000 nodes with 1,000 pins, much of it moving, stays within the bound that stores are held to', () => {
    // Names of a length that cloud platforms make, identities as `newIdentity` and the stores do.
    const many = Array.from({ length: 1_000 }, (_, i) => {
      const nodeId = `ip-10-0-${i >> 8}-${i & 255}.eu-central-1.compute.internal`.padEnd(128, 'x')
      return node(i, { nodeId, processId: `${i}`.padStart(24, 'a'), incarnation: `${i}`.padStart(32, 'b') })
    })
    const start = { ...initialPlacement('counter', 1_024), epoch: 4_000_000_000 }
    const placed = applyChanges(start, plan(start, many).changes)
    const elsewhere = (at: string): (typeof many)[number] => many.find(({ nodeId }) => nodeId !== at) as (typeof many)[number]
    const handoffId = 'c'.repeat(24)
    const document = applyChanges(placed, [
      ...Array.from({ length: MAX_PINS }, (_, i): PlacementChange => {
        const id = `customer-${i}-`.padEnd(256, 'x')
        const home = placed.shards[shardOf(id, 1_024)]?.owner?.nodeId ?? ''
        return { type: 'pin', id, handoffId, target: ownerOf(elsewhere(home)) }
      }),
      ...placed.shards.map(
        ({ owner }, unit): PlacementChange => ({ type: 'begin-move', unit, handoffId, target: ownerOf(elsewhere(owner?.nodeId ?? '')) }),
      ),
    ])
    const bytes = Buffer.byteLength(encodePlacement(document))
    expect(bytes).toBeLessThan(largestPlacementBytes(1_024))
    // ZooKeeper's limit is 1 MiB, that of etcd 1.5.
    expect(largestPlacementBytes(4_096)).toBeLessThan(1_000_000)
    expect(parsePlacement(KEY, encodePlacement(document))).toEqual(document)
  })
})

describe('a placement document that is not one', () => {
  it('is refused with its key and the place', () => {
    expect(() => parsePlacement(KEY, '{')).toThrow(`${KEY}: 1 characters that are not JSON`)
    expect(() => parsePlacement(KEY, '[]')).toThrow(`${KEY}: the value is an array, not an object`)
    expect(problemOf({ v: 2 })).toBe(`${KEY}: stored in form 2; this release reads version 1`)
    expect(problemOf({ kind: 7 })).toContain('kind is 7, not a string')
    expect(problemOf({ epoch: -1 })).toContain('epoch is -1, not a whole number of at least 0')
    expect(problemOf({ revision: 0.5 })).toContain('revision is 0.5')
    expect(problemOf({ owners: [['node1', 'p', '']] })).toContain('owners[0][2] is empty')
    expect(
      problemOf({
        shards: [
          [0, 9],
          [1, 2],
          [0, 0],
        ],
      }),
    ).toContain('shards[0][1] is 9, and there are 2')
    expect(problemOf({ shards: [[0], [1, 2], [0, 0]] })).toContain('the columns of shards differ in length')
    expect(
      problemOf({
        shards: [
          [0, 1],
          [1, 3],
          [0, 0],
        ],
      }),
    ).toContain("epoch 3, above the document's 2")
    expect(
      problemOf({
        shards: [
          [0, 1],
          [1, 2],
          [0, 2],
        ],
      }),
    ).toContain('epoch 2 after 2')
    expect(
      problemOf({
        shards: [
          [0, 1],
          [1, 0],
          [0, 0],
        ],
      }),
    ).toContain('an owner under epoch 0')
    expect(problemOf({ shards: [[], [], []] })).toContain('0 shards')
    expect(problemOf({ shards: new Array(3).fill(new Array(5_000).fill(0)) })).toContain('owner under epoch 0')
    expect(
      problemOf({
        pins: [
          ['a', 'a'],
          [0, 0],
          [1, 2],
          [0, 0],
        ],
      }),
    ).toContain('an id is twice among the pins')
    expect(problemOf({ pins: [['a'], [], [], []] })).toContain('1 pin ids and 0 pin entries')
    expect(problemOf({ moves: [[7, 'h', 0]] })).toContain('moves[0][0] is 7, and there are 2')
    expect(problemOf({ moves: [['a', 'h', 0]] })).toContain('moves[0][0] is of type string, not a whole number')
    expect(
      problemOf({
        moves: [
          [1, 'h', 0],
          [1, 'h', 0],
        ],
      }),
    ).toContain('moves[1] is a second move of its unit')
    expect(
      problemOf({
        shards: [
          [0, -1],
          [1, 2],
          [0, 0],
        ],
      }),
    ).toContain('moves[0] moves a unit without owner')
  })

  it('never brings down the reader: any JSON, and any single damage, is taken or refused', () => {
    const read = (text: string): PlacementDocument | undefined => {
      try {
        return parsePlacement(KEY, text)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError)
        expect((error as Error).message.startsWith(KEY)).toBe(true)
        return undefined
      }
    }
    const text = encodePlacement(small)
    fc.assert(fc.property(fc.json(), (json) => void read(json)))
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(stored)),
        fc.jsonValue(),
        (field, value) => void read(JSON.stringify({ ...stored, [field]: value })),
      ),
    )
    fc.assert(
      fc.property(fc.nat(text.length), fc.string({ maxLength: 2 }), (at, put) => void read(text.slice(0, at) + put + text.slice(at + 1))),
    )
    for (let length = 0; length < text.length; length++) expect(read(text.slice(0, length))).toBe(undefined)
  })
})
