// The compact form: its bytes are a promise, and its reader believes nothing. That it brings back every value is shown in payload-codec.test.ts.

import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { readCompact } from '../../src/messaging/compact-reader.ts'
import { writeCompact } from '../../src/messaging/compact-writer.ts'
import { allocateBuffer, asNativeBuffer } from '../../src/messaging/native-buffer.ts'
import { CODEC_COMPACT, CODEC_JSON, CODEC_TAGGED, clonePayload, decodePayload, encodePayload } from '../../src/messaging/payload-codec.ts'

function written(value: unknown): Buffer {
  const target = allocateBuffer(60_000)
  const end = writeCompact(value, target, 0, target.length)
  expect(end).toBeGreaterThan(0)
  return target.subarray(0, end)
}

function read(bytes: Uint8Array): unknown {
  return readCompact(asNativeBuffer(bytes), 0, bytes.length)
}

describe('the compact form', () => {
  it('has these bytes', () => {
    const bytes = written({ id: 7, at: [true, false, null, undefined, -1, 128, 1.5, 'é'], in: { id: 'x', at: '' }, wide: { ключ: 1 } })
    expect(bytes.toString('hex')).toBe(
      [
        'c8 88c8 04 0e00 02 6964 02 6174 02 696e 04 77696465', // id, at, in, wide
        '07',
        'c7 080000 c2 c1 c0 c3 c4ffffffff c480000000 c5000000000000f83f c6020000c3a9',
        'c8 d77d 02 0600 02 6964 02 6174 81 78 80', // id, at
        'ca 010000 c6080000 d0bad0bbd18ed187 01',
      ]
        .join('')
        .replaceAll(' ', ''),
    )
    expect(read(bytes)).toEqual({
      id: 7,
      at: [true, false, null, undefined, -1, 128, 1.5, 'é'],
      in: { id: 'x', at: '' },
      wide: { ключ: 1 },
    })
  })

  it('writes the keys of a shape once, in as many objects as have it', () => {
    const one = written([{ sku: 'a', price: 1 }]).length
    const two = written([
      { sku: 'a', price: 1 },
      { sku: 'b', price: 2 },
    ])
    expect(two.length - one).toBe(2 + 2 + 1)
    expect(read(two)).toEqual([
      { sku: 'a', price: 1 },
      { sku: 'b', price: 2 },
    ])
    expect(
      Object.keys(
        (
          read(
            written([
              { b: 1, a: 2 },
              { a: 1, b: 2 },
            ]),
          ) as object[]
        )[1] as object,
      ),
    ).toEqual(['a', 'b'])
  })

  it('brings back more shapes than it remembers, and than one payload may number, in any order', () => {
    const kinds = Array.from({ length: 6_000 }, (_, i) => ({ [`key${i}`]: i, same: 'x', [`z${i % 7}`]: null }))
    for (const kind of [...kinds, ...kinds.toReversed()]) expect(clonePayload(kind)).toEqual(kind)
    const many = kinds.slice(0, 400).flatMap((kind) => [kind, kind])
    expect(encodePayload(many)[0]).toBe(CODEC_COMPACT)
    expect(clonePayload(many)).toEqual(many)
  })

  it('takes objects with very many, very long and other keys without a shape', () => {
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`)
    for (const object of [
      Object.fromEntries(keys.map((key) => [key, key])),
      { ['k'.repeat(300)]: 1 },
      { schlüssel: { ['\u0000']: '\u0000' } },
      JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}'),
    ]) {
      expect(encodePayload(object)[0]).toBe(CODEC_COMPACT)
      const back = clonePayload(object) as object
      expect(back).toEqual(object)
      expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
    }
  })

  it('leaves to the other forms what it can not carry, and what is larger than a slab', () => {
    expect(encodePayload('lone \ud800')[0]).toBe(CODEC_JSON)
    for (const payload of [[1n], { when: new Date(0) }, new Array(3), Object.create(null)])
      expect(encodePayload(payload)[0]).toBe(CODEC_TAGGED)
    const large = Array.from({ length: 20_000 }, (_, i) => `item ${i}`)
    expect(encodePayload(large)[0]).toBe(CODEC_JSON)
    expect(clonePayload(large)).toEqual(large)
  })

  it('is not confused by a getter that encodes another payload, or throws', () => {
    const inner: unknown[] = []
    const payload = {
      before: 'b',
      get tricky() {
        const bytes = encodePayload({ other: [1, 2, 3], before: 'x' })
        inner.push(decodePayload(bytes))
        return 'g'
      },
      after: { before: 'c' },
    }
    expect(clonePayload(payload)).toEqual({ before: 'b', tricky: 'g', after: { before: 'c' } })
    expect(inner).toEqual([{ other: [1, 2, 3], before: 'x' }])
    const thrower = {
      get bad(): never {
        throw new RangeError('mine')
      },
    }
    expect(() => encodePayload(thrower)).toThrow('mine')
    expect(encodePayload({ ok: 1 })[0]).toBe(CODEC_COMPACT)
  })

  it('carries own properties alone, whatever somebody did to Object.prototype', () => {
    const prototype = Object.prototype as Record<string, unknown>
    prototype['polluted'] = 'inherited'
    try {
      for (const payload of [{ first: 1 }, { first: 1, polluted: 'own' }, { first: 2 }]) {
        const back = decodePayload(encodePayload(payload)) as object
        expect(Object.entries(back)).toEqual(Object.entries(payload))
      }
    } finally {
      delete prototype['polluted']
    }
    expect(clonePayload({ first: 1, polluted: 'own' })).toEqual({ first: 1, polluted: 'own' })
  })

  it('refuses keys that lie, whether their shape is known or not', () => {
    const good = written({ ab: 1, cd: 2 })
    expect(read(good)).toEqual({ ab: 1, cd: 2 })
    const altered = (at: number, byte: number): Uint8Array => {
      const bytes = Uint8Array.from(good)
      bytes[at] = byte
      return bytes
    }
    // Tag, check (2), count, length (2), 2, a, b, 2, c, d, 1, 2.
    expect(() => read(altered(7, 'x'.charCodeAt(0)))).toThrow('wrong check')
    expect(() => read(altered(1, (good[1] as number) ^ 1))).toThrow('wrong check')
    expect(() => read(altered(3, 1))).toThrow('shorter than it says')
    expect(() => read(altered(3, 3))).toThrow('longer than it says')
    expect(() => read(altered(4, 200))).toThrow('ends too early')
    expect(() => read(altered(7, 0x80))).toThrow('not ASCII')
    expect(() => read(Buffer.from('c8 0000 02 0400 01 61 01 61 01 02'.replaceAll(' ', ''), 'hex'))).toThrow('2 keys, 1 of them different')
    const proto = Buffer.concat([Buffer.from('c80000010a0009', 'hex'), Buffer.from('__proto__'), Buffer.from([1])])
    expect(() => read(proto)).toThrow("the key '__proto__'")
    expect(() => read(Uint8Array.of(0xc9, 0))).toThrow('names shape 0; it has 0')
    expect(read(good)).toEqual({ ab: 1, cd: 2 })
  })

  it('allocates nothing for a count or length that a few bytes only claim, and nests no deeper than 200', () => {
    for (const tag of [0xc6, 0xc7, 0xca]) expect(() => read(Uint8Array.of(tag, 0xff, 0xff, 0xff, 1))).toThrow(ProtocolError)
    expect(() => read(Uint8Array.of(0xca, 1, 0, 0, 5, 1))).toThrow('where a string belongs')
    expect(() => read(Uint8Array.of(0xff))).toThrow('unknown tag 255')
    expect(() => read(Uint8Array.of(1, 1))).toThrow('1 bytes after its end')
    const nested = (levels: number): Uint8Array =>
      Uint8Array.from({ length: 4 * levels + 1 }, (_, i) => (i === 4 * levels ? 1 : i % 4 === 0 ? 0xc7 : i % 4 === 1 ? 1 : 0))
    expect(JSON.stringify(read(nested(200)))).toBe(`${'['.repeat(200)}1${']'.repeat(200)}`)
    expect(() => read(nested(201))).toThrow('nested deeper than 200 levels')
  })
})
