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

/** One run. Resolves with the figure, or with one for each metric by name. A run whose work was not completed rejects. */
export type Subject = () => Promise<number | Readonly<Record<string, number>>>

export interface BenchCase {
  readonly suite: string
  readonly case: string
  /** What one run of a subject gives: the unit of each metric by its name. */
  readonly metrics: Readonly<Record<string, string>>
  /** `cajun`, the floor's name, or the peer's. The same function in several cases of a group runs once a round for all of them. */
  readonly subjects: Readonly<Record<string, Subject>>
}

/** Cases that are measured together, run by run, with the processes and servers that they need. */
export interface BenchGroup {
  readonly suite: string
  /** Names of the cases, to choose by before anything is started. */
  readonly cases: readonly string[]
  /** Default 2 warm-ups and 7 counted runs. */
  readonly warmUps?: number
  readonly runs?: number
  /** Rejects with `Unavailable` when this machine lacks what it needs. */
  open(): Promise<OpenGroup>
}

export interface OpenGroup {
  readonly cases: readonly BenchCase[]
  close?(): Promise<void>
}

/** What a suite needs isn't there: it is skipped, visibly. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}

/** A group of one case that needs nothing. */
export function single(bench: BenchCase, runs: Pick<BenchGroup, 'runs' | 'warmUps'> = {}): BenchGroup {
  return { suite: bench.suite, cases: [bench.case], ...runs, open: () => Promise.resolve({ cases: [bench] }) }
}

export async function measure(
  cases: readonly BenchCase[],
  { warmUps = 2, runs = 7 }: Pick<BenchGroup, 'runs' | 'warmUps'> = {},
  onProgress: (text: string) => void = () => {},
): Promise<Row[]> {
  const figures = new Map<Subject, Readonly<Record<string, number>>[]>()
  for (let run = -warmUps; run < runs; run++) {
    const done = new Set<Subject>()
    for (const bench of cases) {
      for (const [name, once] of Object.entries(bench.subjects)) {
        if (done.has(once)) continue
        done.add(once)
        onProgress(`${run < 0 ? 'warm-up' : `run ${run + 1} of ${runs}`}: ${bench.suite} ${bench.case} ${name}`)
        globalThis.gc?.()
        const result = await once()
        if (run < 0) continue
        const figure = typeof result === 'number' ? { [Object.keys(bench.metrics)[0] as string]: result } : result
        figures.set(once, [...(figures.get(once) ?? []), figure])
      }
    }
  }
  return cases.flatMap((bench) =>
    Object.entries(bench.metrics).flatMap(([metric, unit]) =>
      Object.entries(bench.subjects).flatMap(([subject, once]) => {
        const values = (figures.get(once) ?? []).flatMap((figure) => figure[metric] ?? []).sort((a, b) => a - b)
        if (values.length === 0) return []
        return [
          {
            suite: bench.suite,
            case: bench.case,
            subject,
            metric,
            unit,
            median: values[values.length >> 1] as number,
            min: values[0] as number,
            max: values.at(-1) as number,
            runs: values.length,
          },
        ]
      }),
    ),
  )
}

/** Messages per second of `messages` handled within `work`. */
export async function perSecond(messages: number, work: () => Promise<void>): Promise<number> {
  const begin = performance.now()
  await work()
  return messages / ((performance.now() - begin) / 1_000)
}
