// I15: a message that three owners have died of is dead-lettered. Its sender counts, and the news of a death may come after the news of who owns the
// actor next: then one more has it in hand.

import type { History } from '../history.ts'
import { describeSend, type Violation } from './violation.ts'

const DEATHS = 3

export function checkPoison(history: History): Violation[] {
  const violations: Violation[] = []
  const crashedAtMs = new Map<string, number>()
  for (const { process, event, atMs } of history.processEvents) if (event === 'crashed') crashedAtMs.set(process, atMs)
  const deaths = new Map<number, Set<string>>()
  for (const turn of history.turns) {
    // Begun and never ended, in the instant in which its process died.
    if (turn.endedAtMs !== undefined || crashedAtMs.get(turn.process) !== turn.atMs) continue
    const died = deaths.get(turn.message) ?? new Set()
    deaths.set(turn.message, died.add(turn.process))
    const send = history.sends[turn.message]
    if (send === undefined || died.size !== DEATHS + 2) continue
    violations.push({ invariant: 'I15', what: `${[...died].join(', ')} died of ${describeSend(send)}`, atMs: turn.atMs })
  }
  return violations
}
