import { ProtocolError } from '@cajun/core/adapter'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ACK,
  DATA,
  decodeIntroduction,
  decodePacket,
  decodeReason,
  END,
  encodeIntroduction,
  encodePacket,
  encodeReason,
  HEAD_BYTES,
  OPEN,
  processTag,
  RESET,
} from '../src/packet.ts'

const local = { clusterId: 'c', nodeId: 'n', processId: 'p' }
const head = { type: DATA, to: processTag(local), toId: 0x0102_0304_0506, fromId: 7, seq: 0xffff_ffff_ff, ack: 3 }

function withByte(at: number, value: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    bytes[at] = value
    return bytes
  }
}

describe('packets', () => {
  test('what is written is read', () => {
    const bytes = encodePacket(head, [Uint8Array.of(1, 2), Uint8Array.of(3)], false, 0)
    const { body, to, ...rest } = decodePacket(bytes)
    expect({ ...rest, to: Buffer.from(to).toString('hex'), body: [...body] }).toEqual({
      ...head,
      to: Buffer.from(head.to).toString('hex'),
      body: [1, 2, 3],
    })
  })

  test('the bytes of a packet are pinned', () => {
    const bytes = encodePacket(head, [Uint8Array.of(0xaa)], true, 0)
    expect(bytes.toString('hex')).toBe(`8103${Buffer.from(head.to).toString('hex')}01020304050600000000000700ffffffffff000000000003aa`)
    expect(Buffer.from(head.to).toString('hex')).toBe('3266d2e5c7164f48de2a5b71f972d116')
  })

  test('the names of a process can not be moved from one to the next', () => {
    const tag = (clusterId: string, nodeId: string, processId: string) =>
      Buffer.from(processTag({ clusterId, nodeId, processId })).toString('hex')
    expect(tag('ab', 'c', 'd')).not.toBe(tag('a', 'bc', 'd'))
    expect(tag('a', 'bc', 'd')).not.toBe(tag('a', 'b', 'cd'))
  })

  for (const [what, change] of [
    ['a packet that is shorter than its head', (bytes: Buffer) => bytes.subarray(0, HEAD_BYTES - 1)],
    ['another version', withByte(0, 2)],
    ['an unknown type', withByte(1, RESET + 1)],
    ['data without data', (bytes: Buffer) => bytes.subarray(0, HEAD_BYTES)],
    ['an acknowledgement with data', withByte(1, ACK)],
    ['an end with data', withByte(1, END)],
  ] as const) {
    test(`${what} is refused`, () => {
      const bytes = change(encodePacket(head, [Uint8Array.of(1)], false, 0))
      expect(() => decodePacket(bytes)).toThrow(ProtocolError)
    })
  }

  test('arbitrary bytes become a packet or a ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 255 }), (bytes, type) => {
        if (bytes.byteLength > 1) bytes.set([1, type])
        try {
          const packet = decodePacket(bytes)
          expect(packet.body.byteLength).toBe(bytes.byteLength - HEAD_BYTES)
          if (packet.type === OPEN) decodeIntroduction(packet.body)
          decodeReason(packet.body)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('introductions', () => {
  test('what is written is read', () => {
    const { tag, inbox } = decodeIntroduction(encodeIntroduction({ tag: head.to, inbox: 'cajun/ä' }))
    expect(Buffer.from(tag).equals(head.to)).toBe(true)
    expect(inbox).toBe('cajun/ä')
  })

  test('without an inbox, or with one whose name is too long, they are refused', () => {
    expect(() => decodeIntroduction(head.to)).toThrow(ProtocolError)
    expect(() => decodeIntroduction(encodeIntroduction({ tag: head.to, inbox: 'x'.repeat(256) }))).toThrow(ProtocolError)
  })

  test('a reason is cut', () => {
    expect(encodeReason('x'.repeat(1_000)).byteLength).toBe(200)
    expect(decodeReason(Buffer.alloc(100_000, 0x61))).toBe('a'.repeat(200))
  })
})
