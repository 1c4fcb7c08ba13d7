// A run as a person reads it: one column for each node, time running down, with sends, turns, outcomes, faults and appointments where they happened.

import type { History } from './history.ts'

export interface TraceOptions {
  readonly fromMs?: number
  readonly toMs?: number
  /** Only what concerns these messages, beside faults and appointments. */
  readonly messages?: ReadonlySet<number>
  readonly actor?: string
}

interface Line {
  readonly atMs: number
  readonly where: string
  readonly what: string
}

export function formatTrace(history: History, options: TraceOptions = {}): string {
  const { fromMs = 0, toMs = Number.POSITIVE_INFINITY, messages, actor } = options
  const concerns = (message: number): boolean =>
    (messages === undefined && actor === undefined) ||
    messages?.has(message) === true ||
    (actor !== undefined && history.sends[message]?.actor === actor)
  const lines: Line[] = history.notes.map(({ atMs, where, what }) => ({ atMs, where, what }))
  for (const send of history.sends) {
    if (concerns(send.message)) {
      lines.push({
        atMs: send.atMs,
        where: send.source,
        what: `${send.form} #${send.message} -> ${send.actor} (${send.guarantee}, no. ${send.order})`,
      })
    }
  }
  for (const turn of history.turns) {
    if (!concerns(turn.message)) continue
    const how = turn.isStash ? 'stashes' : turn.isUnstashed ? 'takes up' : 'handles'
    const problem = turn.problem === undefined ? '' : `  !! ${turn.problem}`
    lines.push({
      atMs: turn.atMs,
      where: turn.process,
      what: `${how} #${turn.message} for ${turn.actor} life ${turn.life} turn ${turn.count} epoch ${turn.epoch}${problem}`,
    })
  }
  for (const [message, outcome] of history.outcomes) {
    if (!concerns(message) || outcome.result === 'accepted') continue
    lines.push({
      atMs: outcome.atMs,
      where: history.sends[message]?.source ?? '',
      what: `#${message} ended: ${outcome.result} ${outcome.detail ?? ''}`,
    })
  }
  for (const record of history.lives.values()) {
    if (actor !== undefined && record.actor !== actor) continue
    lines.push({
      atMs: record.atMs,
      where: record.process,
      what: `life ${record.life} of ${record.actor} begins${record.excuse === undefined ? '' : ` (${record.excuse})`}`,
    })
  }
  return lines
    .map((line, index) => ({ ...line, index }))
    .filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
    .sort((a, b) => a.atMs - b.atMs || a.index - b.index)
    .map(({ atMs, where, what }) => `${atMs.toFixed(2).padStart(10)}  ${where.padEnd(6)} ${' '.repeat(indentOf(where))}${what}`)
    .join('\n')
}

/** Each node has its own indentation. */
function indentOf(where: string): number {
  const number = Number(/^n(\d+)/.exec(where)?.[1] ?? 0)
  return Math.min(number, 12) * 3
}
