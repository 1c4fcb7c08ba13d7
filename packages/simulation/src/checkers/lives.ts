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
    if (turn.life < last && !turn.actor.startsWith('lasting/')) {
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
    // Of a kind that goes on without a lease there may be two.
    if (record.actor.startsWith('lasting/')) continue
    if (before === undefined || before.end !== undefined || record.excuse !== undefined || !counts.has(before.life)) continue
    const what = `${record.actor} began life ${record.life} on ${record.process}, although nothing had ended life ${before.life} (of ${before.process})`
    violations.push({ invariant: 'I13', what, atMs: record.atMs })
  }
  return [...violations, ...forgottenStashes(history, byActor)]
}

/** Timers that take it up are set for less, and turns before it may run out of time. */
const TAKEN_UP_MS = 4_000

/** What was put aside is kept with the state, and the timer that takes it up again, too. */
function forgottenStashes(history: History, newest: ReadonlyMap<string, number>): Violation[] {
  const violations: Violation[] = []
  const takenUp = new Set<string>()
  for (const turn of history.turns) if (turn.isUnstashed) takenUp.add(`${turn.life}/${turn.message}`)
  const lastMs = history.turns.at(-1)?.atMs ?? 0
  for (const turn of history.turns) {
    const isNewest = newest.get(turn.actor) === turn.life && history.lives.get(turn.life)?.end === undefined
    if (
      !turn.isStash ||
      !isNewest ||
      turn.actor.startsWith('lasting/') ||
      takenUp.has(`${turn.life}/${turn.message}`) ||
      turn.atMs + TAKEN_UP_MS > lastMs
    )
      continue
    const what = `message ${turn.message} was put aside by ${turn.actor} (life ${turn.life}) on ${turn.process} and never taken up, although that state lives`
    violations.push({ invariant: 'I13', what, atMs: turn.atMs })
  }
  return violations
}
