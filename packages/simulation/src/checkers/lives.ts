// I3 and I13: a state is in one place and never goes back: its turns are numbered without gap and without repetition. A new life of an
// actor begins only when the old one was given up, or was lost with a process or a lease.

import type { History } from '../history.ts'
import type { Violation } from './violation.ts'

export function checkLives(history: History): Violation[] {
  const violations: Violation[] = []
  const counts = new Map<number, { count: number; process: string }>()
  const newest = new Map<string, number>()
  for (const turn of history.turns) {
    const last = newest.get(turn.actor) ?? 0
    if (turn.life < last) {
      const what = `${turn.process} went on with life ${turn.life} of ${turn.actor}, although life ${last} had run turns since`
      violations.push({ invariant: 'I13', what, atMs: turn.atMs })
    }
    newest.set(turn.actor, Math.max(last, turn.life))
    const before = counts.get(turn.life)
    const expected = (before?.count ?? 0) + 1
    if (turn.count < expected) {
      const what = `the state of ${turn.actor} (life ${turn.life}) went back: turn ${turn.count} on ${turn.process} after turn ${before?.count} on ${before?.process}`
      violations.push({ invariant: 'I13', what, atMs: turn.atMs })
    } else if (turn.count > expected) {
      const what = `the state of ${turn.actor} (life ${turn.life}) shows ${turn.count} turns on ${turn.process}, and ${expected} were run`
      violations.push({ invariant: 'I3', what, atMs: turn.atMs })
    }
    counts.set(turn.life, { count: turn.count, process: turn.process })
  }
  const byActor = new Map<string, number>()
  for (const record of history.lives.values()) {
    const beforeLife = byActor.get(record.actor)
    byActor.set(record.actor, record.life)
    const before = beforeLife === undefined ? undefined : history.lives.get(beforeLife)
    if (before === undefined || before.end !== undefined || record.excuse !== undefined || !counts.has(before.life)) continue
    const what = `${record.actor} began life ${record.life} on ${record.process}, although nothing had ended life ${before.life} (of ${before.process})`
    violations.push({ invariant: 'I13', what, atMs: record.atMs })
  }
  return violations
}
