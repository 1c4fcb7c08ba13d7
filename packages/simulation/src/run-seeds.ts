// Many seeds in a row, in this thread: runs each, collects marks and failures, and runs one in a hundred twice to see that nothing but the seed
// decides. `seed-pool.ts` spreads ranges over threads.

import { Marks } from './marks.ts'
import { type RunResult, runScenario } from './run-scenario.ts'
import { planScenario, type ScenarioOptions } from './scenario.ts'

export interface SeedSummary {
  readonly seed: number
  readonly violations: ReadonlyArray<{ readonly invariant: string; readonly what: string; readonly atMs: number }>
  readonly events: number
  readonly messages: number
  readonly virtualMs: number
  readonly marks: ReadonlyArray<readonly [string, number]>
}

const TWICE_EVERY = 100

export async function runSeed(seed: number, options: ScenarioOptions): Promise<SeedSummary> {
  const result = await runScenario(planScenario(seed, options))
  const violations = [...result.violations]
  if (seed % TWICE_EVERY === 0) {
    const again = await runScenario(planScenario(seed, options))
    if (again.traceHash !== result.traceHash) {
      violations.push({
        invariant: 'determinism',
        what: `seed ${seed} took ${result.events} events, and ${again.events} the second time`,
        atMs: 0,
      })
    }
  }
  return { ...summarise(result), violations }
}

export function summarise({ scenario, violations, events, messages, virtualMs, marks }: RunResult): SeedSummary {
  return { seed: scenario.seed, violations, events, messages, virtualMs, marks: [...marks] }
}

/** What a number of seeds came to. */
export class SuiteTally {
  readonly marks: Marks = new Marks()
  readonly failures: SeedSummary[] = []
  seeds = 0
  events = 0
  messages = 0
  virtualMs = 0

  add(summary: SeedSummary): void {
    this.seeds++
    this.events += summary.events
    this.messages += summary.messages
    this.virtualMs += summary.virtualMs
    this.marks.merge(summary.marks)
    if (summary.violations.length > 0) this.failures.push(summary)
  }
}
