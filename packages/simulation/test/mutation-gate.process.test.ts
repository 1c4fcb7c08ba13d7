// The gate that CI holds the simulation to: every planted bug is noticed by a seed that passes without it, or by a test of core. A recorded seed that a change has made stale is
// looked for anew, within the time that is left: `mutations/hunt.ts --record` writes down what it finds.

import { availableParallelism } from 'node:os'
import { afterAll, expect, test } from 'vitest'
import { mutations } from '../mutations/catalogue.ts'
import { type Finding, Gate } from '../mutations/gate.ts'

const HUNT_MS = 60_000
/** A core whose recorded seeds are all stale must not take the whole of CI's time. */
const ALL_HUNTS_MS = 240_000

const startedMs = performance.now()
const gates: Gate[] = []
const stale: string[] = []

async function attempt(mutation: (typeof mutations)[number]): Promise<Finding> {
  const gate = gates.pop() ?? new Gate()
  try {
    const leftMs = ALL_HUNTS_MS - (performance.now() - startedMs)
    return await gate.try(mutation, { huntMs: Math.max(10_000, Math.min(HUNT_MS, leftMs)) })
  } finally {
    gates.push(gate)
  }
}

/** As many at a time as there are processors: each has a process of its own. */
let free = availableParallelism()
const waiting: Array<() => void> = []
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (free > 0) free--
  else await new Promise<void>((resolve) => waiting.push(resolve))
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next === undefined) free++
    else next()
  }
}

// Begun at once and worked off in order; each test waits for its own.
const findings = mutations.map((mutation) => {
  const finding = inTurn(() => attempt(mutation))
  finding.catch(() => {})
  return [mutation.id, finding] as const
})

afterAll(() => {
  for (const gate of gates) gate[Symbol.dispose]()
  if (stale.length > 0)
    console.warn(`stale seeds, found anew: ${stale.join(', ')}; record them with packages/simulation/mutations/hunt.ts --record`)
})

test.each(findings)('%s is noticed', { timeout: 15 * 60_000 }, async (id, finding) => {
  const { mutation, seed, what, isFresh, ran, unsound } = await finding
  expect(what, `'${id}' survived ${mutation.test ?? `${ran} seeds`}. ${unsound.join('; ')}`).toBeDefined()
  if (!isFresh) stale.push(`${id} (seed ${seed})`)
})
