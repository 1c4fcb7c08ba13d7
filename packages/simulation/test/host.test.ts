import { describe, expect, test } from 'vitest'
import { SimulatedHost, type SimulatedProcess } from '../src/host.ts'
import { SimulationLoop } from '../src/loop.ts'
import { RandomStream } from '../src/random-streams.ts'

function boot(clockRate = 1): { loop: SimulationLoop; process: SimulatedProcess; host: SimulatedHost; uncaught: unknown[] } {
  const loop = new SimulationLoop()
  const uncaught: unknown[] = []
  const world = { loop, onUncaught: (_: unknown, error: unknown) => uncaught.push(error) }
  const host = new SimulatedHost({ nodeId: 'a', clockRate, wallOriginMs: 1e12, timerLatenessMs: 0 }, world, new RandomStream(1))
  return { loop, process: host.boot(), host, uncaught }
}

describe('a simulated process', () => {
  test('runs timers by its own clock', async () => {
    const { loop, process } = boot(2)
    let firedAt = 0
    process.runtime.setTimer(() => {
      firedAt = loop.nowMs
    }, 100)
    await loop.run(1_000)
    expect(firedAt).toBeCloseTo(50, 3)
    expect(process.runtime.monotonicMs()).toBe(2_000)
  })

  test('does nothing any more after a crash', async () => {
    const { loop, process } = boot()
    let ran = 0
    process.runtime.setTimer(() => ran++, 10)
    process.runtime.nextTurn(() => ran++)
    process.runtime.microtask(() => ran++)
    process.crash()
    await loop.run(100)
    expect(ran).toBe(0)
  })

  test('a stall defers what is due, in order, while its clocks go on', async () => {
    const { loop, process } = boot()
    const ran: string[] = []
    process.runtime.setTimer(() => ran.push(`timer at ${Math.round(process.runtime.monotonicMs())}`), 10)
    process.postAfter(20, () => ran.push('frame'))
    process.pause('stall', 500)
    await loop.run(499)
    expect(ran).toEqual([])
    await loop.run(1_000)
    expect(ran).toEqual(['timer at 500', 'frame'])
  })

  test('a suspension stops the monotonic clock, and the lease clock counts it all the same', async () => {
    const { loop, process } = boot()
    let firedAt = 0
    process.runtime.setTimer(() => {
      firedAt = loop.nowMs
    }, 100)
    const leaseBefore = process.runtime.leaseMs()
    process.pause('suspend', 500)
    await loop.run(1_000)
    expect(firedAt).toBeCloseTo(600, 2)
    expect(process.runtime.monotonicMs()).toBeCloseTo(500, 2)
    expect(process.runtime.leaseMs() - leaseBefore).toBeCloseTo(1_000, 2)
  })

  test('a trap strikes between a turn and its flush', async () => {
    const { loop, process } = boot()
    let flushed = false
    process.trapEndOfTurn(() => process.crash())
    process.postAfter(1, () =>
      process.runtime.endOfTurn(() => {
        flushed = true
      }),
    )
    await loop.run(10)
    expect(flushed).toBe(false)
  })

  test('reports what nobody caught', async () => {
    const { loop, process, uncaught } = boot()
    process.runtime.setTimer(() => {
      throw new Error('in a timer')
    }, 1)
    await loop.run(10)
    expect(uncaught).toEqual([new Error('in a timer')])
  })
})
