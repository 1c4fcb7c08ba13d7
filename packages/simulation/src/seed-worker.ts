// A thread of `seed-pool.ts`: runs the seeds that it is sent.

import { parentPort, workerData } from 'node:worker_threads'
import { runSeed } from './run-seeds.ts'
import type { ScenarioOptions } from './scenario.ts'

parentPort?.on('message', async (seed: number) => {
  parentPort?.postMessage(await runSeed(seed, workerData as ScenarioOptions))
})
