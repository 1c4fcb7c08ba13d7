// A process that was out of the cluster for longer than others remember what they handled of it comes back as another one.

import { describe, expect, it } from 'vitest'
import { defineActor } from '../../src/actor/definition.ts'
import type { ClusterActorSystem } from '../../src/cluster/cluster-actor-system.ts'
import { DeliveryUnknownError, NotExecutedError } from '../../src/errors.ts'
import { MemoryCluster, TTL_MS } from '../support/memory-cluster.ts'

const RETENTION_MS = 60_000

const handled: string[] = []
const Noting = defineActor('noting', {
  state: () => ({ value: 0 }),
  messages: {
    note(ctx, what: string) {
      handled.push(what)
      ctx.state.value += 1
      return ctx.state.value
    },
  },
})

async function two(): Promise<{ cluster: MemoryCluster; a: ClusterActorSystem; b: ClusterActorSystem; onA: string; onB: string }> {
  handled.length = 0
  const cluster = new MemoryCluster([Noting], { delivery: { sourceRetentionMs: RETENTION_MS } })
  const a = await cluster.start('a')
  const b = await cluster.start('b')
  await cluster.until(async () => (await cluster.units(a))['b'] === 8)
  const on: Record<string, string> = {}
  for (let i = 0; i < 40; i++) on[(await cluster.settled(a.manager.whereIs(Noting, `n-${i}`))).nodeId ?? ''] = `n-${i}`
  return { cluster, a, b, onA: on['a'] ?? '', onB: on['b'] ?? '' }
}

/** Out of the cluster in every way, as a machine whose network is gone. */
function cutOff(cluster: MemoryCluster): void {
  cluster.nodes.get('a')?.storeFaults.isolate()
  cluster.network.cut('a', 'b')
}

function heal(cluster: MemoryCluster): void {
  cluster.nodes.get('a')?.storeFaults.heal()
  cluster.network.restore('a', 'b')
}

function outcomeOf(promise: Promise<unknown>): { error?: unknown; value?: unknown } {
  const outcome: { error?: unknown; value?: unknown } = {}
  promise.then(
    (value) => {
      outcome.value = value
    },
    (error: unknown) => {
      outcome.error = error
    },
  )
  return outcome
}

describe('a process that was away for longer than others remember it', () => {
  it('sends nothing a second time: what may have arrived ends as unknown, what never left as not executed', async () => {
    const { cluster, a, b, onB } = await two()
    const former = a.processId
    await cluster.settled(a.ref(Noting, onB).ask('note', 'first'))
    // The message arrives and is handled; its acknowledgement does not come back.
    cluster.network.cutOneWay('b', 'a')
    const arrived = outcomeOf(a.ref(Noting, onB).send('note', 'second', { timeoutMs: 3_600_000 }))
    await cluster.pass(20)
    expect(handled).toEqual(['first', 'second'])
    cutOff(cluster)
    await cluster.pass(5_000)
    const unsent = outcomeOf(a.ref(Noting, onB).send('note', 'third', { timeoutMs: 3_600_000 }))
    await cluster.pass(RETENTION_MS + TTL_MS)
    heal(cluster)
    await cluster.until(async () => (await cluster.units(b))['a'] === 8, 30_000)
    await cluster.pass(5_000)
    expect(handled.filter((what) => what === 'second')).toHaveLength(1)
    expect(arrived.error).toBeInstanceOf(DeliveryUnknownError)
    expect((arrived.error as DeliveryUnknownError).messageId).toContain(former)
    expect(unsent.error).toBeInstanceOf(NotExecutedError)
    expect(handled).not.toContain('third')
    // It goes on, both ways, and others see another process.
    expect(a.processId).not.toBe(former)
    const seen = (await cluster.settled(b.manager.nodes())).find((node) => node.nodeId === 'a')
    expect(seen).toMatchObject({ processId: a.processId, connected: true })
    await cluster.settled(a.ref(Noting, onB).send('note', 'fourth'))
    expect(handled.at(-1)).toBe('fourth')
    expect(a.metrics().messages.sent).toBe(4)
  })

  it('discards what it owned, and says so', async () => {
    const { cluster, a, b, onA } = await two()
    const former = a.processId
    await cluster.settled(b.ref(Noting, onA).ask('note', 'x'))
    const events: unknown[] = []
    a.events.on('process-replaced', (event) => events.push(event))
    // Only the store is out of reach, for all: nobody else owns its shards meanwhile.
    for (const node of cluster.nodes.values()) node.storeFaults.isolate()
    await cluster.pass(RETENTION_MS + TTL_MS)
    for (const node of cluster.nodes.values()) node.storeFaults.heal()
    await cluster.until(async () => (await cluster.units(b))['a'] === 8, 30_000)
    expect(events).toEqual([{ former, processId: a.processId, awayMs: expect.any(Number) }])
    expect(await cluster.settled(b.ref(Noting, onA).ask('note', 'y'))).toBe(1)
  })

  it('counts a suspension of the machine as absence, although it notices only afterwards', async () => {
    const { cluster, a, b } = await two()
    const former = a.processId
    await cluster.settled(b.stop({ drain: false }))
    cluster.runtime.wallOffsetMs += RETENTION_MS + TTL_MS
    await cluster.until(() => a.processId !== former)
  })
})

it('a process that is stopping when it could come back does not become another one', async () => {
  const { cluster, a } = await two()
  const former = a.processId
  const events: unknown[] = []
  a.events.on('process-replaced', (event) => events.push(event))
  cutOff(cluster)
  await cluster.pass(RETENTION_MS + TTL_MS)
  const stopped = a.stop()
  heal(cluster)
  await cluster.settled(stopped)
  await cluster.pass(5_000)
  expect(events).toEqual([])
  expect(a.processId).toBe(former)
})

it('a process that was away for less comes back as itself, and what it had sent is handled once', async () => {
  const { cluster, a, b, onB } = await two()
  const former = a.processId
  cluster.network.cutOneWay('b', 'a')
  const sent = outcomeOf(a.ref(Noting, onB).ask('note', 'once', { timeoutMs: 3_600_000 }))
  await cluster.pass(20)
  expect(handled).toEqual(['once'])
  cutOff(cluster)
  await cluster.pass(RETENTION_MS - 3 * TTL_MS)
  heal(cluster)
  await cluster.until(async () => (await cluster.units(b))['a'] === 8, 30_000)
  await cluster.until(() => sent.value !== undefined)
  expect(sent.value).toBe(1)
  expect(handled).toEqual(['once'])
  expect(a.processId).toBe(former)
})
