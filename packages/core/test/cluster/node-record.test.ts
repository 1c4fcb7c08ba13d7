import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeNodeRecord, type NodeRecord, parseNodeRecord } from '../../src/cluster/node-record.ts'
import { ProtocolError } from '../../src/errors.ts'

const KEY = 'cajun/default/nodes/node1'
const record: NodeRecord = {
  nodeId: 'node1',
  processId: 'p1',
  incarnation: 's1',
  address: '10.0.0.7:8080',
  kinds: ['counter', 'cart'],
  capacity: 1.5,
  load: 812,
  draining: false,
  protocol: { min: 1, max: 2 },
}
const stored = JSON.parse(encodeNodeRecord(record)) as Record<string, unknown>
const problemOf = (change: Record<string, unknown>, key = KEY): string => {
  try {
    parseNodeRecord(key, JSON.stringify({ ...stored, ...change }))
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError)
    return (error as Error).message
  }
  throw new Error(`${JSON.stringify(change)} was taken`)
}

describe('the stored form of a node', () => {
  it('is this one: other releases read it', () => {
    expect(stored).toEqual({
      v: 1,
      node: 'node1',
      process: 'p1',
      incarnation: 's1',
      address: '10.0.0.7:8080',
      kinds: ['counter', 'cart'],
      capacity: 1.5,
      load: 812,
      draining: false,
      protocol: [1, 2],
    })
  })

  it('gives back the record, and ignores fields that this release does not know', () => {
    expect(parseNodeRecord(KEY, encodeNodeRecord(record))).toEqual(record)
    expect(parseNodeRecord(KEY, JSON.stringify({ ...stored, colour: 'blue' }))).toEqual(record)
  })

  it('of a node whose application reports nonsense as its load has none', () => {
    for (const load of [Number.NaN, Number.POSITIVE_INFINITY, -5]) {
      expect(parseNodeRecord(KEY, encodeNodeRecord({ ...record, load })).load).toBe(0)
    }
  })

  it('of a node without kinds is a pure client', () => {
    expect(parseNodeRecord(KEY, encodeNodeRecord({ ...record, kinds: [] })).kinds).toEqual([])
  })
})

describe('a record that is not one', () => {
  it('is refused with its key and the field', () => {
    expect(problemOf({ v: 2 })).toBe(`${KEY}: stored in form 2; this release reads version 1`)
    expect(problemOf({ process: '' })).toBe(`${KEY}: process is empty`)
    expect(problemOf({ incarnation: null })).toContain('incarnation is null, not a string')
    expect(problemOf({ address: undefined })).toContain('address is missing, not a string')
    expect(problemOf({ kinds: 'counter' })).toContain('kinds is of type string, not an array')
    expect(problemOf({ kinds: ['a', 1] })).toContain('kinds[1] is 1, not a string')
    expect(problemOf({ capacity: 0 })).toContain('capacity is 0, not a number above 0')
    expect(problemOf({ capacity: -1 })).toContain('capacity is -1')
    expect(problemOf({ load: 'much' })).toContain('load is of type string, not a finite number of at least 0')
    expect(problemOf({ draining: 1 })).toContain('draining is 1, not true or false')
    expect(problemOf({ protocol: [2, 1] })).toContain('protocol[1] is 1, not a whole number of at least 2')
    expect(problemOf({ protocol: [0, 1] })).toContain('protocol[0] is 0')
  })

  it('is refused under the key of another node', () => {
    expect(problemOf({}, 'cajun/default/nodes/node2')).toBe(
      "cajun/default/nodes/node2: the record is of node 'node1', which is another key",
    )
  })

  it('never brings down the reader', () => {
    const read = (text: string): void => {
      try {
        parseNodeRecord(KEY, text)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError)
      }
    }
    fc.assert(fc.property(fc.json(), read))
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(stored)), fc.jsonValue(), (field, value) =>
        read(JSON.stringify({ ...stored, [field]: value })),
      ),
    )
  })
})
