// A load on a cluster while something happens to it, and what its ledgers say afterwards: the promises that hold whatever happened.

import { expect } from 'vitest'
import { audit, forkedLives, ownersAtOnce } from '../../src/audit.ts'
import type { LedgerEntry } from '../../src/ledger.ts'
import type { LoadReport } from '../../src/load.ts'
import type { AccountCluster } from './account-cluster.ts'

const LOAD = { actors: 600, messagesPerSecond: 1_000, timeoutMs: 30_000 }

/** What became of one load. */
export interface LoadRecord {
  readonly reports: readonly LoadReport[]
  /** By node, and all: of this load alone. */
  readonly ledgers: ReadonlyMap<string, readonly LedgerEntry[]>
  readonly entries: readonly LedgerEntry[]
}

export async function underLoad(cluster: AccountCluster, happening: () => Promise<void>): Promise<LoadRecord> {
  await cluster.settled()
  await cluster.startLoad(LOAD)
  // Long enough for every account to be alive.
  await cluster.sent(3_000)
  await happening()
  return await recordOf(cluster)
}

/** Ends the load that runs. */
export async function recordOf(cluster: AccountCluster): Promise<LoadRecord> {
  const reports = await cluster.finishLoad()
  const first = Math.min(...reports.map((report) => report.messages[0]?.seq ?? Number.POSITIVE_INFINITY))
  const ledgers = new Map<string, readonly LedgerEntry[]>()
  for (const [nodeId, lines] of await cluster.ledgers())
    ledgers.set(
      nodeId,
      lines.filter((line) => line.seq >= first),
    )
  return { reports, ledgers, entries: [...ledgers.values()].flat() }
}

export function expectPromisesKept({ reports, entries }: LoadRecord): void {
  for (const report of reports) {
    const result = audit(report.guarantee, report.messages, entries)
    expect(result.sent).toBeGreaterThan(1_000)
    expect(result.broken, JSON.stringify({ ...result, errors: report.errors })).toEqual([])
    if (report.guarantee !== 'at-most-once') expect(result.acknowledged, JSON.stringify(report.errors)).toBe(result.sent)
  }
  // Two owners of one state would both count on from the same number.
  expect(forkedLives(entries)).toEqual([])
  expect(ownersAtOnce(entries)).toEqual([])
}

/** Nobody's memory was lost: each account has lived one life, wherever. */
export function expectOneLifeEach({ reports, entries }: LoadRecord): void {
  for (const report of reports) expect(audit(report.guarantee, report.messages, entries).againAfterCrash, report.guarantee).toBe(0)
  const lives = new Map<string, Set<string>>()
  for (const entry of entries) lives.set(entry.actor, (lives.get(entry.actor) ?? new Set()).add(entry.life))
  expect([...lives].filter(([, all]) => all.size > 1).map(([actor]) => actor)).toEqual([])
}
