// Found by the simulation (seeds 221 and 557): an at-most-once message was in hand when its owner was discarded.

import { expect, it } from 'vitest'
import { DeliveryWorld, idIn, KIND } from './support/delivery-world.ts'

it('an at-most-once message whose turn had begun is not begun again elsewhere, and its outcome is unknown', async () => {
  const world = new DeliveryWorld()
  const a = await world.start('a')
  world.giveAll(a)
  const table = a.tables.get(0)
  if (table === undefined) throw new Error('no table')
  table.mayRun = () => false
  const address = { kind: KIND, id: idIn(0) }
  const asked = a.endpoint.ask(address, 'add', 1, { guarantee: 'at-most-once', timeoutMs: 5_000 })
  const outcome = asked.then(
    () => 'handled',
    (error: { code: string }) => error.code,
  )
  const message = table.mailboxes.get(idIn(0))?.shift()
  expect(message?.begin()).toBe(true)
  message?.returned()
  world.settle()
  expect(await outcome).toBe('DELIVERY_UNKNOWN')
  expect(a.endpoint.counters.outboxMessages).toBe(0)
})

// Found by the simulation (seed 479 with store-down and store-rebirth alone): its caller was told that it had not been executed.
it('a reliable message whose turn had begun under a lost owner, and that finds no other in time, is unknown and not NotExecuted', async () => {
  const world = new DeliveryWorld()
  const a = await world.start('a')
  world.giveAll(a)
  const table = a.tables.get(0)
  if (table === undefined) throw new Error('no table')
  table.mayRun = () => false
  const outcome = a.endpoint.ask({ kind: KIND, id: idIn(0) }, 'add', 1, { timeoutMs: 500 }).then(
    () => 'handled',
    (error: { code: string }) => error.code,
  )
  const message = table.mailboxes.get(idIn(0))?.shift()
  expect(message?.begin()).toBe(true)
  message?.returned()
  world.advance(1_000)
  expect(await outcome).toBe('DELIVERY_UNKNOWN')
})

/** A tell that waits in the outbox for an owner, gets into the mailbox from there, and begins. */
async function begunFromOutbox(options: { readonly signal?: AbortSignal }) {
  const world = new DeliveryWorld()
  const a = await world.start('a')
  const address = { kind: KIND, id: idIn(0) }
  a.endpoint.tell(address, 'add', 1, { timeoutMs: 500, ...options })
  world.settle()
  const table = a.open(0, world.appoint(0, a).epoch)
  table.mayRun = () => false
  world.tellAll()
  world.settle()
  const message = table.mailboxes.get(idIn(0))?.shift()
  expect(message?.begin()).toBe(true)
  return { world, a, address, message }
}

// Found by the simulation (seed 25560): it came back to life in the outbox, ended as it was, and held up everything behind it for ever.
it('a tell that is aborted while its turn is in hand does not come back with the loss of its owner', async () => {
  const abort = new AbortController()
  const { world, a, address, message } = await begunFromOutbox({ signal: abort.signal })
  abort.abort()
  world.settle()
  expect(a.deadLetters.map(({ reason }) => reason)).toEqual(['aborted'])
  message?.returned()
  a.discard(0)
  const b = await world.start('b')
  b.open(0, world.appoint(0, b).epoch)
  world.tellAll()
  world.settle()
  expect(a.endpoint.counters.outboxMessages).toBe(0)
  const outcome = a.endpoint.ask(address, 'add', 1, { timeoutMs: 500 })
  world.advance(100)
  expect(await outcome).toBe(1)
})

it('a tell whose deadline passed while its turn was in hand ends when it comes back and there is no other owner', async () => {
  const { world, a, message } = await begunFromOutbox({})
  world.advance(1_000)
  expect(a.deadLetters).toEqual([])
  message?.returned()
  a.discard(0)
  world.appoint(0, null)
  world.tellAll()
  world.advance(1_000)
  expect(a.deadLetters.map(({ reason }) => reason)).toEqual(['no-host'])
  expect(a.endpoint.counters.outboxMessages).toBe(0)
})
