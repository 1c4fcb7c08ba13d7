// Whole suites: every row that was measured, with the ratios of ours to everybody else's.

import type { Row } from '../measure.ts'
import { shown, significant, tableOf } from './format.ts'
import type { RecordedRows } from './recorded-rows.ts'

export function suiteTable(rows: RecordedRows, suites: readonly string[]): string {
  const body = suites.flatMap((suite) =>
    rows.casesOf(suite).flatMap((name) => {
      const ofCase = rows.all.filter((row) => row.suite === suite && row.case === name)
      return [...Map.groupBy(ofCase, (row) => row.metric)].flatMap(([metric, group]) =>
        group.map((row, index) => [index === 0 ? titleOf(suites.length > 1 ? suite : '', name, metric) : '', ...cellsOf(row, group)]),
      )
    }),
  )
  return tableOf(['case', 'subject', 'median', 'least', 'most', 'runs', 'cajun / subject'], body)
}

function titleOf(suite: string, name: string, metric: string): string {
  const parts = [suite, name, metric === 'throughput' ? '' : metric].filter((part) => part !== '')
  return parts.length === 0 ? metric : parts.join(', ')
}

function cellsOf(row: Row, group: readonly Row[]): readonly string[] {
  const ours = group.find((each) => each.subject === 'cajun')
  const ratio = ours === undefined || ours === row ? '' : significant(ours.median / row.median)
  return [row.subject, ...[row.median, row.min, row.max].map((value) => shown(value, row.unit)), String(row.runs), ratio]
}
