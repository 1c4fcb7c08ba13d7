// The scenario of a seed as a mutation wants it: the usual plan with its options, and what its script changes of that.

import { streamOf } from '../src/random-streams.ts'
import { planScenario, type Scenario } from '../src/scenario.ts'
import type { Mutation } from './mutation.ts'

export function planFor({ options = {}, script }: Pick<Mutation, 'options' | 'script'>, seed: number): Scenario {
  // Nobody watches anybody, unless it is about that: seeds that were recorded before there was any watching mean what they meant.
  const scenario = planScenario(seed, { watches: 0, ...options })
  return script === undefined ? scenario : { ...scenario, ...script(streamOf(seed, 'script'), scenario) }
}
