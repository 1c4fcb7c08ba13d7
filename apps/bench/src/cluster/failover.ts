// `failover`: from the SIGKILL of an actor's owner until a message sent at that moment was handled by the next one. It can't be less than what
// is left of the session's TTL; the promise is TTL + 1 s.

import type { BenchGroup, OpenGroup } from '../measure.ts'
import { BenchCluster } from './bench-cluster.ts'

const TTL_MS = 2_000
const NAME = `session TTL ${TTL_MS} ms`

async function open(): Promise<OpenGroup> {
  const cluster = await BenchCluster.start(TTL_MS)
  await cluster.add('node-0')
  await cluster.add('node-1')
  let next = 2
  const killed = async (): Promise<number> => {
    const [victim] = cluster.hosts.keys() as Iterator<string> & Iterable<string>
    const id = await cluster.actorOn(victim as string)
    await cluster.counter(id).ask('read')
    const begin = performance.now()
    await cluster.kill(victim as string)
    await cluster.counter(id).ask('read', undefined, { timeoutMs: 20_000 })
    const took = performance.now() - begin
    if (took > TTL_MS + 1_000) console.warn(`failover: ${took.toFixed(0)} ms is more than the TTL and a second`)
    await cluster.add(`node-${next++}`)
    return took
  }
  return {
    cases: [{ suite: 'failover', case: NAME, metrics: { time: 'ms' }, subjects: { cajun: killed } }],
    close: () => cluster.close(),
  }
}

export const failoverGroups: readonly BenchGroup[] = [{ suite: 'failover', cases: [NAME], warmUps: 1, runs: 5, open }]
