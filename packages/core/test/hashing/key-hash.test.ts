// `vectors.json` was computed by another implementation: a Python script (quoted in apps/docs/hashing.md) that encodes each key to UTF-8 with
// Python's own codec, runs FNV-1a and fmix32 on its unbounded integers, and sorts by scores from `math.log`. Never regenerate it from this code.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HASH_VERSION, hashKey, mix32, shardOf } from '../../src/hashing/key-hash.ts'
import vectors from './vectors.json' with { type: 'json' }

/** The same definition, the slow way: bytes from Node's encoder, multiplication by BigInt. */
function hashOfBytes(key: string): number {
  let h = 0x811c9dc5n
  for (const byte of Buffer.from(key)) h = ((h ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn
  return mix32(Number(h))
}

/** Keys with unpaired surrogates stand as numbers in the file, because not every JSON reader takes them in strings. */
const published = [
  ...vectors.keys,
  ...vectors.unpairedSurrogates.map((vector) => ({ ...vector, key: String.fromCharCode(...vector.units) })),
]

describe('hashKey', () => {
  it('gives the published hash of each published key', () => {
    expect(vectors.hashVersion).toBe(HASH_VERSION)
    for (const { key, hash } of published) expect([key, hashKey(key)]).toEqual([key, hash])
  })

  it('gives the published shard of each published key', () => {
    for (const { key, shardOf256 } of published) expect([key, shardOf(key, 256)]).toEqual([key, shardOf256])
  })

  it('hashes the bytes that Buffer encodes, for any string', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (key) => hashKey(key) === hashOfBytes(key)))
  })

  it('hashes an unpaired surrogate as U+FFFD, as encoders do', () => {
    const unit = fc.integer({ min: 0xd7f0, max: 0xe010 }).map((code) => String.fromCharCode(code))
    fc.assert(fc.property(fc.string({ unit }), (key) => hashKey(key) === hashOfBytes(key)))
    expect(hashKey('a\ud83d')).toBe(hashKey('a\ufffd'))
  })

  it('gives a whole number of 32 bits without sign', () => {
    fc.assert(
      fc.property(fc.string(), (key) => {
        const hash = hashKey(key)
        return Number.isInteger(hash) && hash >= 0 && hash <= 0xffffffff
      }),
    )
  })
})

describe('mix32', () => {
  it('gives the published values', () => {
    for (const { in: input, out } of vectors.mix32) expect([input, mix32(input)]).toEqual([input, out])
  })

  it('takes signed and unsigned readings of the same bits for the same', () => {
    fc.assert(fc.property(fc.integer(), (n) => mix32(n) === mix32(n >>> 0)))
  })

  it('changes each bit of the result in about half of the cases when one bit of the input changes', () => {
    const samples = 2_000
    for (let bit = 0; bit < 32; bit++) {
      const flips = new Array<number>(32).fill(0)
      for (let i = 0; i < samples; i++) {
        // Neighbouring inputs on purpose: they are what weak mixing leaves alike.
        const changed = mix32(i) ^ mix32(i ^ (1 << bit))
        for (let out = 0; out < 32; out++) flips[out] = (flips[out] as number) + ((changed >>> out) & 1)
      }
      for (const count of flips) {
        expect(count / samples).toBeGreaterThan(0.4)
        expect(count / samples).toBeLessThan(0.6)
      }
    }
  })
})

describe('shardOf', () => {
  const families: [string, (i: number) => string][] = [
    ['numbered ids', (i) => `user-${i}`],
    ['plain numbers', (i) => String(i)],
    ['padded numbers', (i) => String(i).padStart(12, '0')],
    ['ids that differ in front', (i) => `${i}:order`],
    ['ids beyond ASCII', (i) => `ключ-${i}`],
  ]

  it.each(families)('spreads %s over 256 shards as chance would', (_name, id) => {
    const shards = 256
    const ids = 100_000
    const counts = new Array<number>(shards).fill(0)
    for (let i = 0; i < ids; i++) counts[shardOf(id(i), shards)] = (counts[shardOf(id(i), shards)] as number) + 1
    const expected = ids / shards
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
    // 255 degrees of freedom: mean 255, standard deviation 22.6. Below 150 would be as suspicious as above 360.
    expect(chiSquare).toBeGreaterThan(150)
    expect(chiSquare).toBeLessThan(360)
  })

  it('is below the count, whatever the count', () => {
    fc.assert(fc.property(fc.string(), fc.integer({ min: 1, max: 100_000 }), (id, count) => shardOf(id, count) < count))
  })
})
