import { describe, expect, it } from 'vitest'
import { LinkFaults, MemoryMetadataStore } from '../../../metadata-memory/src/index.ts'
import { defineActor } from '../../src/actor/definition.ts'
import type { ClusterActorSystem } from '../../src/cluster/cluster-actor-system.ts'
import type { Watch, WatchEvent } from '../../src/metadata/metadata-store.ts'
import { MemoryCluster, TTL_MS } from '../support/memory-cluster.ts'

const spec = {
  state: () => ({ value: 0 }),
  messages: {
    add(ctx: { state: { value: number } }, by: number) {
      ctx.state.value += by
      return ctx.state.value
    },
    read(ctx: { state: { value: number } }) {
      return ctx.state.value
    },
  },
}
const Counter = defineActor('counter', spec)
const Available = defineActor('available', { ...spec, onStoreLoss: 'continue' })

const turns: number[] = []
const Noting = defineActor('noting', { messages: { note: (_, n: number) => void turns.push(n) } })

const Forwarding = defineActor('forwarding', {
  messages: { forward: (ctx, to: string) => void ctx.ref(Noting, to).tell('note', 1) },
})

const started: string[] = []
const Remembered = defineActor('remembered', {
  onStart(ctx) {
    started.push(ctx.self.id)
  },
  messages: { ping: () => 'pong' },
})

const ids = Array.from({ length: 20 }, (_, i) => `c-${i}`)

describe('a session that is lost', () => {
  it('suspends every actor, and they go on with their state when nobody owned them in between', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    await cluster.settled(Promise.all(ids.map((id) => a.ref(Counter, id).ask('add', 3))))
    const events: string[] = []
    for (const name of ['suspended', 'resumed', 'discarded', 'store-lost', 'store-regained'] as const)
      a.events.on(name, () => events.push(name))
    cluster.nodes.get('a')?.storeFaults.isolate()
    await cluster.pass(TTL_MS + 100)
    expect(events).toContain('suspended')
    expect((await cluster.settled(a.health())).status).toBe('suspended')
    const waiting = a.ref(Counter, 'c-1').ask('add', 1)
    let answered = false
    void waiting.then(() => {
      answered = true
    })
    await cluster.pass(1_000)
    expect(answered).toBe(false)
    cluster.nodes.get('a')?.storeFaults.heal()
    expect(await cluster.settled(waiting)).toBe(4)
    expect(await cluster.settled(Promise.all(ids.slice(2).map((id) => a.ref(Counter, id).ask('read'))))).toEqual(ids.slice(2).map(() => 3))
    expect(events).toEqual(['store-lost', 'suspended', 'store-regained', 'resumed'])
    await cluster.pass(2_000)
    expect((await cluster.settled(a.health())).status).toBe('ok')
  })

  it('costs the state of what another node owned in between', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    const b = await cluster.start('b')
    await cluster.until(async () => (await cluster.units(a))['b'] === 8)
    await cluster.settled(Promise.all(ids.map((id) => a.ref(Counter, id).ask('add', 3))))
    const onB: string[] = []
    for (const id of ids) if ((await a.manager.whereIs(Counter, id)).nodeId === 'b') onB.push(id)
    cluster.nodes.get('b')?.storeFaults.isolate()
    await cluster.until(async () => (await cluster.units(a))['b'] === undefined)
    expect(await cluster.settled(Promise.all(onB.map((id) => a.ref(Counter, id).ask('add', 1))))).toEqual(onB.map(() => 1))
    cluster.nodes.get('b')?.storeFaults.heal()
    await cluster.until(async () => (await cluster.units(a))['b'] === 8, 30_000)
    expect(await cluster.settled(Promise.all(onB.map((id) => b.ref(Counter, id).ask('read'))))).toEqual(onB.map(() => 1))
  })

  it('leaves a kind that says onStoreLoss: continue running', async () => {
    const cluster = new MemoryCluster([Counter, Available])
    const a = await cluster.start('a')
    await cluster.settled(a.ref(Available, 'x').ask('add', 3))
    cluster.nodes.get('a')?.storeFaults.isolate()
    await cluster.pass(TTL_MS + 500)
    expect(await cluster.settled(a.ref(Available, 'x').ask('add', 1), 500)).toBe(4)
    cluster.nodes.get('a')?.storeFaults.heal()
    await cluster.pass(5_000)
    expect(await cluster.settled(a.ref(Available, 'x').ask('add', 1), 500)).toBe(5)
  })

  it('runs no turn after its lease, though no timer has said so yet', async () => {
    turns.length = 0
    const cluster = new MemoryCluster([Noting])
    const a = await cluster.start('a')
    await cluster.settled(a.ref(Noting, 'x').ask('note', 1))
    cluster.runtime.nowMs += TTL_MS + 1
    const late = a.ref(Noting, 'x').ask('note', 2)
    cluster.runtime.flush()
    await Promise.resolve()
    cluster.runtime.flush()
    expect(turns).toEqual([1])
    await cluster.settled(late)
    expect(turns).toEqual([1, 2])
  })
})

