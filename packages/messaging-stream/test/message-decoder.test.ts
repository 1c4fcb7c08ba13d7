import { ProtocolError } from '@cajun/core/adapter'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MessageDecoder } from '../src/message-decoder.ts'
import { OutgoingBuffer } from '../src/outgoing-buffer.ts'
import { bodyLimits, DATA, encodeMessage, HELLO, PING } from '../src/wire-format.ts'

const limits = bodyLimits([
  [DATA, 100_000],
  [PING, 4],
])

function decoder(into: [number, Uint8Array][], sizes = limits): MessageDecoder {
  return new MessageDecoder(sizes, (type, body) => into.push([type, body]))
}

const message = fc.oneof(
  fc.tuple(fc.constant(DATA), fc.uint8Array({ minLength: 1, maxLength: 300 })),
  fc.tuple(
    fc.constant(DATA),
    fc.nat({ max: 20_000 }).map((size) => new Uint8Array(size + 1).fill(size)),
  ),
  fc.tuple(fc.constant(PING), fc.uint8Array({ minLength: 4, maxLength: 4 })),
)

function encode(messages: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  return Buffer.concat(messages.map(([type, body]) => encodeMessage(type, body)))
}

function plain(messages: readonly (readonly [number, Uint8Array])[]): [number, string][] {
  return messages.map(([type, body]) => [type, Buffer.from(body).toString('base64')])
}

describe('the decoder', () => {
  test('cuts the same messages from a stream, however it is split', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), fc.array(fc.nat({ max: 3_000 }), { maxLength: 200 }), (messages, cuts) => {
        const bytes = encode(messages)
        const got: [number, Uint8Array][] = []
        const subject = decoder(got)
        let at = 0
        for (const cut of cuts) {
          subject.push(bytes.subarray(at, at + cut))
          at = Math.min(bytes.byteLength, at + cut)
        }
        subject.push(bytes.subarray(at))
        expect(plain(got)).toEqual(plain(messages))
      }),
      { numRuns: 200 },
    )
  })

  test('takes a stream byte by byte', () => {
    const messages: [number, Uint8Array][] = [
      [DATA, Uint8Array.of(1)],
      [PING, Uint8Array.of(1, 2, 3, 4)],
      [DATA, new Uint8Array(700).fill(7)],
    ]
    const got: [number, Uint8Array][] = []
    const subject = decoder(got)
    for (const byte of encode(messages)) subject.push(Uint8Array.of(byte))
    expect(plain(got)).toEqual(plain(messages))
  })

  test('hands on a part of the chunk when a message is whole in it, and copies nothing', () => {
    const got: [number, Uint8Array][] = []
    const chunk = encode([[DATA, new Uint8Array(500)]])
    decoder(got).push(chunk)
    expect(got[0]?.[1].buffer).toBe(chunk.buffer)
  })

  test('puts a split body together in one buffer of its own, without reading the chunks again', () => {
    const got: [number, Uint8Array][] = []
    const body = new Uint8Array(50_000).fill(9)
    const bytes = encode([[DATA, body]])
    const subject = decoder(got)
    for (let at = 0; at < bytes.byteLength; at += 1_000) {
      const chunk = bytes.slice(at, at + 1_000)
      subject.push(chunk)
      chunk.fill(0xff)
    }
    expect(plain(got)).toEqual(plain([[DATA, body]]))
    expect(got[0]?.[1].buffer.byteLength).toBe(50_000)
  })

  test('refuses a size over the limit when the head is complete, before a byte of the body', () => {
    const got: [number, Uint8Array][] = []
    const subject = decoder(got)
    subject.push(Uint8Array.of(DATA, 0x01, 0x86))
    expect(() => subject.push(Uint8Array.of(0xa1))).toThrow(
      new ProtocolError('message of type 0x04 with 100001 bytes; 1 to 100000 are allowed'),
    )
    expect(got).toEqual([])
  })

  test('refuses a type that is not allowed at its first byte', () => {
    for (const type of [0, HELLO, 0x63, 0xff]) {
      expect(() => decoder([]).push(Uint8Array.of(type))).toThrow(ProtocolError)
      expect(() => decoder([]).push(Uint8Array.of(type, 0, 0, 1, 0))).toThrow(ProtocolError)
    }
  })

  test('refuses an empty message', () => {
    expect(() => decoder([]).push(Uint8Array.of(DATA, 0, 0, 0))).toThrow(ProtocolError)
  })

  test('takes nothing more after it refused, nor after it was closed from within', () => {
    const got: [number, Uint8Array][] = []
    const subject = decoder(got)
    const good = encode([[DATA, Uint8Array.of(1)]])
    expect(() => subject.push(Buffer.concat([good, Uint8Array.of(0xff), good]))).toThrow(ProtocolError)
    subject.push(good)
    expect(got).toHaveLength(1)

    const once = new MessageDecoder(limits, () => once.close())
    let count = 0
    const counting = new MessageDecoder(limits, () => {
      count++
      counting.close()
    })
    counting.push(Buffer.concat([good, good, good]))
    expect(count).toBe(1)
  })

  test('applies new limits from the next message on, also within one chunk', () => {
    const got: [number, Uint8Array][] = []
    const subject = new MessageDecoder(bodyLimits([[HELLO, 10]]), (type, body) => {
      got.push([type, body])
      subject.limits = limits
    })
    subject.push(
      encode([
        [HELLO, Uint8Array.of(1)],
        [DATA, new Uint8Array(500)],
      ]),
    )
    expect(got.map(([type]) => type)).toEqual([HELLO, DATA])
    expect(() => subject.push(encode([[HELLO, Uint8Array.of(1)]]))).toThrow(ProtocolError)
  })

  test('survives whatever bytes come: it yields messages within the limits or throws ProtocolError', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 30 }), (chunks) => {
        const got: [number, Uint8Array][] = []
        const subject = decoder(
          got,
          bodyLimits([
            [DATA, 40],
            [PING, 4],
          ]),
        )
        try {
          for (const chunk of chunks) subject.push(chunk)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
        for (const [type, body] of got) expect(body.byteLength).toBeLessThanOrEqual(type === PING ? 4 : 40)
      }),
      { numRuns: 500 },
    )
  })
})

