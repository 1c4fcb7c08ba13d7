import { describe, expect, it } from 'vitest'
import { LinkFaults, MemoryMetadataStore, memoryCapabilities } from '../../../metadata-memory/src/index.ts'
import { defineActor } from '../../src/actor/definition.ts'
import { ClusterActorSystem } from '../../src/cluster/cluster-actor-system.ts'
import { ClusterKeys } from '../../src/cluster/cluster-keys.ts'
import type { ClusterOptions } from '../../src/cluster/cluster-options.ts'
import { encodeNodeRecord } from '../../src/cluster/node-record.ts'
import type { StoreCapabilities } from '../../src/metadata/metadata-store.ts'
import type { Session } from '../../src/metadata/session.ts'
import { MemoryCluster, TTL_MS } from '../support/memory-cluster.ts'

const stops: string[] = []
const Counter = defineActor('counter', {
  state: () => ({ value: 0 }),
  onStop: (ctx, reason) => void stops.push(`${ctx.self.id} ${reason}`),
  messages: {
    add(ctx, by: number) {
      ctx.state.value += by
      return ctx.state.value
    },
  },
})
const Other = defineActor('other', { messages: { ping: () => 'pong' } })

async function refusal(
  cluster: MemoryCluster,
  nodeId: string,
  options: Partial<ClusterOptions> = {},
): Promise<{ code: string; message: string }> {
  const error = await cluster.settled(
    cluster.start(nodeId, options).then(
      () => undefined,
      (reason: unknown) => reason,
    ),
    20_000,
  )
  return error as { code: string; message: string }
}

class UnfencedStore extends MemoryMetadataStore {
  override readonly capabilities: StoreCapabilities = { ...memoryCapabilities, fencing: false }
}

/** Loses its data just before each session is opened. */
class ForgetfulStore extends MemoryMetadataStore {
  lives = 0
  override async storeId(): Promise<string> {
    return `life ${this.lives}`
  }
  override openSession(options: { readonly ttlMs: number }): Promise<Session> {
    this.lives++
    return super.openSession(options)
  }
}

// Found by the simulation (seed 11553).
describe('a store that loses its data between the look at its id and the session', () => {
  const storeOf = (cluster: MemoryCluster, faults: LinkFaults): ForgetfulStore =>
    new ForgetfulStore({ database: cluster.database, runtime: cluster.runtime, faults, timeoutMs: 1_000, onError: () => {} })

  it('is not taken by a node that starts for the one that it had begun with: it places nothing before old leases are over', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a', { metadata: storeOf(cluster, new LinkFaults()) })
    await cluster.pass(TTL_MS - 200)
    expect(await cluster.units(a)).toEqual({ a: 0 })
    await cluster.pass(400)
    expect(await cluster.units(a)).toEqual({ a: 16 })
  })

  it('is noticed by a node that comes back', async () => {
    const cluster = new MemoryCluster([Counter])
    const faults = new LinkFaults()
    const store = storeOf(cluster, faults)
    const a = await cluster.start('a', { metadata: store })
    const reborn: string[] = []
    a.events.on('store-reborn', ({ storeId }) => reborn.push(storeId))
    faults.isolate()
    await cluster.pass(TTL_MS + 200)
    faults.heal()
    await cluster.until(async () => (await cluster.settled(a.health())).status !== 'suspended')
    expect(reborn.at(-1)).toBe(`life ${store.lives}`)
  })
})

/** Another life of the store is known by its id alone, to whoever asks. */
class RebornStore extends MemoryMetadataStore {
  life = 1
  override async storeId(): Promise<string> {
    return `life ${this.life}`
  }
}

// Found by the simulation (seed 41487).
it('documents of a store that lost its data, seen before that is known, count afterwards', async () => {
  const cluster = new MemoryCluster([Counter])
  await cluster.start('a')
  const faults = new LinkFaults()
  const store = new RebornStore({ database: cluster.database, runtime: cluster.runtime, faults, timeoutMs: 1_000, onError: () => {} })
  const b = await cluster.start('b', { metadata: store, hosts: [] })
  await cluster.until(async () => (await cluster.units(b))['a'] === 16)
  const reborn: string[] = []
  b.events.on('store-reborn', ({ storeId }) => reborn.push(storeId))
  // Everything that it has seen is of the new life already.
  store.life = 2
  faults.isolate()
  await cluster.pass(TTL_MS + 200)
  faults.heal()
  await cluster.until(() => reborn.length > 0)
  await cluster.pass(500)
  expect(await cluster.units(b)).toEqual({ a: 16, b: 0 })
  expect(await cluster.settled(b.ref(Counter, 'x').ask('add', 1))).toBe(1)
})