describe("a kind that says onStoreLoss: 'continue'", () => {
  async function three() {
    const cluster = new MemoryCluster([Counter, Available])
    const systems = [await cluster.start('a'), await cluster.start('b'), await cluster.start('c')] as const
    const [a] = systems
    await cluster.until(async () => Object.values(await cluster.units(a)).join() === '11,11,10')
    const on = new Map<string, string>()
    for (const id of ids) on.set((await cluster.settled(a.manager.whereIs(Available, id))).nodeId ?? '', id)
    await cluster.settled(Promise.all(ids.flatMap((id) => [a.ref(Available, id).ask('add', 5), a.ref(Counter, id).ask('add', 5)])))
    const sum = (of: (system: ClusterActorSystem) => number): number => systems.reduce((all, system) => all + of(system), 0)
    return { cluster, systems, a, on, sum }
  }

  it('runs on where it is when nobody reaches the store, others wait, and health and metrics say so', async () => {
    const { cluster, systems, a, sum } = await three()
    expect(sum((system) => system.metrics().ownedWithoutLease)).toBe(0)
    for (const node of cluster.nodes.values()) node.storeFaults.isolate()
    await cluster.pass(10 * TTL_MS)
    // From each node to each: routing goes on from the documents that everybody has.
    for (const [i, system] of systems.entries()) {
      expect(await cluster.settled(Promise.all(ids.map((id) => system.ref(Available, id).ask('add', 1))), 500)).toEqual(
        ids.map(() => 6 + i),
      )
    }
    const waiting = ids.map((id) => a.ref(Counter, id).ask('add', 1, { timeoutMs: 60_000 }))
    let answers = 0
    for (const answer of waiting) void answer.then(() => answers++)
    await cluster.pass(1_000)
    expect(answers).toBe(0)
    expect(sum((system) => system.metrics().ownedWithoutLease)).toBe(16)
    const health = await cluster.settled(a.health())
    expect(health.status).toBe('suspended')
    expect(health.problems.join()).toMatch(
      / shards and pins run on without a lease \(onStoreLoss: 'continue' of available\): another node may own the same actors/,
    )

    for (const node of cluster.nodes.values()) node.storeFaults.heal()
    // Nobody was appointed meanwhile, so both kinds go on with their state.
    expect(await cluster.settled(Promise.all(waiting))).toEqual(ids.map(() => 6))
    expect(await cluster.settled(Promise.all(ids.map((id) => a.ref(Available, id).ask('read'))))).toEqual(ids.map(() => 8))
    await cluster.pass(2 * TTL_MS)
    expect(sum((system) => system.metrics().ownedWithoutLease)).toBe(0)
    expect((await cluster.settled(a.health())).status).toBe('ok')
  })

  it('has two owners while one node alone reaches no store, and the one that was appointed counts afterwards', async () => {
    const { cluster, systems, a, on } = await three()
    const [, b] = systems
    const id = on.get('b') ?? ''
    const discarded: string[] = []
    b.events.on('discarded', ({ kind }) => discarded.push(kind))
    cluster.nodes.get('b')?.storeFaults.isolate()
    await cluster.until(async () => (await cluster.units(a))['b'] === undefined)
    expect(await cluster.settled(a.ref(Available, id).ask('add', 1))).toBe(1)
    expect(await cluster.settled(b.ref(Available, id).ask('add', 1), 500)).toBe(6)
    expect(b.metrics().ownedWithoutLease).toBeGreaterThan(0)
    expect(a.metrics().ownedWithoutLease).toBe(0)

    cluster.nodes.get('b')?.storeFaults.heal()
    await cluster.until(async () => (await cluster.units(a))['b'] === 10, 30_000)
    expect(discarded).toContain('available')
    for (const system of systems) expect(await cluster.settled(system.ref(Available, id).ask('read'))).toBe(1)
    expect(b.metrics().ownedWithoutLease).toBe(0)
  })
})

