// What a user's own test looks like, and that it finds a real bug: the sample of the README, broken and mended.

import { readFileSync } from 'node:fs'
import { type Context, DeliveryUnknownError, defineActor, NotExecutedError } from '@cajun/core'
import { expect, test } from 'vitest'
import { NodeGoneError, type SimulatedWorld, SimulationFailure, simulate } from '../src/index.ts'

interface Order {
  readonly orderId: string
  readonly pieces: number
}

interface Stock {
  pieces: number
  readonly orders: Set<string>
}

/** Takes every order that arrives. */
const ForgetfulStock = defineActor('stock', {
  state: (): Stock => ({ pieces: 1_000, orders: new Set() }),
  messages: {
    take(ctx: Context<Stock>, { pieces }: Order) {
      ctx.state.pieces -= pieces
      return ctx.state.pieces
    },
    left: (ctx: Context<Stock>) => ctx.state.pieces,
  },
})

/** Knows which orders it has taken. */
const CarefulStock = defineActor('stock', {
  state: (): Stock => ({ pieces: 1_000, orders: new Set() }),
  messages: {
    take(ctx: Context<Stock>, { orderId, pieces }: Order) {
      if (!ctx.state.orders.has(orderId)) {
        ctx.state.orders.add(orderId)
        ctx.state.pieces -= pieces
      }
      return ctx.state.pieces
    },
    left: (ctx: Context<Stock>) => ctx.state.pieces,
  },
})

/** A web shop: whoever gets no answer in time tries again. Each message is handled once; the shop just sends two. */
async function order(world: SimulatedWorld, Stock: typeof ForgetfulStock, orderId: string): Promise<void> {
  for (;;) {
    try {
      await world.with(Stock, 'shoes', (stock) => stock.ask('take', { orderId, pieces: 1 }, { timeoutMs: 300 }))
      return
    } catch (error) {
      if (!(error instanceof DeliveryUnknownError || error instanceof NotExecutedError || error instanceof NodeGoneError)) throw error
      await world.sleep(50)
    }
  }
}

const ORDERS = 30

function shop(Stock: typeof ForgetfulStock): Parameters<typeof simulate>[0] {
  return {
    actors: [Stock],
    seeds: 40,
    // Nothing that costs an actor its memory: this is about the way between.
    faults: ['cut', 'reset', 'slow', 'migrate', 'elect'],
    migrates: ['stock/shoes'],
    async workload(world) {
      for (let i = 0; i < ORDERS; i++) {
        await order(world, Stock, `order-${i}`)
        await world.sleep(world.random.between(0, 200))
      }
    },
    async check(world) {
      expect(await world.with(Stock, 'shoes', (stock) => stock.ask('left'))).toBe(1_000 - ORDERS)
    },
  }
}

test('a stock that counts a repeated order twice is found out, with the faults that it takes', async () => {
  const failure = await simulate(shop(ForgetfulStock)).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(failure).toBeInstanceOf(SimulationFailure)
  const { message, faults, seed, trace } = failure as SimulationFailure
  expect(message).toMatch(/seed \d+: .*970/s)
  expect(faults.length).toBeGreaterThan(0)
  expect(trace).toContain('FAULT')
  // The seed alone brings it back.
  await expect(simulate({ ...shop(ForgetfulStock), seeds: [seed] })).rejects.toThrow(SimulationFailure)
})

test('the README shows what its own example comes to', async () => {
  const failure = await simulate({
    ...shop(ForgetfulStock),
    faults: ['cut', 'reset', 'slow', 'migrate'],
    async workload(world) {
      for (let i = 0; i < ORDERS; i++) {
        await order(world, ForgetfulStock, `order-${i}`)
        await world.sleep(100)
      }
    },
  }).catch((error: unknown) => error)
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  expect(readme).toContain(`\`\`\`\n${String(failure)}\n\`\`\``)
})

test('one that knows its orders passes under the same seeds', async () => {
  expect(await simulate(shop(CarefulStock))).toEqual({ seeds: 40 })
})
