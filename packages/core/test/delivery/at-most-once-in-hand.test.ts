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
