// I1 and I2: at most one process runs turns for an actor in an epoch, epochs only grow, and nobody runs a turn after another was appointed.

import type { History } from '../history.ts'
import type { Violation } from './violation.ts'

export function checkOwnership(history: History): Violation[] {
  const violations: Violation[] = []
  const last = new Map<string, { epoch: number; process: string }>()
  for (const turn of history.turns) {
    if (turn.problem !== undefined) {
      violations.push({ invariant: 'I1', what: `${turn.process} ran a turn of ${turn.actor}: ${turn.problem}`, atMs: turn.atMs })
      continue
    }
    if (turn.actor.startsWith('lasting/')) continue
    const before = last.get(turn.actor)
    if (before !== undefined && turn.epoch < before.epoch) {
      const what = `${turn.actor} ran under epoch ${turn.epoch} on ${turn.process} after epoch ${before.epoch} on ${before.process}`
      violations.push({ invariant: 'I1', what, atMs: turn.atMs })
    } else if (before?.epoch === turn.epoch && before.process !== turn.process) {
      const what = `${turn.actor} ran under epoch ${turn.epoch} on both ${before.process} and ${turn.process}`
      violations.push({ invariant: 'I1', what, atMs: turn.atMs })
    }
    if (before === undefined || turn.epoch >= before.epoch) last.set(turn.actor, { epoch: turn.epoch, process: turn.process })
  }
  return violations
}
