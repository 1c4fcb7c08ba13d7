// pnpm simulate --seeds N [--seed S] [--nodes N] [--actors N] [--minutes M] [--threads T] [--replay FILE]

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type FailureFiles, readScenario, writeFailure } from './failure-file.ts'
import { ProgressBar } from './progress-bar.ts'
import { requiredMarks } from './required-marks.ts'
import { type RunResult, runScenario } from './run-scenario.ts'
import { SuiteTally } from './run-seeds.ts'
import { planScenario, type Scenario, type ScenarioOptions } from './scenario.ts'
import { runPool } from './seed-pool.ts'
import { shrink } from './shrink.ts'

const HELP = `Runs whole clusters under faults on a virtual clock, and checks what GUARANTEES promises.

  pnpm simulate                     2,000 seeds, on two threads
  pnpm simulate --seeds 500         that many, counted from 1
  pnpm simulate --seed 17           that one, with what it reached
  pnpm simulate --replay FILE       a scenario that was written when a seed failed

  --nodes N     hosts (default: 3 to 7, by the seed)      --actors N    actors (default: 4 to 19)
  --messages N  messages sent from outside of actors      --minutes M   stop after that time
  --threads T   worker threads (default 2)                --from S      the first of --seeds
  --keep-going  run all seeds, also when many fail        --no-marks    don't insist on every required mark
  --shrink-seconds S  for making a failure small (20)     --out DIR     where failures are written
`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    nodes: { type: 'string' },
    actors: { type: 'string' },
    messages: { type: 'string' },
    minutes: { type: 'string' },
    threads: { type: 'string', default: '2' },
    replay: { type: 'string' },
    out: { type: 'string', default: join(tmpdir(), 'cajun-simulation') },
    'shrink-seconds': { type: 'string', default: '20' },
    'keep-going': { type: 'boolean', default: false },
    'no-marks': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isFinite(value) || value < 0) throw new TypeError(`--${name} is '${text}'; it must be a number`)
  return value
}

const scenarioOptions: ScenarioOptions = {
  nodes: numberOf('nodes', values.nodes),
  actors: numberOf('actors', values.actors),
  messages: numberOf('messages', values.messages),
}
const shrinkMs = 1_000 * (numberOf('shrink-seconds', values['shrink-seconds']) ?? 20)

function describe({ scenario, violations }: RunResult, files: FailureFiles): string {
  const lines = violations.slice(0, 5).map(({ invariant, what, atMs }) => `    ${invariant} at ${atMs.toFixed(1)} ms: ${what}`)
  if (violations.length > 5) lines.push(`    and ${violations.length - 5} more`)
  return [
    `  seed ${scenario.seed}: ${scenario.faults.length} faults, ${scenario.actions.length} messages, ${scenario.hosts.length} hosts`,
    ...lines,
    `    replay:  pnpm simulate --replay ${files.scenarioPath}`,
    `    trace:   ${files.tracePath}`,
  ].join('\n')
}

async function report(result: RunResult): Promise<void> {
  const small = shrinkMs === 0 ? result : await shrink(result, { budgetMs: shrinkMs })
  console.log(describe(small, await writeFailure(values.out, small)))
}

async function runOne(planned: Scenario): Promise<number> {
  const startedMs = performance.now()
  const result = await runScenario(planned)
  const seconds = (performance.now() - startedMs) / 1_000
  const { scenario, events, messages, virtualMs } = result
  console.log(
    `seed ${scenario.seed}: ${scenario.hosts.length} hosts, ${scenario.actors.length} actors, ${messages} messages, ${scenario.faults.length} faults, ${events} events, ${(virtualMs / 1_000).toFixed(1)} s of virtual time`,
  )
  console.log(`took ${seconds.toFixed(1)} s and at most ${Math.round(process.resourceUsage().maxRSS / 1_024)} MiB`)
  for (const [mark, count] of result.marks) console.log(`  ${String(count).padStart(5)}  ${mark}`)
  for (const { invariant, what, atMs } of result.violations) console.log(`  ${invariant} at ${atMs.toFixed(1)} ms: ${what}`)
  if (result.violations.length === 0) return 0
  await report(result)
  return 1
}

async function runMany(count: number): Promise<number> {
  const minutes = numberOf('minutes', values.minutes)
  const startedMs = performance.now()
  const tally = new SuiteTally()
  const bar = new ProgressBar(count)
  await runPool({
    from: numberOf('from', values.from) ?? 1,
    count,
    threads: numberOf('threads', values.threads) ?? 2,
    options: scenarioOptions,
    deadlineMs: startedMs + (minutes ?? 24 * 60) * 60_000,
    shouldStop: () => !values['keep-going'] && tally.failures.length >= 5,
    onDone: (summary) => {
      tally.add(summary)
      bar.update(tally.seeds, tally.failures.length)
    },
  })
  bar.end()
  const elapsedMs = performance.now() - startedMs
  const perMinute = Math.round((tally.seeds / elapsedMs) * 60_000)
  console.log(
    `${tally.seeds} seeds in ${(elapsedMs / 1_000).toFixed(1)} s (${perMinute} a minute): ${tally.messages} messages, ${tally.events} events, ${(tally.virtualMs / 3_600_000).toFixed(1)} h of virtual time`,
  )
  let failed = tally.failures.length > 0
  for (const failure of tally.failures.slice(0, 3)) {
    const again = await runScenario(planScenario(failure.seed, scenarioOptions))
    if (again.violations.length > 0) await report(again)
    // Two runs of one seed that were not the same: there is nothing to make smaller.
    else for (const { invariant, what } of failure.violations) console.log(`  seed ${failure.seed}: ${invariant}: ${what}`)
  }
  if (tally.failures.length > 0) console.log(`  failed: seeds ${tally.failures.map(({ seed }) => seed).join(', ')}`)
  const missing = values['no-marks'] || failed ? [] : tally.marks.missing(requiredMarks)
  if (missing.length > 0) {
    failed = true
    console.log(`  never reached: ${missing.join('; ')}`)
  }
  if (missing.length > 0) console.log(`all ${tally.seeds} seeds passed, and ${missing.length} required marks were never reached`)
  else if (failed) console.log(`${tally.failures.length} of ${tally.seeds} seeds failed`)
  else console.log(`all ${tally.seeds} seeds passed${values['no-marks'] ? '' : ', every required mark reached'}`)
  return failed ? 1 : 0
}

if (values.help) console.log(HELP)
else if (values.replay !== undefined) process.exitCode = await runOne(readScenario(values.replay))
else if (values.seed !== undefined) process.exitCode = await runOne(planScenario(numberOf('seed', values.seed) ?? 1, scenarioOptions))
else process.exitCode = await runMany(numberOf('seeds', values.seeds) ?? 2_000)
