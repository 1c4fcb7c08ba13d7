// What a mailbox refuses (its actor stops, it is full) may have been handled, here or by an earlier owner: then nobody may be told that it was not executed.
// Found by the simulation when its actors began to stop (seed 17, with ten watches).

import { describe, expect, it } from 'vitest'
import type { Message } from '../../src/delivery/message.ts'
import { clonePayload } from '../../src/messaging/payload-codec.ts'
import { DeliveryWorld, idIn, KIND, type TestNode, type TestTable } from './support/delivery-world.ts'

const actor = { kind: KIND, id: idIn(0) }
const micro = () => new Promise((resolve) => setImmediate(resolve))

function table(node: TestNode): TestTable {
  return node.tables.get(0) as TestTable
}

function next(node: TestNode): Message {
  return table(node).mailboxes.get(actor.id)?.shift() as Message
}

/** Resolves with how it ended. */
function end(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => `ok ${value ?? ''}`.trim(),
    (error: { code?: string }) => error.code,
  )
}

describe('a message that was handled, and waits in the mailbox once more when that is given up', () => {
  it.each([
    ['send', 'ok'],
    ['ask', 'ok reply'],
  ] as const)('is answered as handled: %s', async (form, answer) => {
    const world = new DeliveryWorld()
    const a = await world.start('a')
    const b = await world.start('b')
    world.giveAll(b)
    table(b).mayRun = () => false
    const ended = end(form === 'ask' ? a.endpoint.ask(actor, 'x', 1) : a.endpoint.send(actor, 'x', 1))
    world.settle()
    // The link loses its state: everything outstanding is sent again.
    const loseLink = (): void => {
      a.endpoint.onFrame(b.id, Uint8Array.of(1, 2, 3))
      world.advance(3_000)
    }
    loseLink()
    expect(table(b).queued).toBe(2)
    world.network.cut('b', 'a')
    const [first, again] = [next(b), next(b)]
    expect(first.begin()).toBe(true)
    first.handled('reply')
    world.settle()
    again.refused('stopped')
    world.settle()
    world.network.restore('b', 'a')
    loseLink()
    expect(again.begin()).toBe(false)
    table(b).mayRun = () => true
    world.advance(1_000)
    await micro()
    expect(await ended).toBe(answer)
    expect(table(b).effects).toEqual([])
  })

  it.each([true, false])('is answered as handled also where it is local (lease safe: %s)', async (leaseIsSafe) => {
    const world = new DeliveryWorld()
    const b = await world.start('b')
    const c = await world.start('c')
    world.giveAll(c)
    const ended = end(b.endpoint.ask(actor, 'x', 1))
    world.runtime.flush()
    world.network.cut('b', 'c')
    c.runTurns()
    const before = table(c)
    expect(before.effects).toHaveLength(1)
    before.seal()
    before.tenure?.seal()
    const chunks = [...(before.tenure?.exportRecords() ?? [])].map((chunk) => clonePayload(chunk))
    const location = world.appoint(0, b)
    b.see(location)
    const opened = b.open(0, location.epoch, chunks, before.effects)
    opened.mayRun = () => false
    c.discard(0)
    world.tellAll()
    world.settle()
    const message = next(b)
    b.leaseIsSafe = leaseIsSafe
    message.refused('stopped')
    if (!leaseIsSafe) {
      opened.tenure?.suspend()
      world.settle()
      b.leaseIsSafe = true
      const again = world.appoint(0, b)
      opened.tenure?.resume(again.epoch)
      world.tellAll()
    }
    opened.mayRun = () => true
    world.advance(1_000)
    await micro()
    expect(await ended).toBe('ok 1')
    expect(opened.effects).toHaveLength(1)
  })
})

describe('a message that is refused', () => {
  it('before those ahead of it in its stream have run (an ask in a circle, an actor that is stopping) takes none of them with it', async () => {
    const world = new DeliveryWorld()
    const a = await world.start('a')
    const b = await world.start('b')
    world.giveAll(b)
    table(b).mayRun = () => false
    const sent = [1, 2, 3].map((payload) => end(a.endpoint.send(actor, 'x', payload)))
    world.settle()
    const last = table(b).mailboxes.get(actor.id)?.pop() as Message
    last.refused('stopped')
    world.settle()
    table(b).mayRun = () => true
    world.advance(1_000)
    await micro()
    expect(await Promise.all(sent)).toEqual(['ok', 'ok', 'NOT_EXECUTED'])
    expect(table(b).effects.map(({ payload }) => payload)).toEqual([1, 2])
  })

  it.each([true, false])('takes none of them with it where they are local either (lease safe: %s)', async (leaseIsSafe) => {
    const world = new DeliveryWorld()
    const b = await world.start('b')
    // Nobody owns the actor yet, so they wait in the outbox.
    const sent = [1, 2, 3].map((payload) => end(b.endpoint.send(actor, 'x', payload)))
    appoint(world, b)
    world.tellAll()
    world.settle()
    const last = table(b).mailboxes.get(actor.id)?.pop() as Message
    b.leaseIsSafe = leaseIsSafe
    last.refused('stopped')
    b.leaseIsSafe = true
    table(b).mayRun = () => true
    world.advance(1_000)
    await micro()
    expect(await Promise.all(sent)).toEqual(['ok', 'ok', 'NOT_EXECUTED'])
    expect(table(b).effects.map(({ payload }) => payload)).toEqual([1, 2])
  })

  async function refusal(message: Message, world: DeliveryWorld, sent: Promise<unknown>): Promise<unknown> {
    message.refused('stopped')
    world.settle()
    await micro()
    return sent
  }

  function appoint(world: DeliveryWorld, owner: TestNode): void {
    const location = world.appoint(0, owner)
    owner.see(location)
    owner.open(0, location.epoch).mayRun = () => false
  }

  it('by its first owner was not executed', async () => {
    const world = new DeliveryWorld()
    const a = await world.start('a')
    const b = await world.start('b')
    world.giveAll(b)
    table(b).mayRun = () => false
    const sent = end(a.endpoint.send(actor, 'x', 1))
    world.settle()
    expect(await refusal(next(b), world, sent)).toBe('NOT_EXECUTED')
  })

  it('by a later owner than the one that it was sent to before may have been executed there', async () => {
    const world = new DeliveryWorld()
    const a = await world.start('a')
    const b = await world.start('b')
    const c = await world.start('c')
    world.giveAll(b)
    table(b).mayRun = () => false
    const sent = end(a.endpoint.send(actor, 'x', 1))
    world.settle()
    expect(next(b).begin()).toBe(true)
    appoint(world, c)
    b.discard(0)
    world.tellAll()
    world.advance(3_000)
    expect(await refusal(next(c), world, sent)).toBe('DELIVERY_UNKNOWN')
  })

  it.each([false, true])('elsewhere, after a turn of its own process had begun it, was begun (refused at home: %s)', async (isAtHome) => {
    const world = new DeliveryWorld()
    const b = await world.start('b')
    const c = await world.start('c')
    world.giveAll(b)
    table(b).mayRun = () => false
    const sent = end(b.endpoint.send(actor, 'x', 1))
    const message = next(b)
    expect(message.begin()).toBe(true)
    appoint(world, c)
    b.see(world.placement[0] as never)
    message.returned()
    b.discard(0)
    if (isAtHome) {
      c.discard(0)
      appoint(world, b)
    }
    world.tellAll()
    world.settle()
    const owner = isAtHome ? b : c
    expect(await refusal(next(owner), world, sent)).toBe('DELIVERY_UNKNOWN')
  })
})
