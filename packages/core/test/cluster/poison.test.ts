import { describe, expect, it } from 'vitest'
import { defineActor } from '../../src/actor/definition.ts'
import type { ClusterActorSystem } from '../../src/cluster/cluster-actor-system.ts'
import { shardOf } from '../../src/hashing/key-hash.ts'
import { MemoryCluster } from '../support/memory-cluster.ts'

/** What a node is cut off by: a handler that takes its whole process down. */
const deaths: string[] = []
let cluster: MemoryCluster
const Bomb = defineActor('bomb', {
  state: (): { lines: string[] } => ({ lines: [] }),
  messages: {
    note(ctx, line: string): string[] {
      ctx.state.lines.push(line)
      return ctx.state.lines
    },
    async explode(_ctx, owner: string): Promise<void> {
      void owner
      const { nodeId } = await exploding()
      deaths.push(nodeId)
      cluster.crash(nodeId)
      await new Promise(() => {})
    },
  },
})
let exploding: () => Promise<{ nodeId: string }>

async function ownerOf(system: ClusterActorSystem, id: string): Promise<string> {
  return (await system.manager.whereIs(Bomb, id)).nodeId ?? ''
}

describe('a message that takes its node down', () => {
  it('is dead-lettered as poison after three of them, and what is behind it in its stream is handled by the next owner', async () => {
    deaths.length = 0
    cluster = new MemoryCluster([Bomb])
    const client = await cluster.start('client', { hosts: [] })
    for (const nodeId of ['a', 'b', 'c', 'd', 'e']) await cluster.start(nodeId)
    await cluster.until(async () =>
      Object.entries(await cluster.units(client)).every(([nodeId, units]) => nodeId === 'client' || units >= 3),
    )
    exploding = async () => ({ nodeId: await ownerOf(client, 'x') })
    const letters: string[] = []
    client.onDeadLetter((letter) => letters.push(`${letter.type} ${letter.reason}`))

    const poison = client
      .ref(Bomb, 'x')
      .ask('explode', 'x', { timeoutMs: 60_000 })
      .catch((error: unknown) => error)
    const behind = client.ref(Bomb, 'x').ask('note', 'behind', { timeoutMs: 60_000 })
    // An innocent in another shard of the same node is not held up beyond the failover.
    expect(shardOf('y', 16)).not.toBe(shardOf('x', 16))
    const answer = await cluster.settled(poison, 60_000)
    expect(answer).toMatchObject({ code: 'DELIVERY_UNKNOWN', reason: 'poison' })
    expect(new Set(deaths).size).toBe(3)
    expect(deaths).toHaveLength(3)
    expect(await cluster.settled(behind, 20_000)).toEqual(['behind'])
    expect(await cluster.settled(client.ref(Bomb, 'y').ask('note', 'fine'), 20_000)).toEqual(['fine'])
    expect(letters).toEqual([])
    expect(deaths).toHaveLength(3)
  })

  it('as a tell is reported as a dead letter', async () => {
    deaths.length = 0
    cluster = new MemoryCluster([Bomb], { delivery: { poisonDeaths: 2 } })
    const client = await cluster.start('client', { hosts: [] })
    for (const nodeId of ['a', 'b', 'c']) await cluster.start(nodeId)
    exploding = async () => ({ nodeId: await ownerOf(client, 'x') })
    const letters: string[] = []
    client.onDeadLetter((letter) => letters.push(`${letter.type} ${letter.reason}`))
    client.ref(Bomb, 'x').tell('explode', 'x')
    await cluster.until(() => letters.length > 0)
    expect(letters).toEqual(['explode poison'])
    expect(await cluster.settled(client.ref(Bomb, 'x').ask('note', 'fine'), 20_000)).toEqual(['fine'])
    expect(deaths).toHaveLength(2)
  })
})

describe('least-loaded placement', () => {
  it('gives what a dead node had to whoever reports the least load', async () => {
    const loads: Record<string, number> = { a: 900, b: 1, c: 900, d: 900 }
    cluster = new MemoryCluster([Bomb], { placement: { strategy: 'least-loaded', topK: 3 } })
    const systems = new Map<string, ClusterActorSystem>()
    for (const nodeId of Object.keys(loads)) systems.set(nodeId, await cluster.start(nodeId, { load: () => loads[nodeId] ?? 0 }))
    const a = systems.get('a') as ClusterActorSystem
    await cluster.until(async () => Object.values(await cluster.units(a)).every((units) => units === 4))
    cluster.crash('d')
    await cluster.until(
      async () => !('d' in (await cluster.units(a))) && Object.values(await cluster.units(a)).reduce((x, y) => x + y) === 16,
    )
    const after = await cluster.units(a)
    // The cap is its fair share rounded up: 16 / 3.
    expect(after['b']).toBe(6)
  })
})
