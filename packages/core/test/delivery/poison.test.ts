// Messages that bring their owner down, their neighbours, and what owners and senders must know of each other to tell them apart.

import { describe, expect, it } from 'vitest'
import type { DeliveryLimits } from '../../src/delivery/delivery-limits.ts'
import { ConfigError } from '../../src/errors.ts'
import { shardOf } from '../../src/hashing/key-hash.ts'
import { DeliveryWorld, idIn, KIND, SHARDS, type TestNode, type TestTable } from './support/delivery-world.ts'

type Order = 'death first' | 'placement first'

interface Scene {
  readonly world: DeliveryWorld
  readonly sender: TestNode
  readonly deaths: string[]
  /** Payloads that were handled, by actor, of all owners whose acknowledgement could have left. */
  readonly handled: () => Map<string, unknown[]>
  readonly owner: () => TestNode
  /** Of the present owner, with the actor in it. */
  table(id: string): TestTable
  tell(id: string, payload: unknown, from?: TestNode): void
  /** Another sender. */
  start(nodeId: string): Promise<TestNode>
  /** The owner is gone, as after SIGKILL; the next one takes over. */
  kill(): void
  failOver(order?: Order): Promise<void>
  /** Until nobody dies any more. */
  run(order?: Order): Promise<void>
}

async function open(latencyMs = 0, limits: Partial<DeliveryLimits> = {}): Promise<Scene> {
  const world = new DeliveryWorld({ limits: { linkRetentionMs: 1_000_000, ...limits }, network: { latencyMs } })
  const sender = await world.start('a')
  const senders = [sender]
  const deaths: string[] = []
  let owner!: TestNode
  let isDead = true
  const kill = (): void => {
    isDead = true
    deaths.push(owner.id.nodeId)
    for (const table of owner.tables.values()) table.mayRun = () => false
    world.network.crash(owner.id.nodeId)
    owner.endpoint.close()
    world.nodes.delete(owner.id.nodeId)
  }
  const takeOver = (): void => {
    isDead = false
    for (let shard = 0; shard < SHARDS; shard++) {
      const location = world.appoint(shard, owner)
      owner.see(location)
      owner.open(shard, location.epoch).onHandled = ({ payload }) => {
        if (payload === 'kill' && !isDead) kill()
      }
    }
    world.tellAll()
  }
  const failOver = async (order: Order = 'death first'): Promise<void> => {
    const { processId } = owner.id
    const die = (): void => {
      for (const { endpoint } of senders) endpoint.peerGone(processId)
    }
    if (order === 'death first') die()
    owner = await world.start(`o${deaths.length}`)
    takeOver()
    if (order === 'placement first') die()
  }
  owner = await world.start('o0')
  takeOver()
  world.settle()
  return {
    world,
    sender,
    deaths,
    owner: () => owner,
    handled() {
      const all = new Map<string, unknown[]>()
      for (const table of owner.tables.values()) {
        for (const { actor, payload } of table.effects) all.set(actor, [...(all.get(actor) ?? []), payload])
      }
      return all
    },
    table(id) {
      const table = owner.tables.get(shardOf(id, SHARDS))
      if (table === undefined) throw new Error(`the owner has no table for ${id}`)
      return table
    },
    tell: (id, payload, from = sender) => void from.endpoint.tell({ kind: KIND, id }, 'x', payload, { timeoutMs: 600_000 }),
    async start(nodeId) {
      const node = await world.start(nodeId)
      senders.push(node)
      world.tellAll()
      return node
    },
    kill,
    failOver,
    async run(order) {
      for (let rounds = 0; rounds < 100; rounds++) {
        world.advance(50)
        if (isDead) await failOver(order)
        else if (sender.endpoint.counters.outboxMessages === 0) return
      }
      throw new Error('owners die for ever')
    },
  }
}