describe('an outage of the store', () => {
  it('kills nobody: afterwards every node goes on with its state', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    const b = await cluster.start('b')
    await cluster.until(async () => (await cluster.units(a))['b'] === 8)
    await cluster.settled(Promise.all(ids.map((id) => a.ref(Counter, id).ask('add', 3))))
    cluster.database.faults.isolate('both')
    await cluster.pass(3 * TTL_MS)
    cluster.database.faults.heal()
    await cluster.pass(2 * TTL_MS)
    expect(await cluster.settled(Promise.all(ids.map((id) => b.ref(Counter, id).ask('read'))))).toEqual(ids.map(() => 3))
    expect(a.metrics().failovers.units + b.metrics().failovers.units).toBe(0)
  })

  it('routing goes on from what is cached, as long as leases last', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    const b = await cluster.start('b')
    await cluster.until(async () => (await cluster.units(a))['b'] === 8)
    cluster.database.faults.isolate('both')
    await cluster.pass(500)
    expect(await cluster.settled(Promise.all(ids.map((id) => b.ref(Counter, id).ask('add', 1))), 1_000)).toHaveLength(ids.length)
    cluster.database.faults.heal()
    await cluster.pass(1_000)
  })
})

describe('a node that reaches the store but none of its peers', () => {
  it('leaves, so that its shards move to where they can be reached, and comes back when it is reached again', async () => {
    const cluster = new MemoryCluster([Counter], { isolationMs: TTL_MS })
    const a = await cluster.start('a')
    await cluster.start('b')
    const c = await cluster.start('c')
    await cluster.until(async () => Object.values(await cluster.units(a)).every((units) => units >= 5))
    cluster.network.cut('a', 'c')
    cluster.network.cut('b', 'c')
    await cluster.until(async () => (await cluster.units(a))['c'] === undefined, 4 * TTL_MS)
    expect((await cluster.settled(c.health())).problems.join()).toMatch(/keeps out of the cluster/)
    expect(await cluster.settled(Promise.all(ids.map((id) => a.ref(Counter, id).ask('add', 1))))).toHaveLength(ids.length)
    cluster.network.restore('a', 'c')
    cluster.network.restore('b', 'c')
    await cluster.until(async () => ((await cluster.units(a))['c'] ?? 0) >= 5, 60_000)
  })
})

it('names twenty of the nodes that it can not reach, and counts the others', async () => {
  const cluster = new MemoryCluster([Noting], { hosts: [] })
  const a = await cluster.start('a')
  for (let n = 10; n < 33; n++) {
    await cluster.start(`n${n}`)
    cluster.network.cut('a', `n${n}`)
  }
  await cluster.until(async () =>
    (await cluster.settled(a.health())).problems.some((problem) => problem.includes('n32') || problem.includes('more')),
  )
  await cluster.pass(TTL_MS)
  const { problems } = await cluster.settled(a.health())
  const named = Array.from({ length: 20 }, (_, n) => `n${n + 10}`).join(', ')
  expect(problems).toContain(`no connection to ${named} and 3 more`)
})

