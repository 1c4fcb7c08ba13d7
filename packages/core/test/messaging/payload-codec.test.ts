import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PayloadTooLargeError, ProtocolError, UnserialisablePayloadError } from '../../src/errors.ts'
import { allocateBuffer } from '../../src/messaging/native-buffer.ts'
import {
  CODEC_COMPACT,
  CODEC_JSON,
  CODEC_NONE,
  CODEC_TAGGED,
  clonePayload,
  decodePayload,
  encodePayload,
  writePayload,
} from '../../src/messaging/payload-codec.ts'

const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    true,
    false,
    Number.NaN,
    -0,
    0,
    Number.POSITIVE_INFINITY,
    Number.MAX_SAFE_INTEGER,
    -(2 ** 60),
    '\ud800',
    'a\udfffb',
    '',
  ),
  fc.integer(),
  fc.double(),
  fc.bigInt(),
  fc.string({ unit: 'binary' }),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array({ maxLength: 40 }),
  fc.float64Array({ maxLength: 5 }),
  fc.int16Array({ maxLength: 5 }),
)

const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.sparseArray(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', '\ud800')), tie('value'), { maxKeys: 4 }),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
  ),
})).value

function codecOf(payload: unknown): number | undefined {
  return encodePayload(payload)[0]
}

describe('the payload codec', () => {
  it('brings back every value that it takes', () => {
    fc.assert(
      fc.property(value, (payload) => {
        const back = clonePayload(payload)
        deepStrictEqual(back, payload)
      }),
      { numRuns: 500 },
    )
  })

  it('writes in place exactly what it encodes, or nothing', () => {
    fc.assert(
      fc.property(value, fc.nat(200), (payload, room) => {
        const target = allocateBuffer(4096)
        const bytes = encodePayload(payload)
        const end = writePayload(payload, target, 7, 7 + room, 1 << 20)
        if (end >= 0) expect(target.subarray(7, end).equals(bytes)).toBe(true)
        else expect(bytes.length * 3 + 1).toBeGreaterThan(room)
      }),
    )
  })

  it('uses the compact form where it can, JSON for what is large and loses nothing, and the tagged form elsewhere', () => {
    expect(codecOf(undefined)).toBe(CODEC_NONE)
    for (const payload of [{ a: [1, 'x', null, true], b: { c: 1.5 } }, -0, Number.NaN, { a: undefined }, [1, undefined]])
      expect(codecOf(payload)).toBe(CODEC_COMPACT)
    expect(codecOf('x'.repeat(70_000))).toBe(CODEC_JSON)
    for (const payload of [1n, new Date(0), Object.create(null), [-0, 'x'.repeat(70_000)]]) expect(codecOf(payload)).toBe(CODEC_TAGGED)
  })

  it('keeps the type, message, code, cause and stack of errors', () => {
    const error = Object.assign(new RangeError('out', { cause: new Error('inner') }), { code: 'E_RANGE' })
    const back = clonePayload({ error }) as { error: RangeError & { code: string } }
    expect(back.error).toBeInstanceOf(RangeError)
    expect(back.error).toMatchObject({
      name: 'RangeError',
      message: 'out',
      code: 'E_RANGE',
      stack: error.stack,
      cause: { message: 'inner' },
    })
    class OwnError extends Error {
      override name = 'OwnError'
    }
    expect(clonePayload(new OwnError('mine'))).toMatchObject({ name: 'OwnError', message: 'mine' })
  })

  it('gives a Buffer back as a plain Uint8Array', () => {
    const back = clonePayload(Buffer.from('abc'))
    expect(Object.getPrototypeOf(back)).toBe(Uint8Array.prototype)
  })

  it('refuses what can not travel, with the path to it', () => {
    class Thing {}
    const cycle: Record<string, unknown> = { a: {} }
    cycle['b'] = [cycle]
    const refused: [unknown, string][] = [
      [{ items: [1, 2, 3, { callback() {} }] }, 'payload.items[3].callback is a function'],
      [Symbol('x'), 'payload is a symbol'],
      [{ a: new Thing() }, 'payload.a is an instance of Thing'],
      [new Map([['k', new WeakMap()]]), 'payload.<value 0> is an instance of WeakMap'],
      [cycle, 'payload.b[0] refers back to payload (a cycle)'],
      [{ 'odd key': () => 0 }, 'payload["odd key"] is a function'],
      [{ p: Promise.resolve() }, 'payload.p is a promise'],
      [new SharedArrayBuffer(2), 'payload is shared memory'],
      [new (class List extends Array {})(), 'payload is an instance of List'],
    ]
    for (const [payload, text] of refused) {
      expect(() => encodePayload(payload)).toThrow(UnserialisablePayloadError)
      expect(() => encodePayload(payload)).toThrow(text)
    }
  })

  it('refuses what is too large or too deep without building it first', () => {
    expect(() => encodePayload('x'.repeat(2_000), 1_000)).toThrow(PayloadTooLargeError)
    expect(() => encodePayload(new Array(1e9))).toThrow(/maxPayloadBytes/)
    let shared: unknown = ['leaf']
    for (let i = 0; i < 60; i++) shared = [shared, shared]
    expect(() => encodePayload(shared)).toThrow(PayloadTooLargeError)
    let deep: unknown = 1
    for (let i = 0; i < 300; i++) deep = [deep]
    expect(() => encodePayload(deep)).toThrow('is nested deeper than 200 levels')
  })

  it('lets no key of the payload reach a prototype', () => {
    const payload = JSON.parse('{"__proto__":{"polluted":1},"d":{}}')
    payload.when = new Date(0)
    const back = clonePayload(payload) as Record<string, unknown>
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
    expect(Object.hasOwn(back, '__proto__')).toBe(true)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('answers bytes that are cut short, altered or made up with a ProtocolError and nothing else', () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 30 }), (payload, at, byte, junk) => {
        const bytes = encodePayload(payload)
        const altered = Uint8Array.from(bytes)
        altered[at % altered.length] = byte
        const samples = [
          altered,
          bytes.subarray(0, at % bytes.length),
          junk,
          Uint8Array.of(CODEC_TAGGED, ...junk),
          Uint8Array.of(...bytes, byte),
        ]
        for (const sample of samples) {
          try {
            decodePayload(sample)
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('allocates nothing for a length that a few bytes only claim', () => {
    for (const tag of [8, 9, 11, 12, 14, 16, 17]) {
      expect(() => decodePayload(Uint8Array.of(CODEC_TAGGED, tag, 0xff, 0xff, 0xff, 0xff, 0x0f))).toThrow(ProtocolError)
    }
    expect(() => decodePayload(Uint8Array.of(CODEC_TAGGED, 13, 2, 0xff, 0xff, 0xff, 0xff, 0x0f))).toThrow(ProtocolError)
    const deep = Buffer.alloc(20_000, '[')
    deep[0] = CODEC_JSON
    expect(() => decodePayload(deep)).toThrow('nested deeper')
    const nested = Uint8Array.from({ length: 2_000 }, (_, i) => (i === 0 ? CODEC_TAGGED : i % 2 === 1 ? 14 : 1))
    expect(() => decodePayload(nested)).toThrow('nested deeper')
  })
})
