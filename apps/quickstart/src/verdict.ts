// The end of the demo: what was sent against what was handled, and which promises were broken.

import { audit, forkedLives, measureFailoverMs, ownersAtOnce } from './audit.ts'
import { table } from './display.ts'
import type { LedgerEntry } from './ledger.ts'
import type { LoadReport } from './load.ts'
import type { Moves } from './node-protocol.ts'

/** What the demo saw and its processes wrote down. */
export interface Observations {
  readonly reports: readonly LoadReport[]
  readonly ledgers: ReadonlyMap<string, readonly LedgerEntry[]>
  readonly killed: { readonly nodeId: string; readonly atMs: number }
  readonly sessionTtlMs: number
  /** Shards and pinned actors that changed hands since then. */
  readonly moves: Moves
  /** The actor moved by hand had its state afterwards. */
  readonly stateKept: boolean
}

export interface Verdict {
  readonly text: string
  readonly broken: readonly string[]
}

export function judge({ reports, ledgers, killed, sessionTtlMs, moves, stateKept }: Observations): Verdict {
  const entries = [...ledgers.values()].flat()
  const audits = reports.map((report) => audit(report.guarantee, report.messages, entries))
  const survivors = [...ledgers].filter(([nodeId]) => nodeId !== killed.nodeId).flatMap(([, lines]) => lines)
  const actorsOfKilled = new Set(ledgers.get(killed.nodeId)?.map((line) => line.actor))
  const exactlyOnce = reports.find((report) => report.guarantee === 'exactly-once')
  const failoverMs = measureFailoverMs(killed.atMs, actorsOfKilled, exactlyOnce?.messages ?? [], survivors)

  const broken = audits.flatMap((one) => one.broken.map((promise) => `${one.guarantee}: ${promise}`))
  if (!stateKept) broken.push('migration: state was lost')
  const forked = forkedLives(entries)
  if (forked.length > 0) broken.push(`state: ${forked.length} actors ran twice on one state`)
  const twoOwners = ownersAtOnce(entries)
  if (twoOwners.length > 0) broken.push(`ownership: ${twoOwners.length} turns ran beside another owner, the first: ${twoOwners[0]}`)
  const failoverLimitMs = sessionTtlMs + 1_000
  if (failoverMs === undefined) broken.push('failover: it could not be measured')
  else if (failoverMs > failoverLimitMs) broken.push(`failover: took ${failoverMs} ms, more than ${failoverLimitMs}`)

  const number = (value: number): string => value.toLocaleString('en')
  const lines = [
    table(
      ['guarantee', 'sent', 'handled', 'lost', 'duplicated', 'out of order', 'again after the crash'],
      audits.map((one) => [
        one.guarantee,
        number(one.sent),
        number(one.handled),
        number(one.lost),
        number(one.duplicated),
        number(one.outOfOrder),
        number(one.againAfterCrash),
      ]),
    ),
    '',
    'lost: acknowledged and never handled; at-most-once: sent and never handled, which that guarantee allows.',
    'duplicated: handled twice by one life of an actor; at-least-once allows it.',
    `again after the crash: handled by memory that died with ${killed.nodeId} before it could acknowledge, and then by the new owner.`,
    '',
    `failover: ${failoverMs ?? '?'} ms from SIGKILL to the last waiting message handled (session TTL ${sessionTtlMs} ms, limit ${failoverLimitMs} ms)`,
    `moves: ${moves.failedOver} shards failed over from ${killed.nodeId}; ${moves.arrived} handed over with their state (join, migration, drain), ${moves.aborted} aborted`,
    ...reports.flatMap((report) => report.errors.map(([error, count]) => `${report.guarantee}: ${count} x ${error}`)),
    ...broken.map((promise) => `BROKEN  ${promise}`),
    broken.length === 0
      ? 'Every promise was kept.'
      : broken.length === 1
        ? 'One promise was broken.'
        : `${broken.length} promises were broken.`,
  ]
  return { text: lines.join('\n'), broken }
}
