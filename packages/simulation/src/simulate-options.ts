// What a user's test may ask of `simulate`, checked before anything runs: a test that asks for nothing must not pass.

import type { ActorDefinition } from '@cajun/core'
import { FAULT_KINDS, type FaultKind } from './faults.ts'
import type { SimulatedWorld } from './simulated-world.ts'

/** Faults for users' actors: those of the simulation, without the one that is a message to its own actors. */
export type UserFaultKind = Exclude<FaultKind, 'poison'>

export interface SimulateOptions {
  /** Every kind that the workload speaks to. */
  readonly actors: readonly ActorDefinition[]
  /** What is done while faults strike. May run into errors: those of core are to be expected under faults, so catch what your callers would. */
  readonly workload: (world: SimulatedWorld) => Promise<void>
  /** What must hold once everything is healed. Throw (`expect(…)`) when it does not. */
  readonly check: (world: SimulatedWorld) => Promise<void>
  /** How many seeds, counted from 1, or which ones. Default 50. */
  readonly seeds?: number | readonly number[] | undefined
  /** Default: 3 to 7, by the seed. */
  readonly nodes?: number | undefined
  /** How long faults strike, in virtual milliseconds. Default: 4, 6 or 9 s, by the seed. */
  readonly durationMs?: number | undefined
  /** Each seed enables some of them. `[]`: none. Default: all kinds but the loss of the store's data (`store-rebirth`) and two processes under one node id (`twin`). */
  readonly faults?: readonly UserFaultKind[] | undefined
  /** Addresses (`kind/id`) that `migrate` faults move. Default: none, and then nothing is moved by hand. */
  readonly migrates?: readonly string[] | undefined
}

export interface ResolvedSimulateOptions {
  readonly actors: readonly ActorDefinition[]
  readonly workload: SimulateOptions['workload']
  readonly check: SimulateOptions['check']
  readonly seeds: readonly number[]
  readonly nodes: number | undefined
  readonly durationMs: number | undefined
  readonly faults: readonly UserFaultKind[]
  readonly migrates: readonly string[]
}

const DEFAULT_SEEDS = 50
const USER_FAULT_KINDS = FAULT_KINDS.filter((kind): kind is UserFaultKind => kind !== 'poison')
const NOT_BY_DEFAULT: readonly FaultKind[] = ['store-rebirth', 'twin']

/** @throws TypeError that names the option, what it is, and what it must be. */
export function resolveSimulateOptions(options: SimulateOptions): ResolvedSimulateOptions {
  const { actors, workload, check, seeds = DEFAULT_SEEDS, nodes, durationMs, migrates = [] } = options
  const faults = options.faults ?? USER_FAULT_KINDS.filter((kind) => !NOT_BY_DEFAULT.includes(kind))
  if (!Array.isArray(actors) || actors.length === 0)
    throw new TypeError('actors is empty; it must list every kind that the workload speaks to')
  for (const [name, part] of Object.entries({ workload, check })) {
    if (typeof part !== 'function') throw new TypeError(`${name} is ${String(part)}; it must be a function that takes the world`)
  }
  if (nodes !== undefined) checkWhole('nodes', nodes, 1)
  if (durationMs !== undefined && !(Number.isFinite(durationMs) && durationMs > 0)) {
    throw new TypeError(`durationMs is ${String(durationMs)}; it must be a number of milliseconds above 0`)
  }
  for (const kind of faults) {
    if (!USER_FAULT_KINDS.includes(kind)) throw new TypeError(`faults holds '${String(kind)}'; it may hold ${USER_FAULT_KINDS.join(', ')}`)
  }
  const kinds = actors.map(({ kind }) => kind)
  for (const address of migrates) {
    const [kind = '', ...id] = address.split('/')
    if (!kinds.includes(kind) || id.join('/') === '') {
      throw new TypeError(
        `migrates holds '${address}'; it must hold addresses such as '${kinds[0]}/some-id', of the kinds in actors (${kinds.join(', ')})`,
      )
    }
  }
  if (options.faults?.includes('migrate') === true && migrates.length === 0) {
    throw new TypeError(`faults holds 'migrate', and migrates is empty; it must name the actors to move, such as '${kinds[0]}/some-id'`)
  }
  return { actors, workload, check, seeds: listOf(seeds), nodes, durationMs, faults, migrates }
}

function listOf(seeds: number | readonly number[]): readonly number[] {
  if (!Array.isArray(seeds)) {
    checkWhole('seeds', seeds as number, 1)
    return Array.from({ length: seeds as number }, (_, index) => index + 1)
  }
  if (seeds.length === 0) throw new TypeError('seeds is an empty list; it must hold at least one seed')
  for (const [index, seed] of seeds.entries()) checkWhole(`seeds[${index}]`, seed, 0)
  return seeds
}

function checkWhole(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least)
    throw new TypeError(`${name} is ${String(value)}; it must be a whole number, ${least} or more`)
}
