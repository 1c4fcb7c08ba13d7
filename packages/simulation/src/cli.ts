// pnpm simulate: see `cli-options.ts`.

import { type Command, HELP, parseCommand, type Shrinking, UsageError } from './cli-options.ts'
import { type FailureFiles, readScenario, UnreadableScenarioError, writeFailure } from './failure-file.ts'
import { ProgressBar } from './progress-bar.ts'
import { requiredMarks } from './required-marks.ts'
import { type RunResult, runScenario } from './run-scenario.ts'
import { SuiteTally } from './run-seeds.ts'
import { planScenario, type Scenario } from './scenario.ts'
import { runPool } from './seed-pool.ts'
import { shrink } from './shrink.ts'

const MOST_FAILURES = 5
const MOST_REPORTS = 3

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

async function report(result: RunResult, { directory, shrinkMs }: Shrinking): Promise<void> {
  const small = shrinkMs === 0 ? result : await shrink(result, { budgetMs: shrinkMs })
  console.log(describe(small, await writeFailure(directory, small)))
}

async function runOne(planned: Scenario, shrinking: Shrinking): Promise<number> {
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
  await report(result, shrinking)
  return 1
}

async function runMany(command: Command & { readonly kind: 'seeds' }): Promise<number> {
  const { from, count, limitMs, threads, options, keepGoing, insistOnMarks } = command
  const startedMs = performance.now()
  const tally = new SuiteTally()
  const bar = new ProgressBar({ total: count, limitMs })
  await runPool({
    from,
    count: count ?? Number.POSITIVE_INFINITY,
    threads,
    options,
    deadlineMs: startedMs + (limitMs ?? Number.POSITIVE_INFINITY),
    shouldStop: () => !keepGoing && tally.failures.length >= MOST_FAILURES,
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
  if (tally.failures.length > 0) {
    for (const failure of tally.failures.slice(0, MOST_REPORTS)) {
      const again = await runScenario(planScenario(failure.seed, options))
      if (again.violations.length > 0) await report(again, command)
      // Two runs of one seed that were not the same: there is nothing to make smaller.
      else for (const { invariant, what } of failure.violations) console.log(`  seed ${failure.seed}: ${invariant}: ${what}`)
    }
    console.log(`  failed: seeds ${tally.failures.map(({ seed }) => seed).join(', ')}`)
    console.log(`${tally.failures.length} of ${tally.seeds} seeds failed`)
    return 1
  }
  if (tally.seeds === 0) {
    console.log('no seed was run: there was no time for one')
    return 1
  }
  const missing = insistOnMarks ? tally.marks.missing(requiredMarks) : []
  if (missing.length > 0) {
    console.log(`  never reached: ${missing.join('; ')}`)
    console.log(`all ${tally.seeds} seeds passed, and ${missing.length} required marks were never reached`)
    return 1
  }
  console.log(`all ${tally.seeds} seeds passed${insistOnMarks ? ', every required mark reached' : ''}`)
  return 0
}

function run(command: Command): Promise<number> {
  switch (command.kind) {
    case 'help':
      console.log(HELP)
      return Promise.resolve(0)
    case 'replay':
      return runOne(readScenario(command.path), command)
    case 'seed':
      return runOne(planScenario(command.seed, command.options), command)
    case 'seeds':
      return runMany(command)
  }
}

try {
  process.exitCode = await run(parseCommand(process.argv.slice(2)))
} catch (error) {
  if (!(error instanceof UsageError || error instanceof UnreadableScenarioError)) throw error
  console.error(`${error.message}\nSee pnpm simulate --help.`)
  process.exitCode = 2
}