it('what the turn of an actor sent that was handed over does not leave under a later lease', async () => {
  turns.length = 0
  const cluster = new MemoryCluster([Forwarding, Noting])
  const a = await cluster.start('a', { hosts: ['forwarding'] })
  const b = await cluster.start('b', { hosts: ['forwarding'] })
  await cluster.start('c', { hosts: ['noting'] })
  await cluster.settled(a.manager.migrate(Forwarding, 'f', 'a'))
  const letters: string[] = []
  a.onDeadLetter(({ reason, address }) => letters.push(`${address.kind}: ${reason}`))
  // It can't leave yet: its peer is out of reach. The lease is lost and regained before anything has reason to ask.
  cluster.network.cut('a', 'c')
  await cluster.settled(b.ref(Forwarding, 'f').send('forward', 'n'))
  await cluster.settled(b.manager.migrate(Forwarding, 'f', 'b'))
  cluster.nodes.get('a')?.storeFaults.isolate()
  await cluster.pass(TTL_MS + 200)
  cluster.nodes.get('a')?.storeFaults.heal()
  await cluster.until(async () => (await cluster.settled(a.health())).status !== 'suspended')
  cluster.network.restore('a', 'c')
  await cluster.pass(10_000)
  expect(turns).toEqual([])
  expect(letters).toEqual(['noting: fenced'])
})

/** What it tells of placements comes late. */
class LaggingStore extends MemoryMetadataStore {
  override watch(prefix: string, listener: (event: WatchEvent) => void): Promise<Watch> {
    const { runtime } = this
    const isLate = prefix.includes('placement')
    return super.watch(prefix, isLate ? (event) => void runtime.setTimer(() => listener(event), 100) : listener)
  }
}

// Found by the simulation (seed 44603): a sealed unit did not hear that the lease was lost.
it('what the turn of an actor sent that was sealed does not leave under a later lease, when its node was replaced in between', async () => {
  turns.length = 0
  const cluster = new MemoryCluster([Forwarding, Noting])
  const leader = await cluster.start('leader', { hosts: [] })
  const faults = new LinkFaults()
  const { database, runtime } = cluster
  const metadata = new LaggingStore({ database, runtime, faults, timeoutMs: 1_000, onError: () => {} })
  const a = await cluster.start('a', { hosts: ['forwarding'], metadata })
  await cluster.start('b', { hosts: ['forwarding'] })
  await cluster.start('c', { hosts: ['noting'] })
  await cluster.settled(leader.manager.migrate(Forwarding, 'f', 'a'))
  const letters: string[] = []
  a.onDeadLetter(({ reason, address }) => letters.push(`${address.kind}: ${reason}`))
  cluster.network.cut('a', 'c')
  await cluster.settled(leader.ref(Forwarding, 'f').send('forward', 'n'))
  // It is sealed, and can't be shipped.
  cluster.network.cut('a', 'b')
  const migrating = leader.manager.migrate(Forwarding, 'f', 'b').catch(() => undefined)
  await cluster.pass(200)
  faults.isolate()
  await cluster.pass(TTL_MS + 1_200)
  faults.heal()
  await cluster.until(async () => (await cluster.settled(a.health())).status !== 'suspended')
  await cluster.settled(migrating, 60_000)
  cluster.network.restore('a', 'b')
  cluster.network.restore('a', 'c')
  await cluster.pass(10_000)
  expect(turns).toEqual([])
  expect(letters).toEqual(['noting: fenced'])
})

