// How rows are shown in the terminal.

import { shown, significant } from './figures/format.ts'
import type { Row } from './measure.ts'

export function table(rows: readonly Row[]): string {
  const cases = Map.groupBy(rows, (row) => `${row.suite} ${row.case} ${row.metric === 'throughput' ? '' : row.metric}`.trim())
  const lines: string[] = []
  for (const [name, group] of cases) {
    const ours = group.find((row) => row.subject === 'cajun')
    for (const row of group) {
      const ratio = ours === undefined || row === ours ? '' : `  cajun / ${row.subject} = ${significant(ours.median / row.median)}`
      const range = `${shown(row.min, row.unit)} .. ${shown(row.max, row.unit)}`
      lines.push(`${name.padEnd(40)} ${row.subject.padEnd(12)} ${shown(row.median, row.unit).padStart(12)} (${range})${ratio}`)
    }
  }
  return lines.join('\n')
}
