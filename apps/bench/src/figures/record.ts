// What was measured last, kept beside the bench so that documents can be written again and ratios be taken: `results/rows.json`, the rows of
// every suite, and `results/machines.json`, where and when each suite was measured.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Row } from '../measure.ts'
import type { Machine } from './machine.ts'

const FOLDER = new URL('../../results/', import.meta.url)
const ROWS = new URL('rows.json', FOLDER)
const MACHINES = new URL('machines.json', FOLDER)

export interface BenchRecord {
  readonly rows: readonly Row[]
  readonly machines: Readonly<Record<string, Machine>>
}

export function readRecord(): BenchRecord {
  const read = (file: URL, otherwise: string): unknown => JSON.parse(existsSync(file) ? readFileSync(file, 'utf8') : otherwise)
  return { rows: read(ROWS, '[]'), machines: read(MACHINES, '{}') } as BenchRecord
}

export function writeRecord({ rows, machines }: BenchRecord): void {
  writeFileSync(ROWS, rowsText(rows))
  writeFileSync(MACHINES, `${JSON.stringify(machines, undefined, 2)}\n`)
}

export interface CaseName {
  readonly suite: string
  readonly case: string
}

/** What was measured now takes the place of what was recorded of the same cases. `cases` are all that there are, in order: rows of others go. */
export function merged(old: BenchRecord, measured: readonly Row[], machine: Machine, cases: readonly CaseName[]): BenchRecord {
  const nameOf = (of: CaseName): string => `${of.suite} / ${of.case}`
  const [before, now] = [Map.groupBy(old.rows, nameOf), Map.groupBy(measured, nameOf)]
  const rows = cases.map(nameOf).flatMap((name) => now.get(name) ?? before.get(name) ?? [])
  const fresh = new Set(measured.map((row) => row.suite))
  const machines: Record<string, Machine> = {}
  for (const suite of new Set(rows.map((row) => row.suite))) {
    const of = fresh.has(suite) ? machine : old.machines[suite]
    if (of !== undefined) machines[suite] = of
  }
  return { rows, machines }
}

/** One row a line, so that a difference shows what changed. */
export function rowsText(rows: readonly Row[]): string {
  return `[\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`
}
