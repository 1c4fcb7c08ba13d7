// `failover`: from the SIGKILL of an actor's owner until a message sent at that moment was handled by the next one, on each store that processes can share. It
// can't be less than what is left of the session's TTL; the promise is TTL + 1 s.

import type { BenchGroup, OpenGroup } from '../measure.ts'
import { sharedStores } from '../stores/stores.ts'
import { BenchCluster } from './bench-cluster.ts'

const SUITE = 'failover'
const TTL_MS = 2_000

async function open(store: string): Promise<OpenGroup> {
  const cluster = await BenchCluster.start(TTL_MS, store)
  await cluster.add('node-0')
  await cluster.add('node-1')
  let next = 2
  const killed = async (): Promise<Record<string, number>> => {
    const [victim] = cluster.hosts.keys() as Iterator<string> & Iterable<string>
    const id = await cluster.actorOn(victim as string)
    await cluster.counter(id).ask('read')
    const begin = performance.now()
    await cluster.kill(victim as string)
    await cluster.counter(id).ask('read', undefined, { timeoutMs: 20_000 })
    const time = performance.now() - begin
    if (time > TTL_MS + 1_000) console.warn(`failover on ${store}: ${time.toFixed(0)} ms is more than the TTL and a second`)
    await cluster.add(`node-${next++}`)
    return { time, 'session TTL': TTL_MS }
  }
  return {
    cases: [{ suite: SUITE, case: store, metrics: { time: 'ms', 'session TTL': 'ms' }, subjects: { cajun: killed } }],
    close: () => cluster.close(),
  }
}

export const failoverGroups: readonly BenchGroup[] = Object.keys(sharedStores).map((store) => ({
  suite: SUITE,
  cases: [store],
  warmUps: 1,
  runs: 5,
  open: () => open(store),
}))
