import { describe, expect, test } from 'vitest'
import { LivelockError, SimulationLoop } from '../src/loop.ts'
import { synchronousDrain } from '../src/microtasks.ts'
import { RandomStream, streamOf } from '../src/random-streams.ts'

describe('the loop', () => {
  test('runs events by time, and those of one time in the order in which they were scheduled', async () => {
    const loop = new SimulationLoop()
    const ran: string[] = []
    loop.at(20, () => ran.push('late'))
    loop.at(10, () => ran.push('first'))
    loop.at(10, () => ran.push('second'))
    await loop.run(100)
    expect(ran).toEqual(['first', 'second', 'late'])
    expect(loop.nowMs).toBe(100)
  })

  test('drains every microtask and end-of-turn task of an event before the next', async () => {
    const loop = new SimulationLoop()
    const ran: string[] = []
    loop.at(1, () => {
      loop.endOfTurn(() => {
        ran.push('end of turn')
        void Promise.resolve().then(() => ran.push('microtask of the end of turn'))
      })
      void (async () => {
        for (let i = 0; i < 5; i++) await undefined
        ran.push('five awaits')
      })()
    })
    loop.at(1, () => ran.push('next event'))
    await loop.run(2)
    expect(ran).toEqual(['five awaits', 'end of turn', 'microtask of the end of turn', 'next event'])
  })

  test('a cancelled event does not run', async () => {
    const loop = new SimulationLoop()
    let ran = false
    const event = loop.at(1, () => {
      ran = true
    })
    loop.cancel(event)
    await loop.run(2)
    expect(ran).toBe(false)
  })

  test('an error ends the run', async () => {
    const loop = new SimulationLoop()
    loop.at(1, () => {
      throw new Error('inside')
    })
    await expect(loop.run(2)).rejects.toThrow('inside')
  })

  test('finds out when time stands still', async () => {
    const loop = new SimulationLoop()
    const again = (): void => {
      loop.after(0, again)
    }
    loop.at(1, again)
    await expect(loop.run(2)).rejects.toThrow(LivelockError)
  })

  test('keeps thousands of events in order', async () => {
    const loop = new SimulationLoop()
    const random = new RandomStream(1)
    const times: number[] = []
    for (let i = 0; i < 5_000; i++) loop.at(random.below(1_000), () => times.push(loop.nowMs))
    await loop.run(1_000)
    expect(times).toHaveLength(5_000)
    expect(times).toEqual([...times].sort((a, b) => a - b))
  })

  test('this Node offers a fast drain', async () => {
    await new Promise((resolve) => setImmediate(resolve))
    expect(synchronousDrain()).toBeDefined()
  })
})

describe('random streams', () => {
  test('are decided by seed and concern alone', () => {
    const of = (seed: number, concern: string): number[] => {
      const stream = streamOf(seed, concern)
      return Array.from({ length: 5 }, () => stream.bits())
    }
    expect(of(1, 'network')).toEqual(of(1, 'network'))
    expect(of(1, 'network')).not.toEqual(of(1, 'faults'))
    expect(of(1, 'network')).not.toEqual(of(2, 'network'))
  })

  test('are spread evenly', () => {
    const stream = new RandomStream(3)
    const counts = new Array<number>(10).fill(0)
    for (let i = 0; i < 10_000; i++) counts[stream.below(10)] = (counts[stream.below(10)] as number) + 1
    for (let i = 0; i < 10_000; i++) {
      const at = stream.below(10)
      counts[at] = (counts[at] as number) + 1
    }
    for (const count of counts) expect(count).toBeGreaterThan(800)
  })
})