describe('remembered actors', () => {
  it('are started when they are registered, and again after the failure of their node', async () => {
    started.length = 0
    const cluster = new MemoryCluster([Remembered])
    const a = await cluster.start('a')
    await cluster.start('b')
    await cluster.until(async () => (await cluster.units(a))['b'] === 8)
    await cluster.settled(Promise.all(ids.map((id) => a.register(Remembered, id))))
    await cluster.pass(100)
    expect([...started].sort()).toEqual([...ids].sort())
    const onB: string[] = []
    for (const id of ids) if ((await a.manager.whereIs(Remembered, id)).nodeId === 'b') onB.push(id)
    started.length = 0
    cluster.crash('b')
    await cluster.until(async () => (await cluster.units(a))['b'] === undefined)
    await cluster.pass(500)
    expect([...started].sort()).toEqual([...onB].sort())
  })

  // Found by the simulation (seed 116 of slow stores, moves, crashes, stops and drains): nobody started those whose shard ran on as it did.
  it('are started at home when the node that they were moved to by hand dies, also where their shard has run since before', async () => {
    const cluster = new MemoryCluster([Remembered])
    const a = await cluster.start('a')
    const b = await cluster.start('b')
    await cluster.until(async () => (await cluster.units(a))['b'] === 8)
    await cluster.settled(Promise.all(ids.map((id) => a.register(Remembered, id))))
    const moved: string[] = []
    for (const id of ids) if ((await a.manager.whereIs(Remembered, id)).nodeId === 'a') moved.push(id)
    for (const id of moved) await cluster.settled(a.manager.migrate(Remembered, id, 'b'))
    // Their shards get epochs above those of the pins, on a node that stays.
    const c = await cluster.start('c')
    await cluster.settled(b.manager.drain('a'), 30_000)
    cluster.crash('b')
    await cluster.until(async () => (await cluster.units(c))['b'] === undefined)
    await cluster.pass(1_000)
    const { actors } = await cluster.settled(c.manager.actors({ kind: 'remembered', nodeId: 'c', limit: 1_000 }))
    expect(actors.map(({ id }) => id).sort()).toEqual([...ids].sort())
  })

  // Found by the simulation (seed 12197): they came to life with their first message.
  it('are started where they were moved to when they are registered after that, also while they move on', async () => {
    const cluster = new MemoryCluster([Remembered])
    const a = await cluster.start('a')
    await cluster.start('b')
    await cluster.start('c')
    await cluster.until(async () => (await cluster.units(a))['c'] !== undefined)
    started.length = 0
    for (const id of ['x', 'y']) {
      const home = (await a.manager.whereIs(Remembered, id)).nodeId as string
      const [first = '', second = ''] = ['a', 'b', 'c'].filter((nodeId) => nodeId !== home)
      await cluster.settled(a.manager.migrate(Remembered, id, first))
      const moving = id === 'x' ? undefined : a.manager.migrate(Remembered, id, second)
      await cluster.settled(Promise.all([moving, a.register(Remembered, id)]))
      await cluster.pass(100)
      const { actors } = await cluster.settled(a.manager.actors({ kind: 'remembered', nodeId: moving ? second : first, limit: 10 }))
      expect(actors.map((actor) => actor.id)).toContain(id)
    }
    expect(started).toEqual(['x', 'y'])
  })

  it('are forgotten when they are unregistered', async () => {
    started.length = 0
    const cluster = new MemoryCluster([Remembered])
    const a = await cluster.start('a')
    await cluster.settled(a.register(Remembered, 'x'))
    await cluster.settled(a.unregister(Remembered, 'x'))
    await cluster.settled(a.stop(), 30_000)
    started.length = 0
    cluster.nodes.clear()
    await cluster.start('a2')
    await cluster.pass(1_000)
    expect(started).toEqual([])
  })

  it('are there again after the whole cluster was stopped and started', async () => {
    const cluster = new MemoryCluster([Remembered])
    const a = await cluster.start('a')
    await cluster.settled(a.register(Remembered, 'x'))
    await cluster.settled(a.stop(), 30_000)
    started.length = 0
    cluster.nodes.clear()
    await cluster.start('a2')
    await cluster.pass(1_000)
    expect(started).toEqual(['x'])
  })
})
