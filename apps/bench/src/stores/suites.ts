// `stores`: the latency of each store's operations, one at a time over a warm client; until a watching client sees a write; and a batch of 10,000 keys.
// There is no floor: the server decides nearly all of it. Every operation's result is checked.

import type { MetadataStore } from '@cajun/core/adapter'
import type { BenchCase, BenchGroup, OpenGroup, Subject } from '../measure.ts'
import { stores } from './stores.ts'

const SUITE = 'stores'
const VALUE = 'x'.repeat(200)
const BATCH = 10_000
const OPERATIONS = ['get', 'put', 'conditional put', 'watch', `batch of ${BATCH} keys`, `list of ${BATCH} keys`] as const

/** One run: p50, and from 100 operations on p99, of so many in a row. */
function latencies(count: number, operation: (n: number) => Promise<void>): Subject {
  return async () => {
    const times = new Float64Array(count)
    for (let n = 0; n < count; n++) {
      const begin = performance.now()
      await operation(n)
      times[n] = (performance.now() - begin) * 1_000
    }
    times.sort()
    const at = (share: number): number => times[Math.min(count - 1, Math.floor(count * share))] as number
    return count < 100 ? { p50: at(0.5) } : { p50: at(0.5), p99: at(0.99) }
  }
}

function check(isRight: boolean, what: string): void {
  if (!isRight) throw new Error(what)
}

async function operationsOf(store: MetadataStore, peer: MetadataStore): Promise<Record<(typeof OPERATIONS)[number], Subject>> {
  await store.put('bench/get', VALUE)
  const first = await store.put('bench/conditional', VALUE)
  if (!first.ok) throw new Error('an unconditional put was refused')
  let { version } = first
  let seen: string | undefined
  let arrived: (() => void) | undefined
  await peer.watch('bench/watched', (event) => {
    const change = event.type === 'changes' ? event.changes.at(-1) : undefined
    if (change?.type !== 'put') return
    seen = change.entry.value
    arrived?.()
  })
  const entries = Array.from({ length: BATCH }, (_, n) => ({ key: `bench/batch/${n}`, value: VALUE }))
  return {
    get: latencies(1_000, async () => check((await store.get('bench/get'))?.value === VALUE, 'get gave another value')),
    put: latencies(500, async () => check((await store.put('bench/put', VALUE)).ok, 'put was refused')),
    'conditional put': latencies(500, async () => {
      const result = await store.put('bench/conditional', VALUE, { ifVersion: version })
      if (!result.ok) throw new Error('a conditional put lost a race with nobody')
      version = result.version
    }),
    watch: latencies(500, async (n) => {
      const value = `${n} ${performance.now()}`
      const news = new Promise<void>((resolve) => {
        arrived = () => {
          if (seen === value) resolve()
        }
      })
      await store.put('bench/watched', value)
      await news
    }),
    [`batch of ${BATCH} keys`]: latencies(2, async () => void (await store.putAll(entries))),
    [`list of ${BATCH} keys`]: latencies(2, async () => check((await store.list('bench/batch/')).length === BATCH, 'list is incomplete')),
  } as Record<(typeof OPERATIONS)[number], Subject>
}

function group(name: string, openStore: (typeof stores)[string]): BenchGroup {
  const caseOf = (operation: string): string => `${name}: ${operation}`
  return {
    suite: SUITE,
    cases: OPERATIONS.map(caseOf),
    warmUps: 2,
    runs: 5,
    async open(): Promise<OpenGroup> {
      const { store, peer, close } = await openStore()
      const operations = await operationsOf(store, peer)
      const cases = OPERATIONS.map(
        (operation): BenchCase => ({
          suite: SUITE,
          case: caseOf(operation),
          metrics: { p50: 'µs', p99: 'µs' },
          subjects: { cajun: operations[operation] },
        }),
      )
      return { cases, close }
    },
  }
}

export const storeGroups: readonly BenchGroup[] = Object.entries(stores).map(([name, open]) => group(name, open))
