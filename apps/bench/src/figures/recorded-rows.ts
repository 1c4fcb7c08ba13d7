// The rows that figures are taken from, found by name. What isn't there is an error: a document never shows a figure that nobody measured.

import type { Row } from '../measure.ts'

export interface RowName {
  readonly suite: string
  readonly case: string
  /** Default `cajun`. */
  readonly subject?: string
  /** Default `throughput`. */
  readonly metric?: string
}

export class RecordedRows {
  readonly all: readonly Row[]

  constructor(all: readonly Row[]) {
    this.all = all
  }

  find({ suite, case: name, subject = 'cajun', metric = 'throughput' }: RowName): Row | undefined {
    return this.all.find((row) => row.suite === suite && row.case === name && row.subject === subject && row.metric === metric)
  }

  get(name: RowName): Row {
    const row = this.find(name)
    if (row !== undefined) return row
    const { suite, case: text, subject = 'cajun', metric = 'throughput' } = name
    throw new Error(`no row was recorded of suite '${suite}', case '${text}', subject '${subject}', metric '${metric}'`)
  }

  /** Of a suite, in the order of measuring. */
  casesOf(suite: string): readonly string[] {
    const cases = [...new Set(this.all.filter((row) => row.suite === suite).map((row) => row.case))]
    if (cases.length === 0) throw new Error(`no row was recorded of suite '${suite}'`)
    return cases
  }

  ratio(ours: RowName, theirs: RowName): number {
    return this.get(ours).median / this.get(theirs).median
  }
}
