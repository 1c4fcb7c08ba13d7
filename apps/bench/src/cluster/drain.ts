// `drain`: every one of 100,000 live actors moves from one node to another, with its state.

import type { BenchGroup, OpenGroup } from '../measure.ts'
import { inLanes } from '../remote/subject.ts'
import { BenchCluster, pause } from './bench-cluster.ts'

const ACTORS = 100_000
const NAME = `${ACTORS} actors`
const SAMPLE = 997

async function open(): Promise<OpenGroup> {
  const cluster = await BenchCluster.start(5_000)
  await cluster.add('node-0')
  await inLanes(ACTORS, 1_024, (n) => cluster.counter(`a-${n}`).send('add', 1))
  await cluster.add('node-1')
  const { manager } = cluster.client
  await manager.drain('node-1', { timeoutMs: 120_000 })
  let [loaded, empty] = ['node-0', 'node-1']

  const drained = async (): Promise<Record<string, number>> => {
    await manager.undrain(empty)
    while ((await manager.nodes()).some(({ nodeId, draining }) => nodeId === empty && draining)) await pause()
    const begin = performance.now()
    await manager.drain(loaded, { timeoutMs: 120_000 })
    const ms = performance.now() - begin
    ;[loaded, empty] = [empty, loaded]
    await check()
    return { time: ms / 1_000, throughput: ACTORS / (ms / 1_000) }
  }
  /** All are there, and those looked at have their state. */
  const check = async (): Promise<void> => {
    let actors: number | undefined
    for (let tries = 0; tries < 250 && actors !== ACTORS; tries++, await pause()) {
      actors = (await manager.nodes()).find(({ nodeId }) => nodeId === loaded)?.actors
    }
    if (actors !== ACTORS) throw new Error(`${actors} actors live on ${loaded}, of ${ACTORS}`)
    for (let n = 0; n < ACTORS; n += SAMPLE) {
      const value = await cluster.counter(`a-${n}`).ask('read')
      if (value !== 1) throw new Error(`counter a-${n} has ${String(value)} instead of 1`)
    }
  }
  return {
    cases: [{ suite: 'drain', case: NAME, metrics: { time: 's', throughput: 'actors/s' }, subjects: { cajun: drained } }],
    close: () => cluster.close(),
  }
}

export const drainGroups: readonly BenchGroup[] = [{ suite: 'drain', cases: [NAME], warmUps: 1, runs: 5, open }]
