// Makes a failing scenario small: fewer faults, then less work, then fewer hosts, then a shorter run, as long as the same invariant is violated.

import { type RunResult, runScenario } from './run-scenario.ts'
import type { Scenario } from './scenario.ts'

export interface ShrinkOptions {
  /** Of real time. */
  readonly budgetMs: number
  readonly onProgress?: (scenario: Scenario) => void
}

export async function shrink(failing: RunResult, { budgetMs, onProgress }: ShrinkOptions): Promise<RunResult> {
  const invariants = new Set(failing.violations.map(({ invariant }) => invariant))
  const endsAtMs = performance.now() + budgetMs
  let best = failing

  /** Whether the candidate fails alike; it is the best one from then on. */
  const attempt = async (candidate: Scenario): Promise<boolean> => {
    if (performance.now() > endsAtMs) return false
    const result = await runScenario(candidate)
    if (!result.violations.some(({ invariant }) => invariants.has(invariant))) return false
    best = result
    onProgress?.(candidate)
    return true
  }

  for (let before = ''; before !== sizeOf(best.scenario) && performance.now() < endsAtMs; ) {
    before = sizeOf(best.scenario)
    await thin(
      () => best.scenario.faults,
      (faults) => attempt({ ...best.scenario, faults }),
    )
    await thin(
      () => best.scenario.actions,
      (actions) => attempt({ ...best.scenario, actions }),
    )
    while (best.scenario.hosts.length > 1 && (await attempt({ ...best.scenario, hosts: best.scenario.hosts.slice(0, -1) })));
    const { scenario } = best
    const lastMs = Math.max(scenario.beginMs, ...scenario.faults.map(({ atMs }) => atMs), ...scenario.actions.map(({ atMs }) => atMs))
    if (lastMs + 100 < scenario.healMs) await attempt({ ...scenario, healMs: lastMs + 100 })
  }
  return best
}

/** Takes away halves, quarters and so on, down to single items. */
export async function thin<T>(present: () => readonly T[], attempt: (items: readonly T[]) => Promise<boolean>): Promise<void> {
  if (present().length > 0 && (await attempt([]))) return
  for (let size = Math.ceil(present().length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < present().length; ) {
      const items = present()
      const without = [...items.slice(0, at), ...items.slice(at + size)]
      if (without.length === items.length || !(await attempt(without))) at += size
    }
  }
}

function sizeOf({ faults, actions, hosts, healMs }: Scenario): string {
  return `${faults.length} ${actions.length} ${hosts.length} ${healMs}`
}
