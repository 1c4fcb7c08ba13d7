// Seeds over several threads: each takes the next one when it is done with its last.

import { Worker } from 'node:worker_threads'
import { runSeed, type SeedSummary } from './run-seeds.ts'
import type { ScenarioOptions } from './scenario.ts'

export interface PoolOptions {
  readonly from: number
  readonly count: number
  readonly threads: number
  readonly options: ScenarioOptions
  /** Of real time. */
  readonly deadlineMs: number
  readonly onDone: (summary: SeedSummary) => void
  readonly shouldStop?: () => boolean
}

export async function runPool(pool: PoolOptions): Promise<void> {
  let next = pool.from
  const end = pool.from + pool.count
  const take = (): number | undefined =>
    next < end && performance.now() < pool.deadlineMs && pool.shouldStop?.() !== true ? next++ : undefined
  if (pool.threads <= 1) {
    for (let seed = take(); seed !== undefined; seed = take()) pool.onDone(await runSeed(seed, pool.options))
    return
  }
  await Promise.all(Array.from({ length: pool.threads }, () => runThread(pool, take)))
}

function runThread({ options, onDone }: PoolOptions, take: () => number | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./seed-worker.ts', import.meta.url), { workerData: options })
    const feed = (): void => {
      const seed = take()
      if (seed === undefined) {
        void worker.terminate()
        resolve()
      } else worker.postMessage(seed)
    }
    worker.on('message', (summary: SeedSummary) => {
      onDone(summary)
      feed()
    })
    worker.on('error', reject)
    feed()
  })
}
