// The command line of `pnpm simulate`: what may be asked for, and what is wrong with what was asked for.

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ScenarioOptions } from './scenario.ts'

export const HELP = `Runs whole clusters under faults on a virtual clock, and checks what GUARANTEES promises.

  pnpm simulate                     2,000 seeds, on two threads
  pnpm simulate --seeds 500         that many, counted from 1
  pnpm simulate --minutes 10        as many as there is time for
  pnpm simulate --seed 17           that one, with what it reached
  pnpm simulate --replay FILE       a scenario that was written when a seed failed

  --nodes N     hosts (default: 3 to 7, by the seed)      --actors N    actors (default: 4 to 19)
  --messages N  messages sent from outside of actors      --watches N   times that an actor watches another
  --minutes M   stop after that time                      --threads T   worker threads (default 2)
  --from S      the first of --seeds (default 1)          --keep-going  run all seeds, also when many fail
  --no-marks    don't insist on every required mark       --out DIR     where failures are written
  --shrink-seconds S  for making a failure small (20; 0: leave it as it is)
`

export interface Shrinking {
  /** Where failures are written. */
  readonly directory: string
  readonly shrinkMs: number
}

export type Command =
  | { readonly kind: 'help' }
  | ({ readonly kind: 'replay'; readonly path: string } & Shrinking)
  | ({ readonly kind: 'seed'; readonly seed: number; readonly options: ScenarioOptions } & Shrinking)
  | ({
      readonly kind: 'seeds'
      readonly from: number
      /** Undefined: as many as there is time for. */
      readonly count: number | undefined
      /** Of real time. */
      readonly limitMs: number | undefined
      readonly threads: number
      readonly keepGoing: boolean
      readonly insistOnMarks: boolean
      readonly options: ScenarioOptions
    } & Shrinking)

/** The message says what was wrong, and what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const DEFAULT_SEEDS = 2_000
const MOST_THREADS = 256

const spec = {
  seeds: { type: 'string' },
  seed: { type: 'string' },
  from: { type: 'string' },
  nodes: { type: 'string' },
  actors: { type: 'string' },
  messages: { type: 'string' },
  watches: { type: 'string' },
  minutes: { type: 'string' },
  threads: { type: 'string' },
  replay: { type: 'string' },
  out: { type: 'string' },
  'shrink-seconds': { type: 'string' },
  'keep-going': { type: 'boolean' },
  'no-marks': { type: 'boolean' },
  help: { type: 'boolean' },
} as const

type Values = { readonly [K in keyof typeof spec]?: (typeof spec)[K]['type'] extends 'string' ? string : boolean }

const OF_SCENARIOS = ['nodes', 'actors', 'messages', 'watches'] as const
const OF_MANY = ['seeds', 'from', 'minutes', 'threads', 'keep-going', 'no-marks'] as const

/** @throws UsageError */
export function parseCommand(args: readonly string[]): Command {
  const values = parse(args)
  if (values.help === true) return { kind: 'help' }
  const shrinking: Shrinking = {
    directory: values.out ?? join(tmpdir(), 'cajun-simulation'),
    shrinkMs: 1_000 * (number(values, 'shrink-seconds', 0) ?? 20),
  }
  if (values.replay !== undefined) {
    refuse(values, 'replay', ['seed', ...OF_MANY, ...OF_SCENARIOS])
    return { kind: 'replay', path: values.replay, ...shrinking }
  }
  const options: ScenarioOptions = {
    nodes: whole(values, 'nodes', 1),
    actors: whole(values, 'actors', 1),
    messages: whole(values, 'messages', 0),
    watches: whole(values, 'watches', 0),
  }
  const seed = whole(values, 'seed', 0)
  if (seed !== undefined) {
    refuse(values, 'seed', OF_MANY)
    return { kind: 'seed', seed, options, ...shrinking }
  }
  const minutes = number(values, 'minutes', 0)
  if (minutes === 0) throw new UsageError("--minutes is '0'; it must be a number above 0")
  return {
    kind: 'seeds',
    from: whole(values, 'from', 0) ?? 1,
    count: whole(values, 'seeds', 1) ?? (minutes === undefined ? DEFAULT_SEEDS : undefined),
    limitMs: minutes === undefined ? undefined : minutes * 60_000,
    threads: whole(values, 'threads', 1, MOST_THREADS) ?? 2,
    keepGoing: values['keep-going'] === true,
    insistOnMarks: values['no-marks'] !== true,
    options,
    ...shrinking,
  }
}

function parse(args: readonly string[]): Values {
  try {
    return parseArgs({ args: [...args], options: spec }).values
  } catch (error) {
    throw new UsageError((error as Error).message.split('\n')[0])
  }
}

function refuse(values: Values, chosen: keyof Values, others: ReadonlyArray<keyof Values>): void {
  const given = others.find((name) => values[name] !== undefined)
  if (given !== undefined) throw new UsageError(`--${given} says nothing beside --${chosen}; leave one of the two out`)
}

function number(values: Values, name: keyof Values, least: number): number | undefined {
  const text = values[name]
  if (text === undefined) return undefined
  const value = text === '' ? Number.NaN : Number(text)
  if (!Number.isFinite(value) || value < least) throw new UsageError(`--${name} is '${text}'; it must be a number, ${least} or more`)
  return value
}

function whole(values: Values, name: keyof Values, least: number, most: number = 2 ** 31): number | undefined {
  const text = values[name]
  if (text === undefined) return undefined
  const value = text === '' ? Number.NaN : Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  const right = most < 2 ** 31 ? `from ${least} to ${most}` : `${least} or more`
  throw new UsageError(`--${name} is '${text}'; it must be a whole number, ${right}`)
}
