// What a store goes through under load, as a cluster sees it: killed and restarted within the lease, and frozen for longer than it lasts.

import type { Backend } from '@cajun/backends'
import { expect } from 'vitest'
import { type AccountCluster, SESSION_TTL_MS } from './account-cluster.ts'
import { expectOneLifeEach, expectPromisesKept, type LoadRecord, underLoad } from './judged-load.ts'
import { pause, until } from './until.ts'

/** Nobody renews later than a third of the TTL before an outage, so this much of each lease is left when it begins. */
const LEASE_LEFT_MS = (SESSION_TTL_MS * 2) / 3
/** Of what finds a server dead or frozen: two silent intervals of 500 ms, and the next look. */
const NOTICED_WITHIN_MS = 2_000

/** Resolves to how long it took from the store's return until every node was well. */
export async function killStore(cluster: AccountCluster): Promise<number> {
  const store = backendOf(cluster)
  let killedAtMs = 0
  let healedAfterMs = 0
  const record = await underLoad(cluster, async () => {
    killedAtMs = Date.now()
    await store.kill()
    await expectDegraded(cluster, killedAtMs)
    await pause(killedAtMs + 1_500 - Date.now())
    await store.restart()
    healedAfterMs = await untilWell(cluster, Date.now())
  })
  expectKept(record)
  // Traffic went on from cached placement as long as the leases were safe.
  const fromMs = killedAtMs + 100
  const handled = record.entries.filter((entry) => entry.handledAtMs >= fromMs && entry.handledAtMs < killedAtMs + LEASE_LEFT_MS - 500)
  const sent = record.reports.flatMap((report) => report.messages.filter((message) => message.sentAtMs >= fromMs))
  const due = sent.filter((message) => message.sentAtMs < killedAtMs + LEASE_LEFT_MS - 500).length
  expect(handled.length).toBeGreaterThan(due * 0.8)
  return healedAfterMs
}

/** Resolves to how long it took from the thaw until every node was well. */
export async function freezeStore(cluster: AccountCluster): Promise<number> {
  const store = backendOf(cluster)
  let thawedAtMs = 0
  let healedAfterMs = 0
  const record = await underLoad(cluster, async () => {
    const frozenAtMs = Date.now()
    await store.freeze()
    await expectDegraded(cluster, frozenAtMs)
    await pause(frozenAtMs + SESSION_TTL_MS + 1_000 - Date.now())
    for (const health of await cluster.health()) expect(health).toMatchObject({ status: 'suspended', session: { registered: false } })
    thawedAtMs = Date.now()
    await store.thaw()
    healedAfterMs = await untilWell(cluster, thawedAtMs)
  })
  expectKept(record)
  const waited = new Set<string>()
  for (const { guarantee, messages } of record.reports)
    for (const { seq, sentAtMs } of messages) if (sentAtMs < thawedAtMs) waited.add(`${guarantee} ${seq}`)
  const last = Math.max(
    ...record.entries.filter((entry) => waited.has(`${entry.guarantee} ${entry.seq}`)).map((entry) => entry.handledAtMs),
  )
  expect(last - thawedAtMs).toBeLessThanOrEqual(2 * SESSION_TTL_MS)
  return healedAfterMs
}

/** Nobody is declared dead for an outage of the store. */
function expectKept(record: LoadRecord): void {
  expectPromisesKept(record)
  expectOneLifeEach(record)
}

/** Every process says that the store does not answer, and since when. */
async function expectDegraded(cluster: AccountCluster, sinceMs: number): Promise<void> {
  await until(async () => (await cluster.health()).every((health) => !health.store.reachable), NOTICED_WITHIN_MS)
  const told = await cluster.health()
  const outageMs = Date.now() - sinceMs
  for (const health of told) {
    expect(health.status).toBe('degraded')
    expect(health.problems[0]).toMatch(/^the metadata store has not answered for \d+ ms/)
    expect(health.store.unreachableForMs).toBeGreaterThanOrEqual(0)
    // A question that was under way when it fell silent may have been asked a little before.
    expect(health.store.unreachableForMs).toBeLessThanOrEqual(outageMs + 500)
  }
}

async function untilWell(cluster: AccountCluster, sinceMs: number): Promise<number> {
  await until(async () => (await cluster.health()).every((health) => health.status === 'ok'), sinceMs + 2 * SESSION_TTL_MS - Date.now())
  return Date.now() - sinceMs
}

function backendOf(cluster: AccountCluster): Backend {
  const { backend } = cluster.deployment.store
  if (backend === undefined) throw new Error('the store is no process of its own')
  return backend
}
