// What nodes go through under load, for every store and transport alike: killed, frozen, joined, migrated to, drained. Each trial leaves the cluster
// with the nodes that it had.

import { expect } from 'vitest'
import { measureFailoverMs } from '../../src/audit.ts'
import type { LedgerEntry } from '../../src/ledger.ts'
import { type AccountCluster, SESSION_TTL_MS } from './account-cluster.ts'
import { expectOneLifeEach, expectPromisesKept, underLoad } from './judged-load.ts'
import { pause, until } from './until.ts'

export type Role = 'leads' | 'owns and does not lead'

/** Resolves to how long it took from SIGKILL to the last message handled that waited for a new owner. */
export async function killOne(cluster: AccountCluster, role: Role): Promise<number> {
  let victim = ''
  let killedAtMs = 0
  const record = await underLoad(cluster, async () => {
    victim = await cluster.nodeThat(role)
    killedAtMs = Date.now()
    await cluster.node(victim).kill()
    await pause(SESSION_TTL_MS / 2)
    await until(async () => (await cluster.progress()).pending < 50, SESSION_TTL_MS)
  })
  expectPromisesKept(record)
  const actorsOfVictim = new Set(record.ledgers.get(victim)?.map((entry) => entry.actor))
  const exactlyOnce = record.reports.find((report) => report.guarantee === 'exactly-once')
  const failoverMs = measureFailoverMs(killedAtMs, actorsOfVictim, exactlyOnce?.messages ?? [], record.entries)
  if (failoverMs === undefined) throw new Error('no message waited for a new owner')
  // It comes back under its old name.
  await cluster.add(victim)
  return failoverMs
}

/** SIGSTOP for longer than the session lasts, then SIGCONT: it fences itself before it runs another turn. */
export async function freezeOne(cluster: AccountCluster, role: Role): Promise<void> {
  let victim = ''
  let frozenAtMs = 0
  let thawedAtMs = 0
  let stoppedAtMs = 0
  const record = await underLoad(cluster, async () => {
    victim = await cluster.nodeThat(role)
    cluster.node(victim).freeze()
    frozenAtMs = Date.now()
    await pause(SESSION_TTL_MS + 1_500)
    thawedAtMs = Date.now()
    cluster.node(victim).thaw()
    await pause(1_000)
    stoppedAtMs = Date.now()
  })
  // Nothing stands still once it is back (I9), although messages had far longer.
  expect(Date.now() - stoppedAtMs).toBeLessThan(SESSION_TTL_MS + 1_000)

  const ofVictim = record.ledgers.get(victim) ?? []
  const inHand = turnInHand(ofVictim, frozenAtMs, thawedAtMs)
  const others = record.entries.filter((entry) => entry !== inHand)
  expectPromisesKept({ ...record, entries: others })

  const livesBefore = new Set(ofVictim.filter((entry) => entry.handledAtMs < frozenAtMs).map((entry) => entry.life))
  expect(livesBefore.size).toBeGreaterThan(50)
  const elsewhere = [...record.ledgers].filter(([nodeId]) => nodeId !== victim).flatMap(([, lines]) => lines)
  const takenOver = elsewhere.filter((entry) => entry.handledAtMs > frozenAtMs && entry.handledAtMs < thawedAtMs)
  expect(takenOver.length).toBeGreaterThan(1_000)
  // Each of its actors has begun a new life elsewhere meanwhile: the old one must not have run one more turn. But for those that were on their way to
  // another node when it froze: that node went on with their life, and may have handed it back since; two owners would have forked it.
  const handedOver = new Set(elsewhere.filter((entry) => entry.handledAtMs > frozenAtMs).map((entry) => entry.life))
  expect([...livesBefore].filter((life) => handedOver.has(life)).length).toBeLessThan(livesBefore.size / 4)
  const afterThaw = ofVictim.filter(
    (entry) => entry !== inHand && entry.handledAtMs >= thawedAtMs && livesBefore.has(entry.life) && !handedOver.has(entry.life),
  )
  expect(afterThaw).toEqual([])
}

/** A turn that had begun when its process froze ends with the thaw: the very next line of its ledger, of a life that it had before. */
function turnInHand(ofVictim: readonly LedgerEntry[], frozenAtMs: number, thawedAtMs: number): LedgerEntry | undefined {
  const next = ofVictim.find((entry) => entry.handledAtMs >= thawedAtMs)
  const isOld = next !== undefined && ofVictim.some((entry) => entry.life === next.life && entry.handledAtMs < frozenAtMs)
  return isOld ? next : undefined
}

/** Nothing is lost and every state moves once, through a join, a migration there and back, an election and a drain. */
export async function moveAround(cluster: AccountCluster): Promise<void> {
  const { client } = cluster
  const joining = 'joining'
  let drainedAtMs = 0
  const record = await underLoad(cluster, async () => {
    await cluster.add(joining)
    await cluster.settled()
    await pause(500)

    const where = (): Promise<string> => client.tell({ do: 'where', actor: 'a-1' })
    const from = await where()
    const to = [...cluster.nodes.keys()].find((nodeId) => nodeId !== from) ?? ''
    for (const target of [to, from]) {
      await client.tell({ do: 'migrate', actor: 'a-1', to: target })
      expect(await where()).toBe(target)
    }
    const elected = await client.tell<string>({ do: 'elect' })
    await until(async () => (await cluster.nodeThat('leads')) === elected)

    await client.tell({ do: 'drain', node: joining })
    await cluster.node(joining).stop()
    cluster.forget(joining)
    drainedAtMs = Date.now()
    await pause(500)
  })
  expectPromisesKept(record)
  expectOneLifeEach(record)
  // They really moved: the joined node ran turns, the drained one none any more.
  expect(record.ledgers.get(joining)?.length).toBeGreaterThan(100)
  expect(record.ledgers.get(joining)?.filter((entry) => entry.handledAtMs > drainedAtMs)).toEqual([])
}
