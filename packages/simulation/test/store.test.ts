import type { WatchEvent } from '@cajun/core/adapter'
import { describe, expect, test } from 'vitest'
import type { SimulatedProcess } from '../src/host.ts'
import { SimulatedMetadataStore } from '../src/store-client.ts'
import { World } from './support/world.ts'

/** Runs the world until the promise has settled. */
async function settled<T>(world: World, promise: Promise<T>): Promise<T> {
  let done = false
  const noted = promise.finally(() => {
    done = true
  })
  noted.catch(() => {})
  for (let i = 0; i < 1_000 && !done; i++) await world.loop.run(world.loop.nowMs + 10)
  return noted
}

async function open(world: World, nodeId: string): Promise<{ process: SimulatedProcess; store: SimulatedMetadataStore }> {
  const process = world.boot(nodeId)
  const store = new SimulatedMetadataStore(world.store, process)
  await settled(world, store.open())
  return { process, store }
}

describe('the simulated metadata store', () => {
  test('one of many writers wins a version', async () => {
    const world = new World(1)
    const { store } = await open(world, 'a')
    const results = await settled(world, Promise.all(Array.from({ length: 20 }, (_, i) => store.put('k', String(i), { ifVersion: null }))))
    expect(results.filter((result) => result.ok)).toHaveLength(1)
  })

  test('a session ends at the server after its TTL when its process stops renewing, and is lost to the process before', async () => {
    const world = new World(2)
    const a = await open(world, 'a')
    const b = await open(world, 'b')
    const session = await settled(world, a.store.openSession({ ttlMs: 1_000 }))
    await settled(world, a.store.put('nodes/a', 'x', { session }))
    await world.loop.run(5_000)
    expect(await settled(world, b.store.get('nodes/a'))).toBeDefined()
    world.store.cut('a', 'both')
    let lostAt = 0
    session.lost.addEventListener('abort', () => {
      lostAt = world.loop.nowMs
    })
    let goneAt = 0
    world.store.onWrite = ({ timeMs, change }) => {
      if (change.type === 'delete') goneAt = timeMs
    }
    await world.loop.run(10_000)
    expect(lostAt).toBeGreaterThan(5_500)
    expect(goneAt).toBeGreaterThanOrEqual(lostAt - 1)
    expect(goneAt).toBeLessThan(6_100)
  })

  test('answers that are cut off leave a write unknown and applied', async () => {
    const world = new World(3)
    const { store } = await open(world, 'a')
    world.store.cut('a', 'answers')
    await expect(settled(world, store.put('k', 'v', { ifVersion: null }))).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' })
    expect(world.store.entry('k')?.value).toBe('v')
  })

  test('writes in doubt are applied or not, and both happen', async () => {
    const world = new World(4, {}, { doubtChance: 1 })
    const { store } = await open(world, 'a')
    const applied = new Set<boolean>()
    for (let i = 0; i < 30; i++) {
      await expect(settled(world, store.put(`k${i}`, 'v', { ifVersion: null }))).rejects.toMatchObject({ code: 'UNKNOWN_OUTCOME' })
      applied.add(world.store.entry(`k${i}`) !== undefined)
    }
    expect(applied.size).toBe(2)
  })

  test('a watch ends with what the store holds, through lag, cuts, gaps, restarts and a rebirth', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const world = new World(seed, {}, { watchLagMs: 30 })
      const { store: writer } = await open(world, 'a')
      const { store: reader } = await open(world, 'b')
      const seen = new Map<string, string>()
      const listen = (event: WatchEvent): void => {
        if (event.type === 'snapshot') {
          seen.clear()
          for (const entry of event.entries) seen.set(entry.key, entry.value)
        } else {
          for (const change of event.changes) {
            if (change.type === 'put') seen.set(change.entry.key, change.entry.value)
            else seen.delete(change.key)
          }
        }
      }
      await settled(world, reader.watch('p/', listen))
      for (let i = 0; i < 200; i++) {
        world.loop.at(100 + i * 10, () => {
          void (i % 7 === 0 ? writer.delete(`p/${i % 5}`) : writer.put(`p/${i % 5}`, String(i))).catch(() => {})
        })
      }
      world.loop.at(400, () => world.store.cut('b', 'both'))
      world.loop.at(600, () => world.store.mend('b', 'both'))
      world.loop.at(800, () => world.store.gap('b', 200))
      world.loop.at(1_200, () => world.store.stop())
      world.loop.at(1_500, () => world.store.start())
      if (seed % 2 === 0) world.loop.at(1_700, () => world.store.rebirth())
      await world.loop.run(10_000)
      expect(Object.fromEntries(seen), `seed ${seed}`).toEqual(
        Object.fromEntries(world.store.entries('p/').map(({ key, value }) => [key, value])),
      )
    }
  })

  test('sessions outlive an outage when the server does not age, and end with it when it does', async () => {
    for (const agesWhileDown of [false, true]) {
      const world = new World(6, {}, { agesWhileDown })
      const { store } = await open(world, 'a')
      const session = await settled(world, store.openSession({ ttlMs: 1_000 }))
      world.store.stop()
      await world.loop.run(world.loop.nowMs + 3_000)
      world.store.start()
      expect(world.store.keepsSession(session.id)).toBe(!agesWhileDown)
      expect(session.lost.aborted).toBe(true)
    }
  })
})
