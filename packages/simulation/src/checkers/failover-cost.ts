// I14: the failover of a node costs the store one write for each kind of actor and two more, however many actors it had. Of nodes that die at once the
// sessions may end one after the other, each with a write for each kind. A leader key whose answer was lost is never adopted: it is deleted and created again.

import type { History } from '../history.ts'
import type { Violation } from './violation.ts'

export interface Failover {
  /** When nodes died, and nothing else happened. */
  readonly atMs: number
  readonly ttlMs: number
  readonly kinds: number
  readonly nodes: number
}

export function checkFailoverCost(history: History, failover: Failover | undefined): Violation[] {
  if (failover === undefined) return []
  const { atMs, ttlMs, kinds, nodes } = failover
  // What users ask to be remembered is their own traffic.
  const writes = history.storeWrites.filter(
    (write) => write.atMs > atMs && write.atMs <= atMs + ttlMs + 1_000 && !write.key.includes('/registry/'),
  )
  const lostKeys = writes.filter((write) => !write.isAnswered && write.key.endsWith('/leader')).length
  const allowed = kinds * nodes + 2 + 2 * lostKeys
  if (writes.length <= allowed) return []
  const list = writes.map(({ key, by }) => `${key} by ${by}`).join(', ')
  return [
    {
      invariant: 'I14',
      what: `the failover of ${nodes} nodes cost ${writes.length} writes, and ${kinds} kinds${lostKeys > 0 ? ` and ${lostKeys} lost answers` : ''} allow for ${allowed}: ${list}`,
      atMs,
    },
  ]
}
