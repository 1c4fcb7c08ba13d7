// The run that CI holds a commit to: 2,000 seeds of 3 to 7 nodes over all cores, and every required mark reached.

import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import { requiredMarks } from '../src/required-marks.ts'
import { SuiteTally } from '../src/run-seeds.ts'
import { runPool } from '../src/seed-pool.ts'

const SEEDS = 2_000

test(`${SEEDS} seeds keep every promise and reach every rare path`, { timeout: 20 * 60_000 }, async () => {
  const tally = new SuiteTally()
  await runPool({
    from: 1,
    count: SEEDS,
    threads: availableParallelism(),
    options: {},
    deadlineMs: Number.POSITIVE_INFINITY,
    onDone: (summary) => tally.add(summary),
    shouldStop: () => tally.failures.length >= 5,
  })
  expect(tally.failures.map(({ seed, violations }) => `seed ${seed}: ${violations[0]?.invariant} ${violations[0]?.what}`)).toEqual([])
  expect(tally.marks.missing(requiredMarks)).toEqual([])
})
