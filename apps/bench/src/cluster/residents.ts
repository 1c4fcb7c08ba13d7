// `residents`: what actors cost in memory where there are many: a million of them on one node, and actors that the cluster remembers (`register`).
// Each run has a process of its own, residents-process.ts.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type BenchCase, type BenchGroup, single } from '../measure.ts'

const MILLION = 1_000_000
const REGISTERED = 20_000

async function run(what: 'local' | 'cluster' | 'registered', count: number): Promise<Record<string, number>> {
  const program = new URL('./residents-process.ts', import.meta.url).pathname
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    '--conditions=@cajun/source',
    '--disable-warning=ExperimentalWarning',
    program,
    what,
    String(count),
  ])
  return JSON.parse(stdout) as Record<string, number>
}

const million = (name: string, what: 'local' | 'cluster'): BenchCase => ({
  suite: 'residents',
  case: `a million actors, ${name}`,
  metrics: { 'resident memory': 'MiB', 'largest resident memory': 'MiB', 'heap per actor': 'B' },
  subjects: { cajun: () => run(what, MILLION) },
})

export const residentGroups: readonly BenchGroup[] = [
  single(million('one process', 'local'), { warmUps: 0, runs: 5 }),
  single(million('one node of a cluster', 'cluster'), { warmUps: 0, runs: 5 }),
  single(
    {
      suite: 'residents',
      case: 'registered actors',
      metrics: { 'heap per actor': 'B' },
      subjects: { cajun: () => run('registered', REGISTERED) },
    },
    { warmUps: 0, runs: 5 },
  ),
]