describe('a message that brings its owner down', () => {
  for (const order of ['death first', 'placement first'] as const) {
    it(`is dead-lettered at the third death, wherever in its stream it stands, and every other message is handled (${order})`, async () => {
      for (const before of [0, 1, 40]) {
        const scene = await open()
        const guilty = idIn(0, 'guilty')
        const neighbours = Array.from({ length: 100 }, (_, i) => `neighbour-${i}`)
        for (let i = 0; i < before; i++) scene.tell(guilty, i)
        scene.tell(guilty, 'kill')
        for (let i = 0; i < 40; i++) scene.tell(guilty, `behind ${i}`)
        for (const id of neighbours) for (let i = 0; i < 3; i++) scene.tell(id, i)
        await scene.run(order)
        expect([before, scene.deaths.length]).toEqual([before, 3])
        expect(scene.sender.deadLetters.map(({ address, reason }) => `${address.id} ${reason}`)).toEqual([`${guilty} poison`])
        expect(scene.handled().get(guilty)?.slice(-40)).toEqual(Array.from({ length: 40 }, (_, i) => `behind ${i}`))
        expect(scene.sender.endpoint.counters.outboxMessages).toBe(0)
      }
    })
  }

  it('takes no other one with it: the second is dead-lettered as well, and the innocent between them are not', async () => {
    const scene = await open()
    for (let i = 0; i < 30; i++) scene.tell(`n-${i}`, i)
    scene.tell('first', 'kill')
    for (let i = 30; i < 60; i++) scene.tell(`n-${i}`, i)
    scene.tell('second', 'kill')
    await scene.run()
    expect(scene.sender.deadLetters.map(({ address, reason }) => `${address.id} ${reason}`).sort()).toEqual([
      'first poison',
      'second poison',
    ])
    expect(scene.sender.endpoint.counters.outboxMessages).toBe(0)
  })
})

describe('a message that is merely there', () => {
  it('survives any number of deaths that find it waiting', async () => {
    const scene = await open()
    const id = idIn(0, 'innocent')
    for (const table of scene.owner().tables.values()) table.mayRun = () => false
    scene.tell(id, 'hello')
    scene.world.advance(200)
    for (let i = 0; i < 8; i++) {
      scene.kill()
      await scene.failOver(i % 2 === 0 ? 'death first' : 'placement first')
      // It arrives, and the process is gone before it could announce it.
      scene.owner().leaseIsSafe = i === 7
      scene.world.advance(500)
    }
    expect(scene.sender.deadLetters).toEqual([])
    expect(scene.handled().get(id)).toEqual(['hello'])
  })

  it('is not suspected when its owner never had it', async () => {
    const scene = await open()
    scene.kill()
    scene.world.settle()
    scene.tell('late', 'kill')
    await scene.failOver()
    await scene.run()
    // The first death was not its doing.
    expect(scene.deaths).toHaveLength(4)
  })
})

