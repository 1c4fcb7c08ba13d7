import { describe, expect, it } from 'vitest'
import { defineActor } from '../../src/actor/definition.ts'
import { MemoryCluster } from '../support/memory-cluster.ts'

const Counter = defineActor('counter', {
  state: () => ({ value: 0 }),
  messages: {
    add(ctx, by: number) {
      ctx.state.value += by
      return ctx.state.value
    },
    read(ctx) {
      return ctx.state.value
    },
  },
})

const ids = Array.from({ length: 40 }, (_, i) => `c-${i}`)

describe('a cluster of one node', () => {
  it('answers', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    expect(await cluster.settled(a.ref(Counter, 'c-1').ask('add', 2))).toBe(2)
    expect(await cluster.settled(a.ref(Counter, 'c-1').ask('read'))).toBe(2)
    expect(await cluster.settled(a.health())).toMatchObject({ status: 'ok', leader: 'a' })
  })
})

describe('a cluster of three nodes', () => {
  async function three() {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    const b = await cluster.start('b')
    const c = await cluster.start('c')
    return { cluster, a, b, c }
  }

  it('spreads shards, and reaches every actor from every node', async () => {
    const { cluster, a, b, c } = await three()
    await cluster.until(async () => Object.values(await cluster.units(a)).every((units) => units >= 5))
    const sums = await cluster.settled(
      Promise.all(
        ids.map(async (id) => {
          for (const node of [a, b, c]) await node.ref(Counter, id).ask('add', 1)
          return a.ref(Counter, id).ask('read')
        }),
      ),
    )
    expect(sums).toEqual(ids.map(() => 3))
  })

  it('keeps state and answers while shards move to a node that joins', async () => {
    const cluster = new MemoryCluster([Counter])
    const a = await cluster.start('a')
    await cluster.settled(Promise.all(ids.map((id) => a.ref(Counter, id).ask('add', 7))))
    const b = await cluster.start('b')
    await cluster.until(async () => (await cluster.units(a))['b'] === 8)
    expect(await cluster.settled(Promise.all(ids.map((id) => b.ref(Counter, id).ask('read'))))).toEqual(ids.map(() => 7))
    expect(a.metrics().handoffs).toMatchObject({ completed: 8, aborted: 0 })
  })

  it('gives the shards of a killed node to the others within one TTL and a second', async () => {
    const { cluster, a } = await three()
    await cluster.until(async () => Object.values(await cluster.units(a)).every((units) => units >= 5))
    cluster.crash('c')
    const tookMs = await cluster.until(async () => (await cluster.units(a))['c'] === undefined)
    expect(tookMs).toBeLessThanOrEqual(4_000)
    expect(await cluster.settled(Promise.all(ids.map((id) => a.ref(Counter, id).ask('add', 1))))).toHaveLength(ids.length)
  })
})
