// A randomized model: three processes, an unreliable network, owners that change, leases that are lost and regained, handoffs that succeed and
// are aborted, links that lose their state, turns that are cut in two. Then everything heals, and nothing may be lost, doubled or out of order.

import { describe, expect, it } from 'vitest'
import type { Guarantee } from '../../src/delivery/guarantee.ts'
import type { Location } from '../../src/delivery/placement-view.ts'
import { clonePayload } from '../../src/messaging/payload-codec.ts'
import { DeliveryWorld, idIn, KIND, SHARDS, type TestNode, type TestTable } from './support/delivery-world.ts'

const NODES = ['a', 'b', 'c']
const SEEDS = Number(process.env['DELIVERY_SEEDS'] ?? 120)
const FIRST = Number(process.env['DELIVERY_SEED'] ?? 1)

interface Sent {
  readonly n: number
  readonly from: string
  readonly actor: string
  readonly guarantee: Guarantee
  readonly isTell: boolean
  outcome: 'waiting' | 'resolved' | string
}

interface Handled {
  readonly n: number
  readonly life: number
  readonly actor: string
}

class Model {
  readonly world: DeliveryWorld
  readonly sent: Sent[] = []
  readonly handled: Handled[] = []
  readonly lives = new Map<TestTable, number>()
  readonly lostLives = new Set<number>()
  /** What each node has not been told yet of the placement. */
  readonly news = new Map<string, Location[]>()
  /** Copies on their way to their targets, by epoch they were sealed in. */
  readonly copies = new Map<string, { chunks: unknown[]; table: TestTable; life: number; after: number; target: string }>()
  readonly trace: string[] = []
  #nextLife = 1
  #state: number

  constructor(seed: number) {
    this.#state = seed
    this.world = new DeliveryWorld({
      seed,
      network: { latencyMs: 0 },
      limits: {
        sendTimeoutMs: 600_000,
        askTimeoutMs: 600_000,
        ...(seed % 3 === 0 ? { creditBytes: 2_000, maxPayloadBytes: 1_500, linkBufferBytes: 4_000 } : {}),
        ...(seed % 5 === 0 ? { internedActors: 2 } : {}),
        // No process dies, so nobody is dead-lettered for it: it only says whether suspects, of which moves make many, run alone.
        poisonDeaths: seed % 2 === 0 ? 2 : 100,
      },
    })
  }