it('a node that starts after the store lost its data places nothing before old leases are over, when another remembers', async () => {
  for (const kinds of [{ counter: 7 }, { gone: 7 }]) {
    const cluster = new MemoryCluster([Counter])
    const store = new MemoryMetadataStore({ database: cluster.database, runtime: cluster.runtime, timeoutMs: 1_000, onError: () => {} })
    await cluster.settled(store.open())
    const remembering = { kinds: [], capacity: 1, load: 0, draining: false, protocol: { min: 1, max: 1 }, epochs: kinds }
    const record = encodeNodeRecord({ nodeId: 'b', processId: 'pb', incarnation: 'ib', address: 'b', ...remembering })
    await cluster.settled(store.put(new ClusterKeys('default').node('b'), record))
    const a = await cluster.start('a')
    const isToWait = 'counter' in kinds
    await cluster.pass(TTL_MS - 200)
    expect(await cluster.units(a)).toEqual({ a: isToWait ? 0 : 16, b: 0 })
    await cluster.pass(400)
    expect(await cluster.units(a)).toEqual({ a: 16, b: 0 })
    await cluster.settled(store.close())
  }
})

describe('a start that fails', () => {
  it('names the option that is wrong, before anything is opened', async () => {
    const cluster = new MemoryCluster([Counter])
    expect(await refusal(cluster, 'no spaces')).toMatchObject({ code: 'CONFIG', message: expect.stringContaining('nodeId') })
    expect(await refusal(cluster, 'a', { sessionTtlMs: 3 })).toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining('sessionTtlMs'),
    })
    expect(cluster.runtime.pendingTimers).toBe(0)
  })

  it('when the store can not be reached', async () => {
    const cluster = new MemoryCluster([Counter])
    cluster.database.faults.isolate('both')
    const error = await refusal(cluster, 'a')
    cluster.database.faults.heal()
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await cluster.pass(1_000)
    expect(cluster.runtime.pendingTimers).toBe(0)
  })

  it('when the store can not fence, unless that is accepted', async () => {
    const cluster = new MemoryCluster([Counter])
    const { runtime, database } = cluster
    const metadata = () => new UnfencedStore({ database, runtime })
    expect(await refusal(cluster, 'a', { metadata: metadata() })).toMatchObject({
      code: 'STORE_CAPABILITY',
      message: expect.stringContaining('acceptUnfencedStore'),
    })
    await cluster.start('b', { metadata: metadata(), acceptUnfencedStore: true })
  })

  it('when the address is taken, leaving nothing in the store', async () => {
    const cluster = new MemoryCluster([Counter])
    const taken = cluster.network.open({ address: 'memory:taken' })
    await taken.start({ clusterId: 'x', nodeId: 'x', processId: 'x' }, { onFrame() {}, onPeerUp() {}, onPeerDown() {}, onDrain() {} })
    expect(await refusal(cluster, 'a', { messaging: cluster.network.open({ address: 'memory:taken' }) })).toMatchObject({
      code: 'TRANSPORT',
      message: expect.stringContaining('memory:taken'),
    })
    const b = await cluster.start('b')
    expect((await cluster.settled(b.manager.nodes())).map((node) => node.nodeId)).toEqual(['b'])
    await taken.stop()
  })

  it('when another live process has the node id', async () => {
    const cluster = new MemoryCluster([Counter])
    await cluster.start('a')
    const error = await cluster.settled(
      ClusterActorSystem.start({
        nodeId: 'a',
        metadata: new MemoryMetadataStore({ database: cluster.database, runtime: cluster.runtime }),
        messaging: cluster.network.open(),
        actors: [Counter],
        shardCount: 16,
        sessionTtlMs: TTL_MS,
        runtime: cluster.runtime,
        logger: { debug() {}, info() {}, warn() {}, error() {} },
      }).catch((reason: unknown) => reason),
    )
    expect(error).toMatchObject({ code: 'NODE_ID_TAKEN', message: expect.stringContaining("'a'") })
  })

  it('when the cluster was set up otherwise', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    await cluster.pass(100)
    expect(await refusal(cluster, 'b', { shardCount: 32 })).toMatchObject({
      code: 'INCOMPATIBLE_CLUSTER',
      message: expect.stringContaining('set shardCount: 16'),
    })
    await cluster.pass(100)
    expect((await cluster.settled(a.manager.nodes())).map((node) => node.nodeId)).toEqual(['a'])
  })

  it('when its static peers do not name everybody', async () => {
    const cluster = new MemoryCluster([Counter])
    await cluster.start('a')
    const peers = [
      { nodeId: 'b', address: 'memory:b' },
      { nodeId: 'c', address: 'memory:c' },
    ]
    expect(await refusal(cluster, 'b', { peers })).toMatchObject({
      code: 'INCOMPATIBLE_CLUSTER',
      message: expect.stringContaining("node 'a'"),
    })
    expect(await refusal(cluster, 'd', { peers })).toMatchObject({ code: 'CONFIG', message: expect.stringContaining('peers') })
  })

  it('takes the place of its own dead predecessor after that one is gone', async () => {
    const cluster = new MemoryCluster([Counter])
    await cluster.start('a')
    cluster.crash('a')
    const starting = cluster.start('a')
    await cluster.settled(starting, 20_000)
  })
})

