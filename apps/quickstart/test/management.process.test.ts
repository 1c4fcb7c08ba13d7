// Management, health, events, remembered actors and metrics through the public API, on real nodes over TCP while traffic runs.

import { readFileSync } from 'node:fs'
import {
  type ClusterActorSystem,
  type ClusterEventMap,
  type ClusterMetricsSnapshot,
  defineActor,
  type HandoffEvent,
  type HealthStatus,
  ManagementError,
} from '@cajun/core'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { LocalCluster, TTL_MS } from './support/local-cluster.ts'
import { until } from './support/until.ts'

const Counter = defineActor('counter', {
  state: () => ({ value: 0 }),
  messages: {
    add(ctx, by: number): number {
      ctx.state.value += by
      return ctx.state.value
    },
    read: (ctx): number => ctx.state.value,
    fail(_ctx): void {
      throw new RangeError('no luck')
    },
  },
})

const ACTORS = 40

/** Sends to each of its actors one message after the other until it is stopped; then says what each must hold. */
class Traffic {
  readonly sent = new Map<string, number>()
  readonly errors: unknown[] = []
  readonly #loops: Promise<void>[]
  #isOver = false

  constructor(from: ClusterActorSystem) {
    this.#loops = Array.from({ length: ACTORS }, (_, i) => this.#run(from, `t-${i}`))
  }

  get total(): number {
    return [...this.sent.values()].reduce((sum, count) => sum + count, 0)
  }

  /** So much more has been handled from now on: it runs. */
  async flows(): Promise<void> {
    const from = this.total
    await until(() => this.total > from + 3 * ACTORS)
  }

  async stop(): Promise<ReadonlyMap<string, number>> {
    this.#isOver = true
    await Promise.all(this.#loops)
    return this.sent
  }

  async #run(from: ClusterActorSystem, id: string): Promise<void> {
    const ref = from.ref(Counter, id)
    for (let n = 1; !this.#isOver; n++) {
      try {
        await ref.send('add', 1)
        this.sent.set(id, n)
      } catch (error) {
        this.errors.push(error)
        return
      }
    }
  }
}

async function settled(...systems: readonly ClusterActorSystem[]): Promise<void> {
  await until(async () => {
    const nodes = await systems[0]?.manager.nodes()
    const hosts = nodes?.filter((node) => node.kinds.length > 0 && !node.draining) ?? []
    const total = hosts.reduce((sum, node) => sum + node.units, 0)
    return hosts.length === systems.length && total >= 16 && hosts.every((node) => node.units >= Math.floor(16 / hosts.length))
  })
}

