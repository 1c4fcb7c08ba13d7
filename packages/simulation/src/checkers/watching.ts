// What `ctx.watch` promises (apps/docs/decisions/0011-watching.md): one notice for each watch, to the very actor that asked for it; not before the end of the
// watched one, and for a reason that is true; after what it said at its end; and always, soon after everything was healed.

import type { History, LifeRecord, SendRecord, TurnRecord, WatchEvent } from '../history.ts'
import { type Lineage, Lineages } from './lineages.ts'
import type { Violation } from './violation.ts'

export interface WatchingOptions {
  /** When everything has to work again. */
  readonly settledMs: number
  /** When the run ended. */
  readonly untilMs: number
}

/** A question that was refused is asked again after a second. */
export const TOLD_WITHIN_MS = 1_500

type Notice = WatchEvent & { readonly event: 'notice' }

/** What one actor may and must hear of another one. */
interface Watch {
  readonly watcher: Lineage
  readonly watched: string
  /** A notice is due for it. */
  open: { readonly sinceMs: number; readonly question: number } | undefined
  /** Notices that may arrive besides: one that waited in the mailbox when the watch was given up, or asked for again. */
  surplus: number
  firstMs: number
}

export function checkWatching(history: History, { settledMs, untilMs }: WatchingOptions): Violation[] {
  if (history.watching.length === 0) return []
  const violations: Violation[] = []
  const report = (what: string, atMs: number): void => void violations.push({ invariant: 'watching', what, atMs })
  const index = new WatchingIndex(history)
  const watches = new Map<string, Watch>()
  for (const event of history.watching) {
    const lineage = index.lineages.ofLife(event.life)
    if (lineage === undefined) continue
    const key = `${event.watcher} ${event.watched}`
    const watch = index.carriedOn(watches.get(key), lineage, event)
    watches.set(key, watch)
    if (event.event === 'watch') {
      if (watch.open === undefined) watch.open = { sinceMs: event.atMs, question: event.question }
      else watch.surplus++
    } else if (event.event === 'unwatch') {
      if (watch.open !== undefined) watch.surplus++
      watch.open = undefined
    } else {
      const problem = index.problemOf(event, watch)
      if (problem !== undefined)
        report(`${event.watcher} was told on ${event.process} that ${event.watched} is gone (${event.reason}), ${problem}`, event.atMs)
      // Which of the two it was, if there are two, does not show.
      if (watch.open === undefined) watch.surplus = Math.max(0, watch.surplus - 1)
      watch.open = undefined
    }
  }
  for (const watch of watches.values()) {
    const { watcher, watched, open } = watch
    // Whoever has had no turn since then may be gone, too.
    if (open === undefined || watcher.lastTurnMs < settledMs || index.lineages.endOf(watcher) !== undefined) continue
    const endMs = index.endOfWatched(watched, open.question)
    if (endMs === undefined || Math.max(endMs, settledMs) + TOLD_WITHIN_MS > untilMs) continue
    report(
      `${watcher.actor} has watched ${watched} since ${open.sinceMs.toFixed(1)} and was never told of its end at ${endMs.toFixed(1)}`,
      endMs,
    )
  }
  return violations
}

class WatchingIndex {
  readonly lineages: Lineages
  readonly #history: History
  /** How lives of each actor ended. */
  readonly #ends = new Map<string, LifeRecord[]>()
  readonly #firstTurns = new Map<number, TurnRecord>()
  readonly #lastTurns = new Map<number, TurnRecord>()
  readonly #sentInside = new Map<number, SendRecord[]>()

  constructor(history: History) {
    this.#history = history
    this.lineages = new Lineages(history)
    for (const life of history.lives.values()) if (life.end !== undefined) append(this.#ends, life.actor, life)
    for (const turn of history.turns) {
      if (!this.#firstTurns.has(turn.message)) this.#firstTurns.set(turn.message, turn)
      this.#lastTurns.set(turn.life, turn)
    }
    for (const send of history.sends) if (send.insideOf !== undefined) append(this.#sentInside, send.insideOf, send)
  }

  /** The watch as the present lineage of its actor has it. */
  carriedOn(before: Watch | undefined, watcher: Lineage, { watched, atMs }: WatchEvent): Watch {
    if (before?.watcher === watcher) return before
    const since = this.lineages.of(watcher.actor).slice((before?.watcher.place ?? 0) + 1, watcher.place + 1)
    // It may be the same actor still, or not.
    const mayHold = before !== undefined && since.every(({ isNew }) => !isNew)
    const surplus = mayHold ? before.surplus + (before.open === undefined ? 0 : 1) : 0
    return { watcher, watched, open: undefined, surplus, firstMs: mayHold ? before.firstMs : atMs }
  }

  problemOf(notice: Notice, { open, surplus, firstMs }: Watch): string | undefined {
    const { atMs, reason, loss, watched, watcher, placedMs } = notice
    if (open === undefined && surplus === 0) return 'without having asked for it, or a second time'
    const sinceMs = surplus > 0 || open === undefined ? firstMs : open.sinceMs
    const alive = this.lineages.of(watched).find(({ bornMs, lastTurnMs }) => bornMs < sinceMs && lastTurnMs > atMs)
    if (alive !== undefined)
      return `although it has lived since ${alive.bornMs.toFixed(1)} and still has turns at ${alive.lastTurnMs.toFixed(1)}`
    const all = (this.#ends.get(watched) ?? []).filter(({ end }) => end !== undefined && end.atMs >= sinceMs && end.atMs <= atMs)
    if (reason === 'lost') {
      // Or it has ended, and moved on before the notice of that arrived.
      const isTrue = loss !== undefined || all.some(({ end }) => (end?.atMs ?? 0) <= placedMs)
      return isTrue ? undefined : `although nothing has cost it its memory since ${sinceMs.toFixed(1)}`
    }
    if (reason === 'failed' && loss !== undefined) return undefined
    const ends = all.filter(({ end }) => end?.reason === reason)
    if (ends.length === 0) return `and no life of it has ended so since ${sinceMs.toFixed(1)}`
    const [only] = ends
    if (ends.length > 1 || only === undefined) return undefined
    const last = this.#lastTurns.get(only.life)
    // Another life may have handled the same message, and have said the same.
    const late = (this.#sentInside.get(last?.message ?? -1) ?? []).find(
      ({ actor, source, message, atMs: sentMs }) =>
        actor === watcher && source === last?.process && sentMs <= atMs && (this.#firstTurns.get(message)?.atMs ?? 0) > atMs,
    )
    return late === undefined ? undefined : `before it was given message ${late.message}, which the other had sent it at its end`
  }

  /** When the life that the watch found was over. Where that doesn't show: when all were. */
  endOfWatched(watched: string, question: number): number | undefined {
    const reply = this.#history.outcomes.get(question)?.reply
    const found = reply === undefined ? this.lineages.of(watched).at(-1) : this.lineages.ofLife(reply.life)
    return found === undefined ? undefined : this.lineages.endOf(found)
  }
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const present = map.get(key)
  if (present === undefined) map.set(key, [value])
  else present.push(value)
}
