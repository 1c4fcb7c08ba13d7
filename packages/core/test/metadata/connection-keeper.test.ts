// Keeping a connection: signs of life, backoff, and who is told what when.

import { expect, test } from 'vitest'
import { ConnectionKeeper } from '../../src/metadata/connection-keeper.ts'
import { KeptConnection } from '../../src/metadata/kept-connection.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

class FakeConnection extends KeptConnection {
  released = 0
  answer(): Promise<void> {
    return this.race(new Promise<void>(() => {}))
  }
  protected override release(): void {
    this.released++
  }
}

function setUp(): {
  readonly runtime: ManualRuntime
  readonly made: FakeConnection[]
  readonly world: { reachable: boolean; alive: boolean }
  readonly keeper: ConnectionKeeper<FakeConnection>
} {
  const runtime = new ManualRuntime()
  const made: FakeConnection[] = []
  const world = { reachable: true, alive: true }
  const keeper = new ConnectionKeeper<FakeConnection>({
    runtime,
    keepAliveMs: 500,
    connect: async () => {
      if (!world.reachable) throw new Error('out of reach')
      made.push(new FakeConnection())
      return made.at(-1) as FakeConnection
    },
    askForLife: (connection) => (world.alive ? Promise.resolve() : connection.answer()),
  })
  return { runtime, made, world, keeper }
}

const forever = { signal: new AbortController().signal }

test('one connection serves everybody as long as it gives signs of life', async () => {
  const { runtime, made, keeper } = setUp()
  await keeper.open(forever)
  await runtime.advanceAndSettle(60_000)
  expect(await keeper.ready(forever)).toBe(made[0])
  expect(made).toHaveLength(1)
  keeper.close()
})

test('one that is silent for two intervals is released, what waits on it rejected, and another made within a second of the return', async () => {
  const { runtime, made, world, keeper } = setUp()
  await keeper.open(forever)
  world.alive = false
  const waiting = made[0]?.answer()
  const outcome = expect(waiting).rejects.toThrow(/no sign of life within 1000 ms/)
  await runtime.advanceAndSettle(1_500)
  await outcome
  expect(made[0]?.released).toBe(1)
  world.alive = true
  await runtime.advanceAndSettle(1_000)
  expect((await keeper.ready(forever)).ended).toBeUndefined()
  keeper.close()
})

test('open rejects with the first failure, and goes on trying for whoever asks later', async () => {
  const { runtime, world, keeper } = setUp()
  world.reachable = false
  await expect(keeper.open(forever)).rejects.toThrow('out of reach')
  const ready = keeper.ready(forever)
  await runtime.advanceAndSettle(10_000)
  world.reachable = true
  await runtime.advanceAndSettle(250)
  expect((await ready).ended).toBeUndefined()
  keeper.close()
})

test('who waits is let go when its call ends, and when everything is closed; nothing is left running then', async () => {
  const { runtime, made, world, keeper } = setUp()
  await keeper.open(forever)
  world.reachable = false
  made[0]?.drop(new Error('cut'))
  const call = new AbortController()
  const [one, other] = [keeper.ready({ signal: call.signal }), keeper.ready(forever)]
  call.abort()
  await expect(one).rejects.toThrow('given up')
  keeper.close()
  await expect(other).rejects.toThrow('closed')
  world.reachable = true
  await runtime.advanceAndSettle(10_000)
  expect(made).toHaveLength(1)
})
