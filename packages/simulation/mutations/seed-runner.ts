// A process of the gate: runs seeds of one mutation after another, in core as it stands beside it (with the bug, or sound), until one of them
// notices that something is wrong. Asked and answered over the channel to its parent.

import { runScenario } from '../src/run-scenario.ts'
import { mutations } from './catalogue.ts'
import type { Mutation } from './mutation.ts'
import { planFor } from './plan.ts'

export interface Task {
  readonly mutation: string
  readonly seeds: readonly number[]
}

export interface Verdict {
  /** The first seed that noticed; undefined: none did. */
  readonly seed?: number
  readonly invariant?: string
  readonly what?: string
  readonly ran: number
}

async function run({ mutation: id, seeds }: Task): Promise<Verdict> {
  const mutation = mutations.find((each) => each.id === id) as Mutation
  let ran = 0
  for (const seed of seeds) {
    ran++
    const { violations } = await runScenario(planFor(mutation, seed))
    const noticed = violations.find(({ invariant }) => mutation.noticedBy?.includes(invariant) ?? true)
    if (noticed !== undefined) return { seed, invariant: noticed.invariant, what: noticed.what, ran }
  }
  return { ran }
}

process.on('message', async (task: Task) => {
  const verdict = await run(task)
  process.send?.(verdict)
})
