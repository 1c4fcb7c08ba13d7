// A planted bug: one place of core's source, changed. The gate makes them one at a time and demands that the seeds notice.

import type { ScenarioOptions } from '../src/scenario.ts'

export interface Mutation {
  readonly id: string
  /** The rule of GUARANTEES or ARCHITECTURE that it breaks. */
  readonly rule: string
  /** Below packages/core/src. */
  readonly file: string
  /** Must stand in the file exactly once, and is replaced. */
  readonly find: string
  readonly replace: string
  /** Seeds that must suffice. */
  readonly seeds?: number
  /** What the seeds are planned with: a rare race gets schedules that aim at it. */
  readonly options?: ScenarioOptions
}

/** Throws when the place is not there exactly once: a mutation that does nothing must not pass for a bug that was found. */
export function mutate(source: string, { id, file, find, replace }: Mutation): string {
  const parts = source.split(find)
  if (parts.length !== 2) throw new Error(`mutation ${id}: its place is in ${file} ${parts.length - 1} times; it must be there once`)
  return parts.join(replace)
}
