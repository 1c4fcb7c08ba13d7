// What is left of a failure: a small file with everything that decides the run, and a trace beside it that a person can read.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { shardOf } from '@cajun/core'
import type { Violation } from './checkers/violation.ts'
import type { History } from './history.ts'
import { type RunResult, runScenario } from './run-scenario.ts'
import type { Scenario } from './scenario.ts'
import { formatTrace, type TraceSubjects } from './trace.ts'

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
  const { fromMs, about } = subjectsOf(scenario, history, violations)
  const found = violations.map(({ invariant, what, atMs }) => `${invariant} at ${atMs.toFixed(2)}: ${what}`).join('\n')
  writeFileSync(tracePath, `${found}\n\n${formatTrace(history, { fromMs, about })}\n`)
  return { scenarioPath, tracePath }
}

/** What is said in its violations, and what is left of the workload: that is what a reader looks for. */
function subjectsOf(
  scenario: Scenario,
  history: History,
  violations: readonly Violation[],
): { fromMs: number; about: TraceSubjects | undefined } {
  const said = violations.map(({ what }) => what).join('\n')
  const actors = new Set(scenario.actors.filter((actor) => new RegExp(`\\b${actor}\\b`).test(said)))
  for (const [, message] of said.matchAll(/message (\d+)/g)) actors.add(history.sends[Number(message)]?.actor ?? '')
  // Of a node, or of the store.
  const isAboutAll = actors.size === 0
  const kept = history.sends.filter(({ actor, isProbe, message }) => {
    if (isProbe && history.outcomes.get(message)?.result === 'ok' && isAboutAll) return false
    return isAboutAll || actors.has(actor)
  })
  const beginMs = Math.min(
    ...scenario.faults.map(({ atMs }) => atMs),
    ...kept.map(({ atMs }) => atMs),
    ...violations.map(({ atMs }) => atMs),
  )
  const fromMs = Math.max(0, beginMs - 1)
  if (isAboutAll) return { fromMs, about: undefined }
  const units = new Set<string>()
  for (const actor of actors) {
    const [kind = '', id = ''] = actor.split('/')
    units.add(actor).add(`${kind}/${shardOf(id, scenario.shardCount)}`)
  }
  return { fromMs, about: { actors, units, messages: new Set(kept.map(({ message }) => message)) } }
}

export class UnreadableScenarioError extends Error {
  override readonly name = 'UnreadableScenarioError'
}

/** Throws when the file is not one of {@link writeFailure}'s. */
export function readScenario(path: string): Scenario {
  let content: { readonly scenario?: Partial<Scenario> } | undefined
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new UnreadableScenarioError(`the scenario in ${path} can't be read: ${(error as Error).message}`, { cause: error })
  }
  const scenario = content?.scenario
  const parts = [scenario?.hosts, scenario?.actors, scenario?.faults, scenario?.actions]
  if (!parts.every(Array.isArray))
    throw new UnreadableScenarioError(`${path} holds no scenario; it must be a file that a failing seed has left`)
  return scenario as Scenario
}