describe('management while traffic runs', () => {
  it('lists, finds, moves, drains and elects, and loses or doubles nothing', async () => {
    await using cluster = new LocalCluster([Counter])
    const a = await cluster.start('a')
    const b = await cluster.start('b')
    const c = await cluster.start('c')
    const client = await cluster.start('client', { hosts: [] })
    await settled(a, b, c)
    const handoffs: HandoffEvent[] = []
    for (const system of [a, b, c]) system.events.on('handoff-finished', (event) => handoffs.push(event))
    const drained: number[] = []
    client.events.on('drain-progress', ({ nodeId, remaining }) => nodeId === 'b' && drained.push(remaining))
    const traffic = new Traffic(client)
    await traffic.flows()

    const nodes = await client.manager.nodes()
    expect(nodes.map((node) => node.nodeId)).toEqual(['a', 'b', 'c', 'client'])
    expect(nodes.filter((node) => node.isLeader)).toHaveLength(1)
    expect(new Set(nodes.map((node) => node.incarnation)).size).toBe(4)
    for (const node of nodes) {
      expect(node).toMatchObject({ connected: true, draining: false, capacity: 1, isSelf: node.nodeId === 'client' })
      expect(node.lastRenewalMsAgo).toBeGreaterThanOrEqual(0)
      expect(node.lastRenewalMsAgo).toBeLessThan(TTL_MS)
      expect(node.processId).toBe({ a, b, c, client }[node.nodeId]?.processId)
    }
    expect(nodes.reduce((sum, node) => sum + (node.actors ?? 0), 0)).toBe(ACTORS)

    const found: string[] = []
    const places = new Map<string, string>()
    for (let after: string | undefined, pages = 0; pages === 0 || after !== undefined; pages++) {
      const page = await client.manager.actors({ kind: 'counter', limit: 9, ...(after === undefined ? {} : { after }) })
      expect(page.actors.length).toBeLessThanOrEqual(9)
      for (const actor of page.actors) {
        found.push(actor.id)
        places.set(actor.id, actor.nodeId)
      }
      after = page.next
    }
    expect(found.sort()).toEqual(Array.from({ length: ACTORS }, (_, i) => `t-${i}`).sort())
    expect((await client.manager.actors({ nodeId: 'a', limit: 1_000 })).actors.every((actor) => actor.nodeId === 'a')).toBe(true)
    await expect(client.manager.actors({ limit: 0 })).rejects.toBeInstanceOf(ManagementError)
    await expect(client.manager.actors({ after: 'nonsense' })).rejects.toBeInstanceOf(ManagementError)

    // What is said of an actor's place is where it is, and why.
    const before = await client.manager.whereIs(Counter, 't-0')
    expect(before).toMatchObject({ kind: 'counter', id: 't-0', nodeId: places.get('t-0'), pinned: false })
    expect(before.reason).toBe(`shard ${before.shard} of 16 is there`)
    const target = ['a', 'b', 'c'].find((nodeId) => nodeId !== before.nodeId) ?? ''
    const valueBefore = await client.ref(Counter, 't-0').ask('read')
    await client.manager.migrate(Counter, 't-0', target)
    const after = await client.manager.whereIs(Counter, 't-0')
    expect(after).toMatchObject({ nodeId: target, pinned: true, shard: before.shard, reason: 'it was moved there by hand' })
    expect(after.epoch).toBeGreaterThan(before.epoch)
    expect(await client.ref(Counter, 't-0').ask('read')).toBeGreaterThanOrEqual(valueBefore)
    expect((await client.manager.actors({ nodeId: target, limit: 1_000 })).actors.map((actor) => actor.id)).toContain('t-0')
    // Its neighbours stayed.
    const neighbours = [...places].filter(([id, nodeId]) => id !== 't-0' && nodeId === before.nodeId).map(([id]) => id)
    const still = (await client.manager.actors({ nodeId: before.nodeId ?? '', limit: 1_000 })).actors.map((actor) => actor.id)
    expect(still).toEqual(expect.arrayContaining(neighbours))
    await traffic.flows()

    await client.manager.drain('b')
    expect(drained.at(-1)).toBe(0)
    expect((await client.manager.nodes()).find((node) => node.nodeId === 'b')).toMatchObject({ draining: true, units: 0, actors: 0 })
    expect((await client.manager.whereIs(Counter, 't-0')).nodeId).not.toBe('b')
    await traffic.flows()
    await client.manager.undrain('b')
    await until(async () => (await client.manager.nodes()).some((node) => node.nodeId === 'b' && node.units >= 4))
    await traffic.flows()

    for (let i = 0; i < 3; i++) {
      const leaders: (string | undefined)[] = []
      const off = client.events.on('leader-changed', ({ nodeId }) => leaders.push(nodeId))
      const elected = await client.manager.forceElection()
      // It may be the same again, but not without having stepped down.
      await until(() => leaders.at(-1) === elected)
      off()
      expect(['a', 'b', 'c']).toContain(elected)
      await until(async () => (await client.health()).leader === elected)
    }
    await traffic.flows()
    // The new leader leads: what only a leader can do is done.
    await client.manager.migrate(Counter, 't-1', (await client.manager.whereIs(Counter, 't-1')).nodeId === 'a' ? 'c' : 'a')

    const sent = await traffic.stop()
    expect(traffic.errors).toEqual([])
    for (const [id, count] of sent) expect(await client.ref(Counter, id).ask('read'), id).toBe(count)
    expect(handoffs.length).toBeGreaterThan(4)
    expect(handoffs.every((event) => event.kind === 'counter' && event.from !== event.to)).toBe(true)
  }, 40_000)
})