describe('a suspect', () => {
  it('waits for its sender to know, and for no longer than a second', async () => {
    const scene = await open()
    const id = idIn(0, 'slow')
    scene.tell(id, 'first')
    scene.world.runtime.flush()
    scene.kill()
    await scene.failOver()
    // Nothing of its announcement leaves.
    scene.owner().leaseIsSafe = false
    scene.world.advance(800)
    expect(scene.handled().get(id)).toBeUndefined()
    scene.world.advance(400)
    expect(scene.handled().get(id)).toEqual(['first'])
    scene.owner().leaseIsSafe = true
    scene.world.advance(1_000)
    expect(scene.sender.endpoint.counters.outboxMessages).toBe(0)
  })

  it('costs its stream one round trip, and not one for each message', async () => {
    const scene = await open(20)
    const id = idIn(0, 'long')
    scene.world.advance(500)
    for (const table of scene.owner().tables.values()) table.mayRun = () => false
    for (let i = 0; i < 300; i++) scene.tell(id, i)
    scene.world.advance(100)
    scene.kill()
    await scene.failOver()
    scene.world.advance(700)
    expect(scene.handled().get(id)).toHaveLength(300)
  })

  it('costs its stream one round trip for each portion that its link takes', async () => {
    const scene = await open(20, { creditBytes: 8_000, maxPayloadBytes: 1_000 })
    const id = idIn(0, 'long')
    scene.world.advance(500)
    for (const table of scene.owner().tables.values()) table.mayRun = () => false
    for (let i = 0; i < 300; i++) scene.tell(id, i)
    scene.world.advance(1_000)
    scene.kill()
    await scene.failOver()
    scene.world.advance(1_000)
    expect(scene.handled().get(id)).toHaveLength(300)
  })

  it('does not keep others waiting when it takes long', async () => {
    const scene = await open()
    const [slow, other] = [idIn(0, 'slow'), idIn(1, 'other')]
    for (const id of [slow, other]) scene.tell(id, id)
    scene.world.runtime.flush()
    scene.kill()
    await scene.failOver()
    scene.world.runtime.flush()
    scene.kill()
    await scene.failOver()
    const table = scene.owner().tables.get(0)
    if (table !== undefined) table.mayRun = () => false
    scene.world.advance(2_500)
    expect(scene.handled().get(other)).toEqual([other])
    expect(scene.sender.deadLetters).toEqual([])
  })

  for (const senders of [1, 20]) {
    it(`keeps others waiting for a second at most, however many are behind its actor's turn (of ${senders} processes)`, async () => {
      const scene = await open()
      const [slow, other] = [idIn(0, 'slow'), idIn(1, 'other')]
      const from = [scene.sender]
      while (from.length < senders) from.push(await scene.start(`s${from.length}`))
      for (let i = 0; i < 20; i++) scene.tell(slow, i, from[i % senders])
      scene.world.runtime.flush()
      scene.tell(other, 'hello', from.at(-1))
      scene.world.runtime.flush()
      for (let deaths = 0; deaths < 2; deaths++) {
        scene.kill()
        await scene.failOver()
        scene.world.runtime.flush()
      }
      const table = scene.table(slow)
      table.mayRun = () => false
      scene.world.advance(1_200)
      expect(scene.handled().get(other)).toEqual(['hello'])
      // Those behind it were not about to start, so this death is none of theirs.
      scene.world.advance(5_000)
      scene.kill()
      await scene.failOver()
      scene.world.advance(1_000)
      const letters = from.flatMap(({ deadLetters }) => deadLetters)
      expect(letters.map(({ address, reason }) => `${address.id} ${reason}`)).toEqual([`${slow} poison`])
      expect(scene.handled().get(slow)?.sort()).toEqual(Array.from({ length: 19 }, (_, i) => i + 1).sort())
      for (const { endpoint } of from) expect(endpoint.counters.outboxMessages).toBe(0)
    })
  }

  it('that runs alone does not wait for those behind it in its stream, which do not run alone', async () => {
    const scene = await open()
    const id = idIn(0, 'mixed')
    for (const i of [1, 2]) scene.tell(id, i)
    scene.world.runtime.flush()
    scene.kill()
    await scene.failOver()
    scene.world.runtime.flush()
    // Their first death is the second of those before.
    for (const i of [3, 4]) scene.tell(id, i)
    scene.world.runtime.flush()
    scene.kill()
    await scene.failOver()
    scene.world.advance(100)
    expect(scene.handled().get(id)).toEqual([1, 2, 3, 4])
  })

  it('takes turns with those of other actors, when each of its actor takes long', async () => {
    const scene = await open()
    const [slow, other] = [idIn(0, 'slow'), idIn(1, 'other')]
    for (let i = 0; i < 20; i++) scene.tell(slow, i)
    for (let i = 0; i < 3; i++) scene.tell(other, i)
    scene.world.runtime.flush()
    for (let deaths = 0; deaths < 2; deaths++) {
      scene.kill()
      await scene.failOver()
      scene.world.runtime.flush()
    }
    const table = scene.table(slow)
    let isTurnOver = false
    table.mayRun = () => isTurnOver
    for (let turn = 1; turn <= 4; turn++) {
      scene.world.advance(800)
      isTurnOver = true
      scene.world.advance(0)
      isTurnOver = false
      scene.world.advance(100)
      expect([scene.handled().get(slow)?.length, scene.handled().get(other)?.length]).toEqual([turn, Math.min(turn, 3)])
    }
  })
})

it('poison is a matter of two deaths at least', async () => {
  const world = new DeliveryWorld({ limits: { poisonDeaths: 1 } })
  await expect(world.start('a')).rejects.toThrow(ConfigError)
})
