// What a checker reports, and small indexes over a history that several of them need.

import type { History, SendRecord, TurnRecord } from '../history.ts'

export interface Violation {
  /** As numbered in GUARANTEES. */
  readonly invariant: string
  readonly what: string
  readonly atMs: number
}

export function describeSend(send: SendRecord): string {
  return `message ${send.message} (${send.guarantee} ${send.form} no. ${send.order} from ${send.source} to ${send.actor})`
}

/** Turns that took effect, in order, by message. A turn that only put its message aside is none. */
export function effectsByMessage(history: History): Map<number, TurnRecord[]> {
  const effects = new Map<number, TurnRecord[]>()
  for (const turn of history.turns) {
    if (turn.isStash) continue
    const present = effects.get(turn.message)
    if (present === undefined) effects.set(turn.message, [turn])
    else present.push(turn)
  }
  return effects
}

export function crashedProcesses(history: History): Set<string> {
  const crashed = new Set<string>()
  for (const { process, event } of history.processEvents) if (event === 'crashed' || event === 'stopped') crashed.add(process)
  return crashed
}
