// For users: their own actors on a cluster under faults, in a test. Runs the workload once for each seed, heals everything, and runs the check.

import { FaultInjector } from './fault-injector.ts'
import type { Fault } from './faults.ts'
import { History } from './history.ts'
import { SimulationLoop } from './loop.ts'
import { Marks } from './marks.ts'
import { planScenario, type Scenario } from './scenario.ts'
import { thin } from './shrink.ts'
import { type ResolvedSimulateOptions, resolveSimulateOptions, type SimulateOptions } from './simulate-options.ts'
import { SimulatedCluster, stackOf } from './simulated-cluster.ts'
import { SimulatedWorld } from './simulated-world.ts'
import { formatTrace } from './trace.ts'

/** A seed under which the check did not hold. `cause` is what it threw; the message names the seed and the faults that are needed for it. */
export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure'
  readonly seed: number
  /** The fewest faults, among those of the seed, with which it still fails. */
  readonly faults: readonly Fault[]
  /** What happened when, one column for each node. */
  readonly trace: string

  constructor(seed: number, faults: readonly Fault[], trace: string, cause: unknown) {
    const what = cause instanceof Error ? cause.message : String(cause)
    const list = faults.map((fault) => `\n    ${JSON.stringify(fault)}`).join('')
    super(`seed ${seed}: ${what}\n  faults that it takes (replay with \`seeds: [${seed}]\`):${list || ' none'}`, { cause })
    this.seed = seed
    this.faults = faults
    this.trace = trace
  }
}

const SHRINK_MS = 5_000
/** The check may take that long in virtual time: whatever it waits for has a deadline of its own. */
const CHECK_MS = 120_000

/** Rejects with a {@link SimulationFailure} at the first seed that fails, and with a `TypeError` when the options can't be meant. Takes no real time but what the computation needs. */
export async function simulate(options: SimulateOptions): Promise<{ readonly seeds: number }> {
  const resolved = resolveSimulateOptions(options)
  for (const seed of resolved.seeds) {
    const scenario = scenarioOf(seed, resolved)
    const failure = await runOnce(scenario, resolved)
    if (failure !== undefined) throw await smallest(scenario, failure, resolved)
  }
  return { seeds: resolved.seeds.length }
}

interface Failure {
  readonly error: unknown
  readonly trace: string
}

function scenarioOf(seed: number, { nodes, durationMs, faults, migrates }: ResolvedSimulateOptions): Scenario {
  const scenario = planScenario(seed, { nodes, durationMs, faultKinds: faults, messages: 0, watches: 0 })
  return { ...scenario, actors: migrates }
}

async function smallest(scenario: Scenario, failure: Failure, options: ResolvedSimulateOptions): Promise<SimulationFailure> {
  let best = { faults: scenario.faults, failure }
  const endsAtMs = performance.now() + SHRINK_MS
  await thin(
    () => best.faults,
    async (faults) => {
      if (performance.now() > endsAtMs) return false
      const again = await runOnce({ ...scenario, faults }, options)
      if (again === undefined) return false
      best = { faults, failure: again }
      return true
    },
  )
  return new SimulationFailure(scenario.seed, best.faults, best.failure.trace, best.failure.error)
}

async function runOnce(scenario: Scenario, options: ResolvedSimulateOptions): Promise<Failure | undefined> {
  const loop = new SimulationLoop()
  const history = new History(() => loop.nowMs)
  const cluster = new SimulatedCluster(scenario, loop, history, new Marks(), () => options.actors)
  const injector = new FaultInjector(cluster)
  const world = new SimulatedWorld(cluster)
  cluster.nodes.forEach((node, index) => {
    loop.at(1 + index * 20, () => cluster.start(node))
  })
  injector.schedule(scenario.faults)
  let failed: { readonly error: unknown } | undefined
  const guard = async (part: (world: SimulatedWorld) => Promise<void>): Promise<void> => {
    try {
      await part(world)
    } catch (error) {
      failed ??= { error }
    }
  }
  let workDone = false
  loop.at(scenario.beginMs, () => {
    void guard(options.workload).then(() => {
      workDone = true
    })
  })
  await loop.run(scenario.healMs)
  injector.end()
  cluster.healAll()
  await loop.run(scenario.healMs + 2 * scenario.ttlMs + 1_000)
  for (let i = 0; i < CHECK_MS / 1_000 && !workDone; i++) await loop.run(loop.nowMs + 1_000)
  if (!workDone) failed ??= { error: new Error('the workload did not end') }
  let checked = failed !== undefined
  if (!checked) {
    loop.after(0, () => {
      void guard(options.check).then(() => {
        checked = true
        loop.stop()
      })
    })
    await loop.run(loop.nowMs + CHECK_MS)
  }
  if (!checked) failed ??= { error: new Error(`the check did not end within ${CHECK_MS} ms of virtual time`) }
  const uncaught = history.findings.find(({ invariant }) => invariant === 'uncaught')
  if (uncaught !== undefined) failed ??= { error: new Error(uncaught.what) }
  return failed === undefined
    ? undefined
    : { error: failed.error, trace: `${formatTrace(history, { fromMs: scenario.beginMs })}\n${stackOf(failed.error)}` }
}
