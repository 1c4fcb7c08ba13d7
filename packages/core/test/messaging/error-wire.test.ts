import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFailure, encodeRefusal } from '../../src/delivery/outcome.ts'
import { ActorFailedError, AskCycleError, CajunError, InvalidPayloadError } from '../../src/errors.ts'
import { errorFromWire, errorToWire } from '../../src/messaging/error-wire.ts'
import { decodePayload, encodePayload } from '../../src/messaging/payload-codec.ts'

const over = (error: unknown): CajunError => errorFromWire(decodePayload(encodePayload(errorToWire(error))), 'k/asked')

describe('an error on its way to another process', () => {
  it('keeps its class, actor, message and chain', () => {
    expect(over(new AskCycleError(['k/a', 'k/b', 'k/a']))).toMatchObject({ code: 'ASK_CYCLE', chain: ['k/a', 'k/b', 'k/a'] })
    expect(over(new InvalidPayloadError('no number'))).toMatchObject({ code: 'INVALID_PAYLOAD', message: 'no number' })
    expect(over(new ActorFailedError('k/x', 'no luck'))).toMatchObject({
      code: 'ACTOR_FAILED',
      actor: 'k/x',
      message: 'k/x failed: no luck',
    })
  })

  it('keeps name, message, code and stack of the causes, and nothing else of them', () => {
    const inner = Object.assign(new RangeError('inner'), { code: 'E_IN', secret: 'password' })
    const cause = new TypeError('outer', { cause: inner })
    const copy = over(new ActorFailedError('k/x', 'outer', { cause })).cause as Error & { secret?: string }
    expect(copy).toMatchObject({ name: 'TypeError', message: 'outer', stack: cause.stack?.slice(0, 4_000) })
    expect(copy.cause).toMatchObject({ name: 'RangeError', message: 'inner', code: 'E_IN' })
    expect(copy.cause).not.toHaveProperty('secret')
  })

  it('is bounded in length and depth', () => {
    let cause = new Error('x'.repeat(1_000_000))
    for (let i = 0; i < 1_000; i++) cause = new Error('x'.repeat(10_000), { cause })
    expect(encodePayload(errorToWire(new ActorFailedError('k/x', 'y'.repeat(1_000_000), { cause }))).length).toBeLessThan(100_000)
    const ring: { cause?: unknown } & Error = new Error('ring')
    ring.cause = ring
    expect(over(ring)).toMatchObject({ cause: { message: 'ring' } })
  })

  const nasty = [
    Object.create(null),
    { toString: () => Symbol('no string') },
    {
      toString() {
        throw new Error('not even this')
      },
    },
    new Proxy(
      {},
      {
        get() {
          throw new Error('no property')
        },
        getPrototypeOf() {
          throw new Error('no prototype')
        },
      },
    ),
    Object.defineProperty(new Error('x'), 'message', {
      get() {
        throw new Error('no message')
      },
    }),
    Object.defineProperty(new Error('x'), 'name', { value: { toString: null, valueOf: null } }),
    Object.defineProperty(new Error('x'), 'cause', {
      get() {
        throw new Error('no cause')
      },
    }),
    Symbol('thrown'),
    () => {},
    123n,
  ]

  it.each(nasty.map((thrown, i) => [i, thrown] as const))('whatever was thrown (%i), the asker hears of it', (_, thrown) => {
    expect(over(thrown)).toMatchObject({ code: 'ACTOR_FAILED', actor: 'k/asked' })
    // As the actor room hands it on.
    const failed = new ActorFailedError('k/x', 'it', { cause: thrown })
    const { bytes } = encodeFailure(failed)
    const heard = errorFromWire((decodePayload(bytes) as { error: unknown }).error, 'k/asked')
    expect(heard).toMatchObject({ code: 'ACTOR_FAILED', actor: 'k/x', message: 'k/x failed: it' })
    expect(encodeRefusal('failed', failed).bytes.length).toBeGreaterThan(0)
  })

  it('that is no error of ours is still one', () => {
    fc.assert(
      fc.property(fc.anything(), (wire) => {
        expect(errorFromWire(wire, 'k/x')).toBeInstanceOf(CajunError)
      }),
    )
  })
})
