import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DeadlineSweep, DeadlineTask } from '../../src/runtime/deadline-sweep.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

test('deadlines fire at their time, neither early nor more than a millisecond late', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          delay: fc.integer({ min: 0, max: 160_000 }).map((n) => n / 8),
          removedAt: fc.option(fc.integer({ min: 0, max: 20_000 })),
        }),
        { maxLength: 60 },
      ),
      (plan) => {
        const runtime = new ManualRuntime()
        const sweep = new DeadlineSweep(runtime)
        const origin = runtime.nowMs
        const fired = new Map<number, number>()
        const entries = plan.map(({ delay }, i) => {
          const entry = new DeadlineTask(() => fired.set(i, runtime.nowMs - origin))
          sweep.addAfter(entry, delay)
          return entry
        })
        const removals = plan.map((one, i) => ({ at: one.removedAt, i })).filter((one) => one.at !== null)
        removals.sort((a, b) => (a.at as number) - (b.at as number))
        for (const { at, i } of removals) {
          runtime.advance(Math.max(0, origin + (at as number) - runtime.nowMs))
          sweep.remove(entries[i] as DeadlineTask)
        }
        runtime.advance(25_000)
        plan.forEach(({ delay, removedAt }, i) => {
          const at = fired.get(i)
          if (removedAt !== null && removedAt < delay) expect(at).toBeUndefined()
          else if (removedAt === null || removedAt > delay + 1) {
            expect(at).toBeGreaterThanOrEqual(delay)
            expect(at).toBeLessThanOrEqual(delay + 1)
          }
        })
        expect(sweep.size).toBe(0)
        expect(runtime.pendingTimers).toBe(0)
      },
    ),
    { numRuns: 200 },
  )
})

test('a million deadlines that are removed in time set a handful of timers', () => {
  const runtime = new ManualRuntime()
  const sweep = new DeadlineSweep(runtime)
  const entry = new DeadlineTask(() => {})
  for (let i = 0; i < 100_000; i++) {
    sweep.addAfter(entry, 10_000)
    sweep.remove(entry)
  }
  expect(runtime.timersSet).toBeLessThan(3)
})

test('an idle process is let go within a quarter of a second after the last deadline was removed', () => {
  const runtime = new ManualRuntime()
  const sweep = new DeadlineSweep(runtime)
  const entry = new DeadlineTask(() => {})
  sweep.addAfter(entry, 60_000)
  sweep.remove(entry)
  runtime.advance(250)
  expect(runtime.pendingTimers).toBe(0)
})

test('a deadline that fires may remove and add others, itself included', () => {
  const runtime = new ManualRuntime()
  const sweep = new DeadlineSweep(runtime)
  const fired: string[] = []
  const second = new DeadlineTask(() => fired.push('second'))
  const again = new DeadlineTask(() => {
    fired.push('again')
    if (fired.length < 3) sweep.addAfter(again, 5)
  })
  const first = new DeadlineTask(() => {
    fired.push('first')
    sweep.remove(second)
    sweep.addAfter(again, 0)
  })
  sweep.addAfter(first, 10)
  sweep.addAfter(second, 10)
  runtime.advance(100)
  expect(fired).toEqual(['first', 'again', 'again'])
})

test('after a long pause everything overdue fires once', () => {
  const runtime = new ManualRuntime()
  const sweep = new DeadlineSweep(runtime)
  let fired = 0
  for (let i = 0; i < 500; i++) sweep.addAfter(new DeadlineTask(() => fired++), i * 100)
  runtime.nowMs += 3_600_000
  runtime.advance(0)
  expect(fired).toBe(500)
})
