// I14: a failover costs the store one write for each kind of actor and two more, however many nodes died and however many actors they had.

import type { History } from '../history.ts'
import type { Violation } from './violation.ts'

export interface Failover {
  /** When nodes died, and nothing else happened. */
  readonly atMs: number
  readonly ttlMs: number
  readonly kinds: number
}

export function checkFailoverCost(history: History, failover: Failover | undefined): Violation[] {
  if (failover === undefined) return []
  const { atMs, ttlMs, kinds } = failover
  // What users ask to be remembered is their own traffic.
  const writes = history.storeWrites.filter(
    (write) => write.atMs > atMs && write.atMs <= atMs + ttlMs + 1_000 && !write.key.includes('/registry/'),
  )
  if (writes.length <= kinds + 2) return []
  const list = writes.map(({ key, by }) => `${key} by ${by}`).join(', ')
  return [{ invariant: 'I14', what: `the failover cost ${writes.length} writes, and ${kinds} kinds allow for ${kinds + 2}: ${list}`, atMs }]
}
