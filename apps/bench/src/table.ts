// How rows are shown in the terminal.

import type { Row } from './measure.ts'

export function table(rows: readonly Row[]): string {
  const cases = Map.groupBy(rows, (row) => `${row.suite} ${row.case} ${row.metric === 'throughput' ? '' : row.metric}`.trim())
  const lines: string[] = []
  for (const [name, group] of cases) {
    const ours = group.find((row) => row.subject === 'cajun')
    for (const row of group) {
      const ratio = ours === undefined || row === ours ? '' : `  cajun / ${row.subject} = ${(ours.median / row.median).toFixed(2)}`
      const range = `${formatFigure(row.min)} .. ${formatFigure(row.max)}`
      lines.push(
        `${name.padEnd(40)} ${row.subject.padEnd(12)} ${formatFigure(row.median).padStart(10)} ${row.unit.padEnd(8)} (${range})${ratio}`,
      )
    }
  }
  return lines.join('\n')
}

export function formatFigure(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k`
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
