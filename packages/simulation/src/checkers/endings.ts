// I7 and I9: whatever was sent ends, in time; what was only told is handled or becomes a dead letter; and once all faults are
// healed, everything works again within its bound.

import type { History } from '../history.ts'
import { crashedProcesses, describeSend, effectsByMessage, type Violation } from './violation.ts'

/** Timers are hints, and deadlines are swept in steps. */
const LATE_MS = 600

export interface EndingsOptions {
  /** How long each process was paused in all. */
  readonly pausedMs: ReadonlyMap<string, number>
  /** When everything has to work again. */
  readonly settledMs: number
}

/** What is left of a mailbox by then may take that long: turns that run out of time among it. */
const BACKLOG_MS = 1_500

export function checkEndings(history: History, { pausedMs, settledMs }: EndingsOptions): Violation[] {
  const violations: Violation[] = []
  const crashed = crashedProcesses(history)
  const effects = effectsByMessage(history)
  const stashed = new Set(history.turns.filter((turn) => turn.isStash).map((turn) => turn.message))
  const untold = new Map<string, number>()
  for (const send of history.sends) {
    if (crashed.has(send.source)) continue
    const outcome = history.outcomes.get(send.message)
    const dueMs = send.atMs + send.timeoutMs + LATE_MS + 2 * (pausedMs.get(send.source) ?? 0)
    if (send.isProbe && outcome?.result !== 'ok') {
      const how = outcome === undefined ? 'has not ended' : `ended as ${outcome.result}: ${outcome.detail ?? ''}`
      violations.push({ invariant: 'I9', what: `after everything was healed, ${describeSend(send)} ${how}`, atMs: send.atMs })
    } else if (send.form !== 'tell') {
      const deadlineMs = send.atMs + send.timeoutMs
      if (
        send.guarantee !== 'at-most-once' &&
        send.atMs < settledMs &&
        deadlineMs > settledMs + BACKLOG_MS &&
        outcome?.detail?.includes('deadline') === true
      ) {
        const what = `${describeSend(send)} did not move on after everything was healed: it ended as ${outcome.result}: ${outcome.detail}`
        violations.push({ invariant: 'I9', what, atMs: outcome.atMs })
      }
      if (outcome === undefined) violations.push({ invariant: 'I7', what: `${describeSend(send)} never ended`, atMs: send.atMs })
      else if (outcome.atMs > dueMs) {
        const what = `${describeSend(send)} ended ${(outcome.atMs - send.atMs).toFixed(0)} ms after it was sent, with a deadline of ${send.timeoutMs} ms`
        violations.push({ invariant: 'I7', what, atMs: outcome.atMs })
      }
    } else if (
      send.guarantee !== 'at-most-once' &&
      outcome?.result !== 'not-executed' &&
      !effects.has(send.message) &&
      !stashed.has(send.message)
    ) {
      // A turn that was fenced takes with it what it sent: its effects are gone, and it runs again.
      if (send.insideOf === undefined) untold.set(send.actor, (untold.get(send.actor) ?? 0) + 1)
    }
  }
  const letters = new Map<string, number>()
  for (const letter of history.deadLetters) letters.set(letter.actor, (letters.get(letter.actor) ?? 0) + 1)
  for (const [actor, count] of untold) {
    const known = letters.get(actor) ?? 0
    if (count <= known) continue
    violations.push({
      invariant: 'I7',
      what: `${count} tells to ${actor} were never handled, and there are ${known} dead letters`,
      atMs: 0,
    })
  }
  return violations
}
