// Latency of a metadata store: one operation at a time, from a client that is warm. Any store can be given; the figures of the READMEs come from here.

import { once } from 'node:events'
import type { MetadataStore } from '@cajun/core/adapter'

export interface LatencyRow {
  readonly operation: string
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const ROUNDS = 5_000
const WARM_UP = 2_000
const VALUE = 'x'.repeat(200)

export async function benchMetadataStore(store: MetadataStore, peer: MetadataStore): Promise<LatencyRow[]> {
  const rows: LatencyRow[] = []
  const measure = async (operation: string, run: (at: number) => Promise<unknown>, rounds = ROUNDS, warmUp = WARM_UP): Promise<void> => {
    for (let at = 0; at < warmUp; at++) await run(at)
    const times: number[] = []
    for (let at = 0; at < rounds; at++) {
      const startedAt = performance.now()
      await run(at)
      times.push(performance.now() - startedAt)
    }
    rows.push(row(operation, times))
  }

  await store.put('bench/k', VALUE)
  await measure('get', () => store.get('bench/k'))
  await measure('put', () => store.put('bench/k', VALUE))
  let version = ((await store.put('bench/c', VALUE)) as { version: string }).version
  await measure('put with ifVersion', async () => {
    const result = await store.put('bench/c', VALUE, { ifVersion: version })
    if (!result.ok) throw new Error(`lost a race with nobody: ${result.conflict}`)
    version = result.version
  })

  let arrived: (() => void) | undefined
  await using _watch = await peer.watch('bench/w', (event) => {
    if (event.type === 'changes') arrived?.()
  })
  await measure('put until another client sees it', async (at) => {
    const seen = new Promise<void>((resolve) => {
      arrived = resolve
    })
    await store.put('bench/w', `${at}`)
    await seen
  })

  const entries = Array.from({ length: 10_000 }, (_, at) => ({ key: `bench/r/${at}`, value: VALUE }))
  await measure('putAll of 10,000 keys', () => store.putAll(entries), 10, 2)
  await measure('list of 10,000 keys', () => store.list('bench/r/'), 10, 2)
  return rows
}

export function printLatencies(title: string, rows: readonly LatencyRow[]): void {
  const lines = rows.map((one) => `| ${one.operation} | ${milliseconds(one.p50Ms)} | ${milliseconds(one.p99Ms)} |`)
  console.log([`\n### ${title}\n`, '| | p50 | p99 |', '|---|---:|---:|', ...lines].join('\n'))
}

/** The first line that a child process writes. */
export async function firstLine(output: NodeJS.ReadableStream): Promise<string> {
  const [chunk] = await once(output, 'data')
  return String(chunk).trim()
}

function row(operation: string, times: number[]): LatencyRow {
  times.sort((a, b) => a - b)
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] as number
  return { operation, count: times.length, p50Ms: at(0.5), p99Ms: at(0.99) }
}

function milliseconds(ms: number): string {
  return ms < 0.1 ? `${(ms * 1_000).toFixed(1)} µs` : ms < 10 ? `${ms.toFixed(2)} ms` : `${ms.toFixed(0)} ms`
}
