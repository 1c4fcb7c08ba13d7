// What is left of a failure: a small file with everything that decides the run, and a trace beside it that a person can read.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunResult, runScenario } from './run-scenario.ts'
import type { Scenario } from './scenario.ts'
import { formatTrace } from './trace.ts'

export interface FailureFiles {
  readonly scenarioPath: string
  readonly tracePath: string
}

export async function writeFailure(directory: string, failure: RunResult): Promise<FailureFiles> {
  mkdirSync(directory, { recursive: true })
  const { scenario } = failure
  const scenarioPath = join(directory, `seed-${scenario.seed}.json`)
  const tracePath = join(directory, `seed-${scenario.seed}.trace.txt`)
  writeFileSync(scenarioPath, `${JSON.stringify({ violations: failure.violations.slice(0, 10), scenario }, undefined, 1)}\n`)
  // Once more, with what the nodes logged.
  const { history, violations } = await runScenario(scenario, { verbose: true })
  const found = violations.map(({ invariant, what, atMs }) => `${invariant} at ${atMs.toFixed(2)}: ${what}`).join('\n')
  writeFileSync(tracePath, `${found}\n\n${formatTrace(history)}\n`)
  return { scenarioPath, tracePath }
}

export function readScenario(path: string): Scenario {
  return (JSON.parse(readFileSync(path, 'utf8')) as { scenario: Scenario }).scenario
}
