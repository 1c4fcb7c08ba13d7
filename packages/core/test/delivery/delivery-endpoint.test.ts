import { describe, expect, it } from 'vitest'
import { ActorFailedError, DeliveryUnknownError, NotExecutedError } from '../../src/errors.ts'
import { DeliveryWorld, idIn, KIND } from './support/delivery-world.ts'

async function pair(options: ConstructorParameters<typeof DeliveryWorld>[0] = {}) {
  const world = new DeliveryWorld(options)
  const a = await world.start('a')
  const b = await world.start('b')
  world.giveAll(b)
  const table = (shard: number) => {
    const found = b.tables.get(shard)
    if (found === undefined) throw new Error('no table')
    return found
  }
  return { world, a, b, table }
}

const to = (shard: number, prefix?: string) => ({ kind: KIND, id: idIn(shard, prefix) })

describe('a message to another process', () => {
  it('is handled once, in order', async () => {
    const { world, a, table } = await pair()
    for (let i = 0; i < 100; i++) expect(a.endpoint.tell(to(0), 'add', { i })).toBe(true)
    world.settle()
    expect(table(0).effects.map((e) => e.payload)).toEqual(Array.from({ length: 100 }, (_, i) => ({ i })))
    world.advance(20)
    expect(a.endpoint.counters.outboxMessages).toBe(0)
  })

  it('answers an ask with the reply of its turn', async () => {
    const { world, a } = await pair()
    const reply = a.endpoint.ask(to(1), 'echo', { text: 'hé', big: 12n })
    world.settle()
    expect(await reply).toEqual({ text: 'hé', big: 12n })
  })

  it('resolves a send only when its turn has ended', async () => {
    const { world, a, table } = await pair()
    let done = false
    table(0).mayRun = () => false
    const sent = a.endpoint.send(to(0), 'add', 1).then(() => {
      done = true
    })
    world.advance(100)
    await Promise.resolve()
    expect(done).toBe(false)
    table(0).mayRun = () => true
    world.advance(20)
    await sent
  })

  it('tells the caller what the handler threw', async () => {
    const { world, a, table } = await pair()
    table(0).mayRun = () => false
    const asked = a.endpoint.ask(to(0), 'boom', undefined)
    world.settle()
    const message = table(0).mailboxes.get(idIn(0))?.shift()
    expect(message?.begin()).toBe(true)
    message?.failed(new ActorFailedError(`k/${idIn(0)}`, 'no luck', { cause: new RangeError('no luck') }))
    world.settle()
    await expect(asked).rejects.toMatchObject({
      code: 'ACTOR_FAILED',
      message: `k/${idIn(0)} failed: no luck`,
      cause: { name: 'RangeError' },
    })
  })

  it('is carried at any size up to the limit, and refused beyond it by name', async () => {
    const { world, a, table } = await pair()
    const text = 'x'.repeat(900_000)
    a.endpoint.tell(to(0), 'small', 'before')
    a.endpoint.tell(to(0), 'big', text)
    a.endpoint.tell(to(0), 'small', 'after')
    world.settle()
    expect(table(0).effects.map((e) => String(e.payload).length)).toEqual([6, 900_000, 5])
    expect(() => a.endpoint.tell(to(0), 'huge', 'x'.repeat(1_100_000))).toThrow(/maxPayloadBytes/)
    expect(() => a.endpoint.tell(to(0), 'fn', { cb: () => 1 })).toThrow('payload.cb is a function')
    a.endpoint.tell(to(0), 'small', 'still')
    world.settle()
    expect(table(0).effects.at(-1)?.payload).toBe('still')
    expect(a.endpoint.counters.outboxMessages).toBe(0)
  })

  it('says NotExecuted for what never left, and Unknown for what did', async () => {
    const { world, a, table } = await pair()
    table(0).mayRun = () => false
    const asked = a.endpoint.ask(to(0), 'x', 1, { timeoutMs: 1_000 })
    world.settle()
    world.network.cut('a', 'b')
    const settled = asked.catch((error: unknown) => error)
    world.advance(1_100)
    // The owner refuses what it finds expired, but it can't be heard.
    expect(await settled).toBeInstanceOf(DeliveryUnknownError)
    const never = a.endpoint.ask(to(1), 'x', 1, { timeoutMs: 1_000 }).catch((error: unknown) => error)
    world.advance(2_000)
    expect(await never).toBeInstanceOf(NotExecutedError)
  })
})

describe('a message within the process', () => {
  it('takes the short way, by reference, without an id', async () => {
    const { world, b, table } = await pair()
    const payload = { shared: true }
    b.endpoint.tell(to(0), 'x', payload)
    expect(b.endpoint.counters.outboxMessages).toBe(0)
    const reply = b.endpoint.ask(to(0), 'y', 5)
    world.settle()
    expect(table(0).effects[0]?.payload).toBe(payload)
    expect(await reply).toBe(5)
  })
})
