// I2 at the other end of a turn: no acknowledgement, reply or message that it caused leaves after another was appointed and the lease was over. And I3: an
// acknowledgement leaves only when its turn has ended.

import type { History, TurnRecord } from '../history.ts'
import { describeSend, type Violation } from './violation.ts'

export function checkDepartures(history: History): Violation[] {
  const violations: Violation[] = []
  const turns = new Map<number, TurnRecord[]>()
  for (const turn of history.turns) {
    const present = turns.get(turn.message)
    if (present === undefined) turns.set(turn.message, [turn])
    else present.push(turn)
  }
  for (const { what, message, sent, process, atMs, problem } of history.departures) {
    const send = history.sends[message]
    if (send === undefined || (sent !== undefined && !turns.has(sent))) continue
    if (problem !== undefined) {
      violations.push({ invariant: 'I2', what: `the ${what} of ${describeSend(send)} left ${process}: ${problem}`, atMs })
    }
    // Another process may have run it since, and this one answers from the record that came along with the state.
    const begun = (turns.get(message) ?? []).filter((turn) => turn.atMs <= atMs)
    // Of a kind that goes on without a lease there may have been two, of which this one was discarded in its turn, and got the other's record later.
    const mayBeOthers = send.actor.startsWith('lasting/')
    const isOver = begun.some(
      (turn) => (turn.process === process || mayBeOthers) && (turn.isStash || (turn.endedAtMs !== undefined && turn.endedAtMs <= atMs)),
    )
    if (what !== 'message' && send.guarantee !== 'at-most-once' && begun.at(-1)?.process === process && !isOver) {
      violations.push({ invariant: 'I3', what: `the ${what} of ${describeSend(send)} left ${process} before its turn had ended`, atMs })
    }
  }
  return violations
}
