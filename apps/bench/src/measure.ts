// Counted runs, interleaved: A B C A B C …, so that whatever the machine does meanwhile hits all subjects alike.

export interface Row {
  readonly suite: string
  readonly case: string
  readonly subject: string
  readonly metric: string
  readonly unit: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly runs: number
}

export interface BenchCase {
  readonly suite: string
  readonly case: string
  readonly metric: string
  readonly unit: string
  /** One run: the figure in `unit`. A run whose work was not completed throws. */
  readonly subjects: { readonly [subject: string]: () => Promise<number> }
  /** How often. Defaults: 1 warm-up, 5 counted. */
  readonly warmUps?: number
  readonly runs?: number
}

export async function measure(bench: BenchCase): Promise<Row[]> {
  const subjects = Object.entries(bench.subjects)
  const values = new Map<string, number[]>(subjects.map(([name]) => [name, []]))
  const { warmUps = 2, runs = 7 } = bench
  for (let run = -warmUps; run < runs; run++) {
    for (const [name, once] of subjects) {
      globalThis.gc?.()
      const value = await once()
      if (run >= 0) values.get(name)?.push(value)
    }
  }
  return subjects.map(([subject]) => {
    const sorted = [...(values.get(subject) ?? [])].sort((a, b) => a - b)
    return {
      suite: bench.suite,
      case: bench.case,
      subject,
      metric: bench.metric,
      unit: bench.unit,
      median: sorted[sorted.length >> 1] ?? Number.NaN,
      min: sorted[0] ?? Number.NaN,
      max: sorted.at(-1) ?? Number.NaN,
      runs: sorted.length,
    }
  })
}

/** Messages per second of `messages` handled within `work`. */
export async function perSecond(messages: number, work: () => Promise<void>): Promise<number> {
  const begin = performance.now()
  await work()
  return messages / ((performance.now() - begin) / 1_000)
}

export function table(rows: readonly Row[]): string {
  const cases = Map.groupBy(rows, (row) => `${row.suite} ${row.case}`.trim())
  const lines: string[] = []
  for (const [name, group] of cases) {
    const ours = group.find((row) => row.subject === 'cajun')
    for (const row of group) {
      const ratio = ours === undefined || row === ours ? '' : `  cajun / ${row.subject} = ${(ours.median / row.median).toFixed(2)}`
      const range = `${format(row.min)} .. ${format(row.max)}`
      lines.push(`${name.padEnd(24)} ${row.subject.padEnd(12)} ${format(row.median).padStart(10)} ${row.unit.padEnd(8)} (${range})${ratio}`)
    }
  }
  return lines.join('\n')
}

function format(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} k`
  return value.toFixed(1)
}