describe('the outgoing buffer', () => {
  test('writes what the decoder reads, whatever the sizes', () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constantFrom(4_092, 4_095, 4_096, 4_097, 65_531, 65_532, 65_536, 90_000))
    fc.assert(
      fc.property(fc.array(fc.tuple(sizes, fc.boolean()), { maxLength: 60 }), (plan) => {
        const outgoing = new OutgoingBuffer()
        const sent: [number, Uint8Array][] = []
        const got: [number, Uint8Array][] = []
        const subject = decoder(got)
        const flush = (): void => {
          const expected = outgoing.bytes
          const parts = outgoing.take()
          expect(parts.reduce((sum, part) => sum + part.byteLength, 0)).toBe(expected)
          expect(outgoing.bytes).toBe(0)
          for (const part of parts) subject.push(part)
        }
        for (const [i, [size, flushAfter]] of plan.entries()) {
          const body = new Uint8Array(size).fill(i)
          outgoing.append(DATA, body)
          sent.push([DATA, body])
          if (flushAfter) flush()
        }
        flush()
        expect(plain(got)).toEqual(plain(sent))
      }),
      { numRuns: 100 },
    )
  })

  test('makes one part of many small messages, and leaves large ones where they are', () => {
    const outgoing = new OutgoingBuffer()
    for (let i = 0; i < 100; i++) outgoing.append(DATA, new Uint8Array(100))
    expect(outgoing.take()).toHaveLength(1)
    const large = new Uint8Array(60_000)
    outgoing.append(DATA, large)
    const parts = outgoing.take()
    expect(parts).toHaveLength(2)
    expect(parts[1]).toBe(large)
  })

  test('does not write to what it handed out', () => {
    const outgoing = new OutgoingBuffer()
    outgoing.append(DATA, new Uint8Array(100).fill(1))
    const [first] = outgoing.take()
    const before = Buffer.from(first as Uint8Array)
    for (let i = 0; i < 5_000; i++) {
      outgoing.append(DATA, new Uint8Array(100).fill(2))
      if (i % 7 === 0) outgoing.take()
    }
    expect(Buffer.compare(before, first as Uint8Array)).toBe(0)
  })
})