describe('a client that hosts nothing', () => {
  it('sends by definition or by kind, and owns nothing', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    const client = await cluster.start('client', { hosts: [] })
    const stranger = await cluster.start('stranger', { actors: [] })
    expect(await cluster.settled(client.ref(Counter, 'x').ask('add', 1))).toBe(1)
    expect(await cluster.settled(stranger.ref<typeof Counter>('counter', 'x').ask('add', 1))).toBe(2)
    expect(await cluster.units(a)).toEqual({ a: 16, client: 0, stranger: 0 })
  })

  it('is told at once of a kind that nobody knows', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    expect(() => a.ref<typeof Other>('other', 'x')).toThrow(/unknown actor kind 'other'; registered are: counter/)
    await expect(a.register('other', 'x')).rejects.toMatchObject({ code: 'UNKNOWN_KIND' })
    await expect(a.manager.whereIs('other', 'x')).rejects.toMatchObject({ code: 'UNKNOWN_KIND' })
  })

  it('lets messages wait for a host, and dead-letters them with no-host', async () => {
    const cluster = new MemoryCluster([Counter, Other])
    const a = await cluster.start('a', { hosts: ['counter'] })
    await expect(cluster.settled(a.ref(Other, 'x').ask('ping', undefined, { timeoutMs: 500 }))).rejects.toMatchObject({ reason: 'no-host' })
    const waiting = a.ref(Other, 'x').ask('ping')
    await cluster.pass(500)
    await cluster.start('b', { hosts: ['other'] })
    expect(await cluster.settled(waiting)).toBe('pong')
  })
})

describe('a stop', () => {
  it('lets actors hear of it when nobody takes over, ends what waits, and leaves no timer', async () => {
    stops.length = 0
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    await cluster.settled(a.ref(Counter, 'x').ask('add', 1))
    await cluster.settled(a.stop(), 30_000)
    cluster.nodes.clear()
    expect(stops).toEqual(['x shutdown'])
    await cluster.pass(100)
    expect(cluster.runtime.pendingTimers).toBe(0)
    await expect(a.ref(Counter, 'x').ask('add', 1)).rejects.toMatchObject({ reason: 'shutdown' })
    await expect(a.register(Counter, 'x')).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('is bounded when store and peers are out of reach', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    await cluster.start('b')
    cluster.database.faults.isolate('both')
    cluster.network.cut('a', 'b')
    const from = cluster.runtime.nowMs
    await cluster.settled(a.stop(), 60_000)
    expect(cluster.runtime.nowMs - from).toBeLessThan(25_000)
    cluster.database.faults.heal()
  })

  it('is idempotent, and happens by itself at the end of a scope', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    const first = a.stop()
    expect(a.stop()).toBe(first)
    await cluster.settled(first, 30_000)
    await a[Symbol.asyncDispose]()
  })
})

describe('management', () => {
  it('lists nodes and pages through actors of all of them', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    await cluster.start('b')
    await cluster.until(async () => (await cluster.units(a))['b'] === 8)
    const ids = Array.from({ length: 25 }, (_, i) => `c-${i}`)
    await cluster.settled(Promise.all(ids.map((id) => a.ref(Counter, id).ask('add', 1))))
    const found: string[] = []
    let after: string | undefined
    let pages = 0
    do {
      const page = await cluster.settled(a.manager.actors({ kind: 'counter', limit: 7, ...(after === undefined ? {} : { after }) }))
      expect(page.actors.length).toBeLessThanOrEqual(7)
      found.push(...page.actors.map((actor) => actor.id))
      after = page.next
      pages++
    } while (after !== undefined)
    expect(found.sort()).toEqual(ids.sort())
    expect(pages).toBeGreaterThanOrEqual(4)
    const nodes = await cluster.settled(a.manager.nodes())
    expect(nodes).toMatchObject([
      { nodeId: 'a', isLeader: true, isSelf: true, connected: true, units: 8 },
      { nodeId: 'b', isLeader: false, isSelf: false, connected: true, units: 8 },
    ])
    expect(nodes.every((node) => (node.lastRenewalMsAgo ?? 1e9) <= TTL_MS / 3 + 50)).toBe(true)
    expect(nodes.reduce((sum, node) => sum + (node.actors ?? 0), 0)).toBe(25)
  })

  it('forces an election, also when the leader does not answer', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    const b = await cluster.start('b')
    expect(await cluster.settled(a.manager.forceElection())).toBe('b')
    cluster.network.cut('a', 'b')
    expect(await cluster.settled(a.manager.forceElection())).toMatch(/^[ab]$/)
    cluster.network.restore('a', 'b')
    expect((await cluster.settled(b.health())).leader).toBeDefined()
  })

  it('reports metrics under their documented names', async () => {
    const cluster = new MemoryCluster([Counter], { measureLatency: true })
    const a = await cluster.start('a')
    await cluster.settled(a.ref(Counter, 'x').ask('add', 1))
    expect(a.metrics()).toMatchObject({
      nodeId: 'a',
      actors: 1,
      nodes: 1,
      ownedShards: 16,
      ownedWithoutLease: 0,
      messages: { sent: 1 },
      latency: { ask: { count: 1 } },
      failovers: { units: 0, nodes: 0 },
    })
  })
})
