// I3, I4 and I6: what was acknowledged is among the effects, exactly-once takes effect once in each life of a state and never again after
// it was acknowledged, at-most-once never twice, and what is said not to have been executed was not.

import type { History, TurnRecord } from '../history.ts'
import { describeSend, effectsByMessage, type Violation } from './violation.ts'

export function checkEffects(history: History): Violation[] {
  const violations: Violation[] = []
  const effects = effectsByMessage(history)
  // To put a message aside is to handle it, by keeping it as state: it may be lost with that state.
  const newest = new Map<string, number>()
  for (const { actor, life } of history.lives.values()) newest.set(actor, life)
  const stashed = new Set(history.turns.filter((turn) => turn.isStash).map((turn) => turn.message))
  for (const send of history.sends) {
    const turns = effects.get(send.message) ?? []
    const outcome = history.outcomes.get(send.message)
    const report = (invariant: string, what: string, atMs: number): void => {
      violations.push({ invariant, what: `${describeSend(send)} ${what}`, atMs })
    }
    const reliable = send.guarantee !== 'at-most-once'
    if (turns.length === 0) {
      if (outcome?.result === 'ok' && !(stashed.has(send.message) && send.form !== 'ask') && (reliable || send.form === 'ask'))
        report('I3', 'was acknowledged and never handled', outcome.atMs)
      continue
    }
    const handling = turns.at(-1)
    if (outcome?.result === 'unknown' && reliable && outcome.detail?.includes(': stopped') === true && handling !== undefined) {
      const { life } = handling
      // Told so by the actor itself, whose state is the one that handled it.
      if (history.lives.get(life)?.end === undefined && newest.get(send.actor) === life)
        report('I4', `ended as unknown, although the state that handled it lives (${places(turns)})`, outcome.atMs)
    }
    if (outcome?.result === 'not-executed') report('I4', `ended as not executed, and was handled (${places(turns)})`, outcome.atMs)
    if (send.guarantee === 'at-most-once' && turns.length > 1)
      report('I6', `was handled ${turns.length} times (${places(turns)})`, atOf(turns[1]))
    if (send.guarantee === 'exactly-once') {
      const lives = new Set<number>()
      for (const turn of turns) {
        if (lives.has(turn.life)) report('I4', `was handled twice in life ${turn.life} (${places(turns)})`, turn.atMs)
        lives.add(turn.life)
      }
      const known = outcome !== undefined && (outcome.result === 'ok' || outcome.result === 'failed')
      // A stashed message is acknowledged first and taken up later.
      const again = turns.find((turn, index) => index > 0 && known && turn.atMs > outcome.atMs && !turn.isUnstashed)
      if (again !== undefined && !send.actor.startsWith('lasting/'))
        report('I4', `was handled again after it was acknowledged (${places(turns)})`, again.atMs)
    }
    if (outcome?.reply !== undefined) {
      const { reply } = outcome
      if (!turns.some((turn) => turn.life === reply.life && turn.count === reply.count)) {
        report('I4', `got a reply of life ${reply.life}, turn ${reply.count}, which did not handle it (${places(turns)})`, outcome.atMs)
      }
      if (reply.message !== send.message) report('I3', `got the reply to message ${reply.message}`, outcome.atMs)
    }
  }
  return violations
}

function places(turns: readonly TurnRecord[]): string {
  return turns.map((turn) => `${turn.process} at ${turn.atMs.toFixed(1)}, life ${turn.life} turn ${turn.count}`).join('; ')
}

function atOf(turn: TurnRecord | undefined): number {
  return turn?.atMs ?? 0
}
