// Runs in a workshop, in a process of its own: seeds one after another until one of them notices that something is wrong. Prints what, as JSON.

import { runScenario } from '../src/run-scenario.ts'
import { planScenario, type ScenarioOptions } from '../src/scenario.ts'

const { from, seeds, options } = JSON.parse(process.argv[2] ?? '{}') as { from: number; seeds: number; options: ScenarioOptions }

for (let seed = from; seed <= seeds; seed++) {
  const { violations } = await runScenario(planScenario(seed, options))
  const first = violations[0]
  if (first === undefined) continue
  console.log(JSON.stringify({ seed, invariant: first.invariant, what: first.what }))
  process.exit(0)
}
console.log(JSON.stringify({ seed: undefined }))
process.exit(0)