describe('health', () => {
  it('is degraded while the store is out of reach, says so, suspends when the lease is over, and is well again afterwards', async () => {
    await using cluster = new LocalCluster([Counter], { sessionTtlMs: 3_000 })
    const a = await cluster.start('a')
    const b = await cluster.start('b')
    await settled(a, b)
    await until(async () => (await a.health()).status === 'ok')
    const well = await a.health()
    expect(well).toMatchObject({ status: 'ok', problems: [], store: { reachable: true }, session: { registered: true } })
    expect(well.store.roundTripMs).toBeGreaterThanOrEqual(0)
    expect(well.peers).toMatchObject([{ nodeId: 'b', up: true }])
    expect(well.peers[0]?.roundTripMs).toBeLessThan(1_000)
    expect(well.session.leaseRemainingMs).toBeGreaterThan(1_000)
    const ids = Array.from({ length: 20 }, (_, i) => `h-${i}`)
    for (const id of ids) await a.ref(Counter, id).ask('add', 1)

    const statuses: HealthStatus[] = []
    a.events.on('health-changed', ({ status }) => statuses.at(-1) !== status && statuses.push(status))
    cluster.database.faults.isolate()
    await until(async () => (await a.health()).status === 'degraded')
    const ill = await a.health()
    expect(ill.store).toMatchObject({ reachable: false, error: expect.stringMatching(/^the store has not answered a ping within \d+ ms$/) })
    expect(ill.store.unreachableForMs).toBeGreaterThan(0)
    expect(ill.problems[0]).toMatch(/^the metadata store has not answered for \d+ ms/)
    // Degraded, not down: as long as the lease is safe, everybody is reached from what is cached.
    expect(ill.session.leaseRemainingMs).toBeGreaterThan(0)
    for (const id of ids) expect(await a.ref(Counter, id).ask('add', 1, { timeoutMs: 1_000 })).toBe(2)
    await until(async () => (await a.health()).status === 'suspended')
    expect((await a.health()).session).toEqual({ registered: false, leaseRemainingMs: 0 })
    const waiting = Promise.all(ids.map((id) => a.ref(Counter, id).ask('add', 1, { timeoutMs: 20_000 })))

    cluster.database.faults.heal()
    await until(async () => (await a.health()).status === 'ok' && (await b.health()).status === 'ok')
    expect(statuses).toEqual(expect.arrayContaining(['degraded', 'suspended']))
    expect(statuses.at(-1)).toBe('ok')
    // Nobody was declared dead for an outage of the store: the state is there, and what waited was handled.
    expect(await waiting).toEqual(ids.map(() => 3))
    expect(cluster.logs.get('a')?.loud.filter((line) => line.includes('does not answer'))).toHaveLength(1)
    expect(cluster.logs.get('a')?.loud.filter((line) => line.includes('answers again'))).toHaveLength(1)
  }, 40_000)
})

describe('events', () => {
  it('are typed, come in order, and end when asked to', async () => {
    await using cluster = new LocalCluster([Counter])
    const a = await cluster.start('a')
    a.events.on('node-joined', (event) => expectTypeOf(event).toEqualTypeOf<ClusterEventMap['node-joined']>())
    // @ts-expect-error there is no such event
    a.events.on('node-exploded', () => {})
    const seen: string[] = []
    a.events.on('node-joined', ({ nodeId }) => seen.push(`joined ${nodeId}`))
    a.events.on('node-left', ({ nodeId }) => seen.push(`left ${nodeId}`))
    a.events.on('peer-up', ({ nodeId }) => seen.push(`up ${nodeId}`))
    a.events.on('peer-down', ({ nodeId }) => seen.push(`down ${nodeId}`))
    let documents = 0
    const off = a.events.on('placement-changed', ({ kind }) => kind === 'counter' && documents++)
    a.events.on('node-joined', () => {
      throw new Error('a listener of ours is broken')
    })
    const b = await cluster.start('b')
    await settled(a, b)
    expect(documents).toBeGreaterThan(0)
    off()
    const until_ = documents
    await b.stop()
    await until(() => seen.includes('left b'))
    expect(seen.filter((line) => line.endsWith(' b') && !/up|down/.test(line))).toEqual(['joined b', 'left b'])
    expect(seen.indexOf('up b')).toBeLessThan(seen.indexOf('down b'))
    expect(documents).toBe(until_)
    expect(cluster.logs.get('a')?.loud).toEqual([expect.stringContaining('a listener of cluster events threw')])
  })
})

