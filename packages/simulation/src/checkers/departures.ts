// I2 at the other end of a turn: no acknowledgement, reply or message that it caused leaves after another was appointed and the lease was over. And I3: an
// acknowledgement leaves only when its turn has ended.

import type { History, TurnRecord } from '../history.ts'
import { describeSend, type Violation } from './violation.ts'

export function checkDepartures(history: History): Violation[] {
  const violations: Violation[] = []
  const turns = new Map<string, TurnRecord[]>()
  for (const turn of history.turns) {
    const key = `${turn.process}/${turn.message}`
    const present = turns.get(key)
    if (present === undefined) turns.set(key, [turn])
    else present.push(turn)
  }
  const handled = new Set(history.turns.map((turn) => turn.message))
  for (const { what, message, sent, process, atMs, problem } of history.departures) {
    const send = history.sends[message]
    if (send === undefined || (sent !== undefined && !handled.has(sent))) continue
    if (problem !== undefined) {
      violations.push({ invariant: 'I2', what: `the ${what} of ${describeSend(send)} left ${process}: ${problem}`, atMs })
    }
    // Answered by a process that has run no turn of it: from the record that came along with the state.
    const own = (turns.get(`${process}/${message}`) ?? []).filter((turn) => turn.atMs <= atMs)
    const isOver = own.some((turn) => turn.isStash || (turn.endedAtMs !== undefined && turn.endedAtMs <= atMs))
    if (what !== 'message' && send.guarantee !== 'at-most-once' && own.length > 0 && !isOver) {
      violations.push({ invariant: 'I3', what: `the ${what} of ${describeSend(send)} left ${process} before its turn had ended`, atMs })
    }
  }
  return violations
}
