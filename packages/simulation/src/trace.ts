// A run as a person reads it: one column for each node, time running down, with sends, turns, outcomes, faults and appointments where they happened.
// What a failure has to do with is picked by `failure-file.ts`; here it is only written down.

import type { History } from './history.ts'

export interface TraceOptions {
  /** What was before is told in one line. Default: all is shown. */
  readonly fromMs?: number
  readonly toMs?: number
  /** Only what concerns these, beside faults and what becomes of nodes. Default: everything. */
  readonly about?: TraceSubjects | undefined
}

export interface TraceSubjects {
  readonly actors: ReadonlySet<string>
  /** Units of placement, such as `cell/3`. */
  readonly units: ReadonlySet<string>
  readonly messages: ReadonlySet<number>
}

interface Line {
  readonly atMs: number
  readonly where: string
  readonly what: string
  readonly unit?: string | undefined
}

/** More units than that are only counted. */
const MOST_UNITS = 8

export function formatTrace(history: History, { fromMs = 0, toMs = Number.POSITIVE_INFINITY, about }: TraceOptions = {}): string {
  const lines = linesOf(history, about)
    .filter(({ atMs }) => atMs <= toMs)
    .sort((a, b) => a.atMs - b.atMs)
  const shown = lines.filter(({ atMs }) => atMs >= fromMs).map(format)
  const before = lines.filter(({ atMs }) => atMs < fromMs)
  return [...(before.length === 0 ? [] : [inShort(before, fromMs)]), ...shown].join('\n')
}

function linesOf(history: History, about: TraceSubjects | undefined): Line[] {
  const concerns = (message: number): boolean => about === undefined || about.messages.has(message)
  const isSubject = (actor: string): boolean => about === undefined || about.actors.has(actor)
  const lines: Line[] = history.notes.filter(({ unit }) => unit === undefined || about === undefined || about.units.has(unit))
  for (const { message, atMs, source, form, actor, guarantee, order } of history.sends) {
    if (concerns(message)) lines.push({ atMs, where: source, what: `${form} #${message} -> ${actor} (${guarantee}, no. ${order})` })
  }
  for (const { actor, life, process, atMs, excuse } of history.lives.values()) {
    if (!isSubject(actor)) continue
    lines.push({ atMs, where: process, what: `life ${life} of ${actor} begins${excuse === undefined ? '' : ` (${excuse})`}` })
  }
  for (const { message, atMs, process, actor, life, count, epoch, problem, isStash, isUnstashed } of history.turns) {
    if (!concerns(message)) continue
    const how = isStash ? 'stashes' : isUnstashed ? 'takes up' : 'handles'
    const what = `${how} #${message} for ${actor} life ${life} turn ${count} epoch ${epoch}`
    lines.push({ atMs, where: process, what: problem === undefined ? what : `${what}  !! ${problem}` })
  }
  for (const [message, { atMs, result, detail = '' }] of history.outcomes) {
    if (!concerns(message) || result === 'accepted') continue
    lines.push({ atMs, where: history.sends[message]?.source ?? '', what: `#${message} ended: ${result} ${detail}` })
  }
  for (const event of history.watching) {
    if (!isSubject(event.watcher) && !isSubject(event.watched)) continue
    const what = event.event === 'notice' ? `is told that ${event.watched} is gone (${event.reason})` : `${event.event}es ${event.watched}`
    lines.push({ atMs: event.atMs, where: event.process, what: `${event.watcher} ${what}` })
  }
  return lines
}

function format({ atMs, where, what }: Line): string {
  return `${atMs.toFixed(2).padStart(10)}  ${where.padEnd(6)} ${' '.repeat(indentOf(where))}${what}`
}

/** Each node has its own indentation. */
function indentOf(where: string): number {
  const number = Number(/^n(\d+)/.exec(where)?.[1] ?? 0)
  return Math.min(number, 12) * 3
}

/** How things stood when it began: who ran, who led, and where the last word on each unit left it. */
function inShort(lines: readonly Line[], fromMs: number): string {
  const running = new Set<string>()
  const units = new Map<string, string>()
  let leader = ''
  for (const { where, what, unit } of lines) {
    if (unit !== undefined) units.set(unit, what)
    else if (what === 'runs') running.add(where)
    else if (what === 'crashed' || what === 'stopped') running.delete(where)
    else if (what === 'leads') leader = `; ${where} leads`
  }
  const placed = units.size > MOST_UNITS ? [`${units.size} shards are placed`] : units.values()
  const what = [`${[...running].join(', ')} run${leader}`, ...placed].join('; ')
  return `${'until'.padStart(10)}  ${fromMs.toFixed(2)}: ${what} (${lines.length} lines left out)`
}
