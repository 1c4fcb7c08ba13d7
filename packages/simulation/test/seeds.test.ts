// A few seeds of the real cluster, with every commit. The large run is seeds.process.test.ts.

import { expect, test } from 'vitest'
import { runScenario } from '../src/run-scenario.ts'
import { runSeed } from '../src/run-seeds.ts'
import { planScenario } from '../src/scenario.ts'

const SEEDS = 40

test(`${SEEDS} seeds keep every promise`, { timeout: 60_000 }, async () => {
  const failed: string[] = []
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations } = await runSeed(seed, {})
    for (const { invariant, what } of violations.slice(0, 2)) failed.push(`seed ${seed}: ${invariant} ${what}`)
  }
  expect(failed).toEqual([])
})

test('a seed decides everything', { timeout: 30_000 }, async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const first = await runScenario(planScenario(seed))
    const second = await runScenario(planScenario(seed))
    expect(second.traceHash, `seed ${seed}`).toBe(first.traceHash)
    expect(second.events).toBe(first.events)
  }
})