  random(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n)
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random(items.length)] as T
  }

  async start(): Promise<void> {
    for (const id of NODES) {
      const node = await this.world.start(id)
      this.news.set(id, [])
      void node
    }
    for (let shard = 0; shard < SHARDS; shard++) this.appoint(shard, this.world.node(this.pick(NODES)))
    for (const id of NODES) this.learn(this.world.node(id))
    this.world.runtime.flush()
  }

  appoint(shard: number, owner: TestNode | null): Location {
    const location = this.world.appoint(shard, owner)
    this.trace.push(`appoint ${shard} -> ${owner?.id.nodeId ?? 'null'} @${location.epoch}`)
    for (const id of NODES) this.news.get(id)?.push(location)
    return location
  }

  open(node: TestNode, location: Location, copy?: { chunks: unknown[]; table: TestTable; life: number }): void {
    const { shard } = location.unit
    const table = node.open(shard, location.epoch, copy?.chunks, copy?.table.effects)
    const life = copy?.life ?? this.#nextLife++
    this.lives.set(table, life)
    table.mailboxLimit = 3
    table.mayRun = () => node.leaseIsSafe && table.tenure?.state === 'active'
    table.onHandled = (effect) =>
      this.handled.push({ n: effect.payload as number, life: this.lives.get(table) as number, actor: effect.actor })
    this.trace.push(`${node.id.nodeId} opens ${shard} @${location.epoch} life ${life}`)
  }

  discard(node: TestNode, shard: number, isMoved: boolean): void {
    const table = node.tables.get(shard)
    if (table === undefined) return
    this.trace.push(`${node.id.nodeId} discards ${shard}${isMoved ? ' (moved)' : ''}`)
    if (!isMoved) this.lostLives.add(this.lives.get(table) as number)
    if (!isMoved) table.inHand = this.#dropHand(table)
    node.discard(shard)
  }

  #dropHand(table: TestTable): TestTable['inHand'] {
    return table.inHand
  }

  /** The node hears some of what it has not heard. */
  learn(node: TestNode, count = Number.POSITIVE_INFINITY): void {
    const news = this.news.get(node.id.nodeId) as Location[]
    for (let i = 0; i < count && news.length > 0; i++) this.#hear(node, news.shift() as Location)
  }

  #hear(node: TestNode, location: Location): void {
    const { shard } = location.unit
    const isMine = location.owner?.processId === node.id.processId
    const table = node.tables.get(shard)
    const first = this.random(2) === 0
    if (first) node.see(location)
    const copy = this.copies.get(`${location.epoch}`)
    if (isMine && table !== undefined && this.carriesOn.get(location.epoch) === table.tenure?.epoch) {
      this.trace.push(`${node.id.nodeId} resumes ${shard} @${location.epoch}`)
      table.isSealed = false
      table.tenure?.resume(location.epoch)
    } else {
      if (table !== undefined) this.discard(node, shard, this.movedFrom.get(location.epoch) === table)
      if (isMine) this.open(node, location, copy)
    }
    if (!first) node.see(location)
  }

  /** New epoch -> the epoch whose state its owner may go on with. */
  readonly carriesOn = new Map<number, number>()
  /** New epoch -> the sealed table whose copy its owner opens. */
  readonly movedFrom = new Map<number, TestTable>()

  /** A step of everything that the outside can do. */
  step(): void {
    const { world } = this
    const node = world.node(this.pick(NODES))
    switch (this.random(24)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        return this.send(node)
      case 6:
        return this.drop()
      case 7: {
        const other = this.pick(NODES.filter((id) => id !== node.id.nodeId))
        world.network.cut(node.id.nodeId, other)
        this.trace.push(`cut ${node.id.nodeId} ${other}`)
        return
      }
      case 8:
        for (const a of NODES) for (const b of NODES) if (a < b) world.network.restore(a, b)
        this.trace.push('restore')
        return
      case 9:
        world.network.faults.lose = this.pick([0, 0, 0.2])
        world.network.faults.repeat = this.pick([0, 0, 0.2])
        world.network.faults.reorder = this.pick([0, 0, 0.2])
        return
      case 10:
      case 11:
      case 12:
        this.trace.push(`${node.id.nodeId} learns`)
        return this.learn(node, 1 + this.random(2))
      case 13:
      case 14:
      case 15:
      case 16:
        return this.turns(node)
      case 17:
        return world.runtime.advance(this.pick([1, 5, 60, 1_100]))
      case 18:
        return this.change(node)
      case 19: {
        // Bytes that are no frame: the link starts again.
        const other = world.node(this.pick(NODES.filter((id) => id !== node.id.nodeId)))
        this.trace.push(`${node.id.nodeId} resets its link to ${other.id.nodeId}`)
        node.endpoint.onFrame(other.id, Uint8Array.of(9, 9, 9))
        return
      }
      default:
        world.runtime.step()
    }
  }

  send(node: TestNode): void {
    const shard = this.random(SHARDS)
    const actor = idIn(shard, this.pick(['x', 'y']))
    const guarantee: Guarantee = this.pick(['exactly-once', 'exactly-once', 'at-least-once', 'at-most-once'])
    const how = this.random(3)
    const sent: Sent = { n: this.sent.length, from: node.id.nodeId, actor, guarantee, isTell: how === 0, outcome: 'waiting' }
    this.sent.push(sent)
    this.trace.push(`${node.id.nodeId} sends ${sent.n} (${guarantee}, ${['tell', 'send', 'ask'][how]}) to ${actor} in ${shard}`)
    const address = { kind: KIND, id: actor }
    if (how === 0) {
      node.endpoint.tell(address, 't', sent.n, { guarantee })
      return
    }
    const promise =
      how === 1 ? node.endpoint.send(address, 't', sent.n, { guarantee }) : node.endpoint.ask(address, 't', sent.n, { guarantee })
    promise.then(
      (reply) => {
        sent.outcome = how === 2 && reply !== sent.n ? `wrong reply ${String(reply)}` : 'resolved'
      },
      (error: Error) => {
        sent.outcome = `${error.name}: ${error.message}`
      },
    )
  }

  drop(): void {
    const [a, b] = this.pick([
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'c'],
    ] as const)
    this.trace.push(`drop ${a} ${b}`)
    this.world.network.drop(a, b)
  }

  turns(node: TestNode): void {
    for (const table of node.tables.values()) {
      if (table.inHand !== undefined) {
        if (this.random(3) > 0) table.finish()
        continue
      }
      const id = this.pick([...table.mailboxes.keys(), ''])
      if (id !== '' && table.begin(id) && table.inHand !== undefined && this.random(2) === 0) table.finish()
    }
  }

  /** A change of owner, if the last one of this shard has been heard by who must. */
  change(node: TestNode): void {
    const shard = this.random(SHARDS)
    const present = this.world.placement[shard] as Location
    const owner = NODES.map((id) => this.world.node(id)).find((n) => n.id.processId === present.owner?.processId)
    const table = owner?.tables.get(shard)
    if (owner === undefined || table?.tenure?.epoch !== present.epoch) return
    const { tenure } = table
    const life = this.lives.get(table) as number
    switch (this.random(4)) {
      case 0: {
        // The lease is lost and another one appointed; the old owner finds out whenever it does.
        this.trace.push(`${owner.id.nodeId} loses ${shard}`)
        tenure.suspend()
        if (node !== owner) this.appoint(shard, node)
        else this.#goesOn(shard, owner, tenure.epoch)
        return
      }
      case 1:
        this.trace.push(`${owner.id.nodeId} suspends ${shard}, to be resumed`)
        tenure.suspend()
        this.#goesOn(shard, owner, tenure.epoch)
        return
      default: {
        this.trace.push(`${owner.id.nodeId} seals ${shard}`)
        table.seal()
        tenure.seal()
        const chunks = [...tenure.exportRecords()].map((chunk) => clonePayload(chunk))
        if (node === owner) {
          this.#goesOn(shard, owner, tenure.epoch)
          return
        }
        const location = this.appoint(shard, node)
        this.copies.set(`${location.epoch}`, {
          chunks,
          table: Object.assign(Object.create(null), { effects: [...table.effects] }),
          life,
          after: tenure.epoch,
          target: node.id.nodeId,
        })
        this.movedFrom.set(location.epoch, table)
      }
    }
  }

  #goesOn(shard: number, owner: TestNode, after: number): void {
    const location = this.appoint(shard, owner)
    this.carriesOn.set(location.epoch, after)
  }

  async heal(): Promise<void> {
    const { world } = this
    world.network.faults.lose = 0
    world.network.faults.repeat = 0
    world.network.faults.reorder = 0
    for (const a of NODES) for (const b of NODES) if (a < b) world.network.restore(a, b)
    for (const id of NODES) this.learn(world.node(id))
    this.trace.push('healed')
    for (let i = 0; i < 30; i++) world.advance(200)
    await Promise.resolve()
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }

  check(): string[] {
    const wrong: string[] = []
    const total = new Map<number, number>()
    const perLife = new Map<string, number>()
    const surviving = new Set<number>()
    for (const { n, life } of this.handled) {
      total.set(n, (total.get(n) ?? 0) + 1)
      const key = `${n} in life ${life}`
      perLife.set(key, (perLife.get(key) ?? 0) + 1)
      if (!this.lostLives.has(life)) surviving.add(n)
    }
    for (const [key, count] of perLife) {
      const sent = this.sent[Number.parseInt(key, 10)] as Sent
      if (count > 1 && sent.guarantee !== 'at-least-once') wrong.push(`message ${key} handled ${count} times`)
    }
    for (const sent of this.sent) {
      const count = total.get(sent.n) ?? 0
      if (sent.guarantee === 'at-most-once') {
        if (count > 1) wrong.push(`at-most-once message ${sent.n} handled ${count} times`)
        if (!sent.isTell && sent.outcome === 'waiting') wrong.push(`at-most-once message ${sent.n} never ended`)
        continue
      }
      if (count === 0) wrong.push(`message ${sent.n} (${sent.guarantee}) was lost; ${sent.outcome}`)
      if (!sent.isTell && sent.outcome !== 'resolved') wrong.push(`message ${sent.n} ended with ${sent.outcome}`)
      if (count > 1 && sent.guarantee === 'exactly-once') {
        const lives = this.handled.filter((h) => h.n === sent.n).map((h) => h.life)
        if (lives.filter((life) => !this.lostLives.has(life)).length > 1) wrong.push(`message ${sent.n} is in two surviving lives`)
      }
    }
    const last = new Map<string, number>()
    for (const { n, life, actor } of this.handled) {
      const { from } = this.sent[n] as Sent
      const key = `${from} ${actor} ${life}`
      if ((last.get(key) ?? -1) > n) wrong.push(`order: ${n} after ${last.get(key)} (${key})`)
      last.set(key, Math.max(n, last.get(key) ?? -1))
    }
    for (const id of NODES) {
      const { counters } = this.world.node(id).endpoint
      if (counters.outboxMessages !== 0) wrong.push(`outbox of ${id} holds ${counters.outboxMessages}`)
      if (counters.outboxBytes !== 0) wrong.push(`outbox of ${id} counts ${counters.outboxBytes} bytes`)
      for (const letter of this.world.node(id).deadLetters) {
        if (letter.reason !== 'peer-down' && letter.reason !== 'moved' && letter.reason !== 'no-host')
          wrong.push(`${id}: dead letter ${letter.reason} ${String(letter.error)}`)
      }
    }
    return wrong
  }
}

describe('delivery over a network that loses, repeats and reorders, with owners that change', () => {
  it(`loses nothing, doubles nothing and keeps order (${SEEDS} schedules)`, { timeout: 120_000 }, async () => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const model = new Model(seed * 7919)
      let wrong: string[]
      try {
        await model.start()
        for (let i = 0; i < 400; i++) model.step()
        await model.heal()
        wrong = model.check()
      } catch (error) {
        wrong = [String((error as Error).stack)]
      }
      if (wrong.length > 0)
        expect.fail(
          `seed ${seed}:\n${wrong.slice(0, 10).join('\n')}\n\n${model.trace.slice(-Number(process.env['DELIVERY_TRACE'] ?? 0)).join('\n')}`,
        )
    }
  })
})
