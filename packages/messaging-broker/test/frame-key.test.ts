import { ConfigError } from '@cajun/core/adapter'
import { describe, expect, test } from 'vitest'
import { type FrameKey, FrameKeys } from '../src/frame-key.ts'
import { DATA, decodePacket, encodePacket, processTag } from '../src/packet.ts'

const secret = 'a secret of no less than 32 bytes'
const from = processTag({ clusterId: 'c', nodeId: 'a', processId: 'p1' })
const to = processTag({ clusterId: 'c', nodeId: 'b', processId: 'p2' })
const head = { type: DATA, to, toId: 1, fromId: 2, seq: 3, ack: 4 }

function signed(...keys: FrameKey[]): Buffer {
  const made = new FrameKeys(keys)
  const packet = encodePacket(head, [Uint8Array.of(5, 6)], made.areSet, made.signatureBytes)
  made.sign(packet, from)
  return packet
}

describe('frame keys', () => {
  test('a signed packet is trusted, and read without its signature', () => {
    const keys = new FrameKeys([{ id: 1, secret }])
    const packet = signed({ id: 1, secret })
    expect(keys.distrust(packet, from)).toBeUndefined()
    expect([...decodePacket(keys.unsigned(packet)).body]).toEqual([5, 6])
  })

  test('no byte can be changed', () => {
    const keys = new FrameKeys([{ id: 1, secret }])
    const packet = signed({ id: 1, secret })
    for (let at = 0; at < packet.byteLength; at++) {
      for (const bit of [1, 0x80]) {
        const altered = Buffer.from(packet)
        altered[at] = (altered[at] as number) ^ bit
        expect(keys.distrust(altered, from), `byte ${at}`).toBeDefined()
      }
    }
  })

  test('nothing can be cut off or added', () => {
    const keys = new FrameKeys([{ id: 1, secret }])
    const packet = signed({ id: 1, secret })
    for (let bytes = 0; bytes < packet.byteLength; bytes++) expect(keys.distrust(packet.subarray(0, bytes), from)).toBeDefined()
    expect(keys.distrust(Buffer.concat([packet, Uint8Array.of(0)]), from)).toBeDefined()
  })

  test('it counts for its sender alone: sent back, it is forged', () => {
    expect(new FrameKeys([{ id: 1, secret }]).distrust(signed({ id: 1, secret }), to)).toBe('forged')
  })

  test('the same secret under another id, and another secret under the same id, are not trusted', () => {
    const packet = signed({ id: 1, secret })
    expect(new FrameKeys([{ id: 2, secret }]).distrust(packet, from)).toBe('unknown key')
    expect(new FrameKeys([{ id: 1, secret: `${secret}!` }]).distrust(packet, from)).toBe('forged')
  })

  test('where keys are set, what is not signed is not trusted; where none are, what is signed is not', () => {
    expect(new FrameKeys([{ id: 1, secret }]).distrust(signed(), from)).toBe('unsigned')
    expect(new FrameKeys([]).distrust(signed({ id: 1, secret }), from)).toBe('signed')
    expect(new FrameKeys([]).distrust(signed(), from)).toBeUndefined()
  })

  test('the first of two keys signs, both are trusted, so that they can be exchanged one node after another', () => {
    const old = { id: 1, secret }
    const young = { id: 2, secret: new Uint8Array(32).fill(7) }
    const steps = [[old], [old, young], [young, old], [young]].map((keys) => ({ keys, made: new FrameKeys(keys) }))
    for (const [i, { made }] of steps.entries()) {
      for (const neighbour of steps.slice(Math.max(0, i - 1), i + 2)) expect(made.distrust(signed(...neighbour.keys), from)).toBeUndefined()
    }
    expect(steps[0]?.made.distrust(signed(young, old), from)).toBe('unknown key')
  })

  for (const [what, keys] of [
    ['a short secret', [{ id: 1, secret: 'short' }]],
    ['an id beyond a byte', [{ id: 256, secret }]],
    [
      'the same id twice',
      [
        { id: 1, secret },
        { id: 1, secret: `${secret}2` },
      ],
    ],
    ['three keys', [1, 2, 3].map((id) => ({ id, secret }))],
  ] as const) {
    test(`${what} is refused, and no secret is in the message`, () => {
      expect(() => new FrameKeys(keys)).toThrow(ConfigError)
      expect(() => new FrameKeys(keys)).toThrow(/frameKeys/)
      expect(() => new FrameKeys(keys)).not.toThrow(secret)
    })
  }
})
