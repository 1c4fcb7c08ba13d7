// I5: what one process sends to one actor takes effect in the order in which it was sent, in each life of the state, duplicates aside.

import type { History } from '../history.ts'
import type { Violation } from './violation.ts'

export function checkOrder(history: History): Violation[] {
  const violations: Violation[] = []
  const last = new Map<string, { order: number; message: number }>()
  const seen = new Set<string>()
  for (const turn of history.turns) {
    if (turn.isUnstashed) continue
    const send = history.sends[turn.message]
    if (send === undefined) continue
    const once = `${turn.life}/${turn.message}`
    if (seen.has(once)) continue
    seen.add(once)
    const stream = `${turn.life}/${send.source}`
    const before = last.get(stream)
    if (before !== undefined && send.order < before.order) {
      violations.push({
        invariant: 'I5',
        what: `${turn.actor} (life ${turn.life}, on ${turn.process}) handled message ${send.message} (${send.guarantee}, no. ${send.order} from ${send.source}) after message ${before.message} (no. ${before.order})`,
        atMs: turn.atMs,
      })
    } else last.set(stream, { order: send.order, message: send.message })
  }
  return violations
}