describe('remembered actors', () => {
  it('run again elsewhere, unasked, after their node has stopped, and after it was cut off', async () => {
    await using cluster = new LocalCluster([Counter])
    const a = await cluster.start('a')
    const b = await cluster.start('b')
    await settled(a, b)
    const ids = Array.from({ length: 12 }, (_, i) => `r-${i}`)
    await Promise.all(ids.map((id) => a.register(Counter, id)))
    const running = async (): Promise<Map<string, string>> =>
      new Map((await a.manager.actors({ limit: 1_000 })).actors.map((actor) => [actor.id, actor.nodeId]))
    const before = await running()
    expect([...before.keys()].sort()).toEqual([...ids].sort())
    expect(new Set(before.values())).toEqual(new Set(['a', 'b']))
    await a.unregister(Counter, 'r-0')

    await b.stop({ drain: false })
    const rest = ids.slice(1)
    await until(async () => {
      const now = await running()
      return rest.every((id) => now.get(id) === 'a')
    })
    const c = await cluster.start('c')
    await until(async () => new Set((await running()).values()).size === 2)
    await settled(a, c)
    cluster.link('c').isolate()
    await until(async () => {
      const now = await running()
      return rest.every((id) => now.get(id) === 'a')
    })
    cluster.link('c').heal()
  }, 40_000)
})

describe('metrics', () => {
  it('have every documented name, and values that fit what happened', async () => {
    await using cluster = new LocalCluster([Counter], { measureLatency: true })
    const a = await cluster.start('a')
    const b = await cluster.start('b')
    await settled(a, b)
    const client = await cluster.start('client', { hosts: [] })
    client.metrics()
    for (let i = 0; i < 200; i++) await client.ref(Counter, `m-${i % 20}`).send('add', 1)
    for (let i = 0; i < 20; i++) await client.ref(Counter, `m-${i}`).ask('read')
    await client
      .ref(Counter, 'm-0')
      .ask('fail')
      .catch(() => {})
    client.ref(Counter, 'm-0').tell('fail')
    await until(() => client.metrics().deadLetters.total + a.metrics().deadLetters.total + b.metrics().deadLetters.total === 1)
    await new Promise((resolve) => setTimeout(resolve, 1_050))
    const own = client.metrics()
    const hosts = [a.metrics(), b.metrics()]
    const sum = (pick: (metrics: ClusterMetricsSnapshot) => number): number => hosts.reduce((total, each) => total + pick(each), 0)

    expect(own).toMatchObject({ nodeId: 'client', actors: 0, nodes: 3, ownedShards: 0, mailboxDepth: 0, outbox: { messages: 0, bytes: 0 } })
    expect(own.messages).toMatchObject({ sent: 222, received: 0, failed: 1 })
    expect(own.messages.sentPerSecond).toBeGreaterThan(1)
    expect(sum((each) => each.messages.received)).toBe(222)
    expect(sum((each) => each.messages.failed)).toBe(1)
    expect(sum((each) => each.actors)).toBe(20)
    expect(sum((each) => each.ownedShards)).toBe(16)
    expect(own.latency?.send).toMatchObject({ count: 200 })
    expect(own.latency?.ask).toMatchObject({ count: 20 })
    const { minMs, p50Ms, p99Ms, maxMs } = own.latency?.ask ?? { minMs: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 }
    expect(0 < minMs && minMs <= p50Ms * 1.13 && p50Ms <= p99Ms && maxMs < 2_000, JSON.stringify(own.latency?.ask)).toBe(true)
    expect(hosts.map((each) => each.deadLetters).filter((each) => each.total > 0)).toEqual([{ total: 1, byReason: { failed: 1 } }])
    // Moves and deaths: counted where they were decided or done.
    await b.stop()
    await until(() => a.metrics().ownedShards === 16)
    expect(a.metrics().handoffs).toMatchObject({ started: expect.any(Number), aborted: 0 })
    expect(a.metrics().handoffs.completed).toBeGreaterThanOrEqual(8)
    expect(a.metrics().handoffs.duration.count).toBe(a.metrics().handoffs.completed)
    const c = await cluster.start('c')
    await settled(a, c)
    cluster.link('c').isolate()
    await until(() => a.metrics().ownedShards === 16)
    expect(a.metrics().failovers).toEqual({ units: 8, nodes: 1 })
    cluster.link('c').heal()

    const documented = [...readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8').matchAll(/^\| (`.*?`) \|/gm)]
      .flatMap(([, names]) => {
        const [first = '', ...others] = [...(names ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '')
        return [first, ...others.map((name) => (name.startsWith('.') ? first.replace(/\.[^.]*$/, name) : name))]
      })
      .sort()
    const present = (value: object, path = ''): string[] =>
      Object.entries(value).flatMap(([name, inner]) => {
        const at = `${path}${name}`
        const isLeaf = typeof inner !== 'object' || 'p99Ms' in inner || at === 'deadLetters.byReason'
        return isLeaf ? [at] : present(inner as object, `${at}.`)
      })
    expect(documented).toEqual(present(own).sort())
  }, 40_000)
})
