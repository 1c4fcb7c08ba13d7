// The scenario of a seed as a mutation wants it: the usual plan with its options, and what its script changes of that.

import { streamOf } from '../src/random-streams.ts'
import { planScenario, type Scenario } from '../src/scenario.ts'
import type { Mutation } from './mutation.ts'

export function planFor({ options = {}, script }: Pick<Mutation, 'options' | 'script'>, seed: number): Scenario {
  const scenario = planScenario(seed, options)
  return script === undefined ? scenario : { ...scenario, ...script(streamOf(seed, 'script'), scenario) }
}
