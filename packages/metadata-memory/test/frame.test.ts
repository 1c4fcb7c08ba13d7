import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeFrame, FrameDecoder } from '../src/frame.ts'

function decodeAll(chunks: Buffer[], limitBytes = 1_000_000): unknown[] {
  const decoder = new FrameDecoder(limitBytes)
  return chunks.flatMap((chunk) => [...decoder.push(chunk)])
}

const messages = [{}, { id: 1 }, { text: 'ünïcödé \u{1F600} \u0000' }, { nested: { list: [1, null, 'x'] } }]
const bytes = Buffer.concat(messages.map(encodeFrame))

describe('frames', () => {
  test('are four bytes of length, big-endian, and JSON', () => {
    expect(encodeFrame({ a: 'é' })).toEqual(Buffer.concat([Buffer.from([0, 0, 0, 10]), Buffer.from('{"a":"é"}')]))
  })

  test('are read whole, byte by byte, and however they are cut', () => {
    expect(decodeAll([bytes])).toEqual(messages)
    expect(decodeAll([...bytes].map((byte) => Buffer.from([byte])))).toEqual(messages)
    for (let at = 0; at <= bytes.length; at++) expect(decodeAll([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(messages)
  })

  test('carry any JSON object in any pieces', () => {
    const object = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue())
    fc.assert(
      fc.property(fc.array(object, { maxLength: 5 }), fc.array(fc.nat(200), { maxLength: 20 }), (objects, cuts) => {
        const all = Buffer.concat(objects.map(encodeFrame))
        const chunks: Buffer[] = []
        let at = 0
        for (const cut of cuts) {
          chunks.push(all.subarray(at, at + cut))
          at += cut
        }
        chunks.push(all.subarray(at))
        expect(decodeAll(chunks)).toEqual(objects.map((one) => JSON.parse(JSON.stringify(one))))
      }),
    )
  })

  test('over the limit are refused by their length, before any of them is buffered', () => {
    const header = Buffer.from([0, 1, 0, 0])
    expect(() => decodeAll([header], 65_535)).toThrow(/65536 bytes/)
    expect(decodeAll([header], 65_536)).toEqual([])
  })

  test.each([
    ['an empty payload', Buffer.from([0, 0, 0, 0])],
    ['one byte', Buffer.from([0, 0, 0, 1, 0x31])],
    ['no JSON', frameOf('{"a":')],
    ['bytes that are not UTF-8', Buffer.concat([Buffer.from([0, 0, 0, 9]), Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')])],
    ['a list', frameOf('[]')],
    ['null', frameOf('null')],
    ['a number', frameOf('12')],
  ])('that hold %s are a protocol error', (_, malformed) => {
    expect(() => decodeAll([malformed])).toThrow(expect.objectContaining({ code: 'PROTOCOL' }))
  })
})

function frameOf(text: string): Buffer {
  const payload = Buffer.from(text)
  const header = Buffer.alloc(4)
  header.writeUInt32BE(payload.length)
  return Buffer.concat([header, payload])
}
