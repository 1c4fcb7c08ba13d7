// What GUARANTEES says of bounds, credit and the circuit breaker, where it would go wrong unseen: each is a limit that something else nearly keeps.

import { describe, expect, it } from 'vitest'
import type { DeliveryLimits } from '../../src/delivery/delivery-limits.ts'
import { DeliveryWorld, idIn, KIND, SHARDS, type TestNode, type TestTable } from './support/delivery-world.ts'

const to = (shard: number, prefix = 'a') => ({ kind: KIND, id: idIn(shard, prefix) })
const micro = () => new Promise((resolve) => setImmediate(resolve))

async function pair(limits: Partial<DeliveryLimits>, network: object = {}) {
  const world = new DeliveryWorld({ limits, network })
  const [a, b, c] = [await world.start('a'), await world.start('b'), await world.start('c')]
  world.giveAll(b)
  world.advance(1_000)
  /** Bytes that were handed to the transport. */
  let sent = 0
  const { transport } = a
  const send = transport.send.bind(transport)
  transport.send = (nodeId, frame) => {
    sent += frame.length
    return send(nodeId, frame)
  }
  return { world, a, b, c, sent: () => sent }
}

function stop(node: TestNode): void {
  for (const table of node.tables.values()) table.mayRun = () => false
}
function go(node: TestNode): void {
  for (const table of node.tables.values()) table.mayRun = () => true
}
const payloads = (node: TestNode, shard = 0) => (node.tables.get(shard)?.effects ?? []).map(({ payload }) => payload)
/** How a call has failed so far. */
function failureOf(promise: Promise<unknown>): { reason?: string | undefined } {
  const seen: { reason?: string | undefined } = {}
  promise.catch((error: { reason?: string }) => {
    seen.reason = error.reason
  })
  return seen
}

describe('the buffer of a link', () => {
  it('holds no more than it may, and the rest waits in its streams', async () => {
    const { world, a, b, sent } = await pair(
      { maxPayloadBytes: 10_000, linkBufferBytes: 200_000, creditBytes: 4_000_000 },
      { latencyMs: 100 },
    )
    for (let i = 0; i < 200; i++) a.endpoint.tell(to(i % SHARDS), 'x', `${i}`.padEnd(5_000))
    world.advance(50)
    // And the frame that was open when it filled up.
    expect(sent()).toBeLessThan(200_000 + 64 * 1024)
    world.advance(20_000)
    expect([0, 1, 2, 3].flatMap((shard) => payloads(b, shard))).toHaveLength(200)
  })
})

describe('credit', () => {
  it('bounds what is under way to a receiver that reads nothing', async () => {
    const { world, a, b, sent } = await pair({ maxPayloadBytes: 10_000, creditBytes: 20_000 })
    for (const table of b.tables.values()) table.mailboxLimit = 1
    stop(b)
    for (let i = 0; i < 40; i++) a.endpoint.tell(to(0), 'x', `${i}`.padEnd(5_000))
    world.advance(1_000)
    // The window, what is in the mailbox, and the one message that may exceed it.
    expect(sent()).toBeLessThan(36_000)
    go(b)
    world.advance(1_000)
    expect(payloads(b)).toHaveLength(40)
  })
})

describe('a stream without credit', () => {
  it('sends its oldest message all the same, also when it comes from another owner', async () => {
    const { world, a, b, c } = await pair({ maxPayloadBytes: 4_000, creditBytes: 4_000 })
    const away = world.appoint(1, c)
    c.see(away)
    c.open(1, away.epoch)
    b.discard(1)
    world.tellAll()
    stop(c)
    for (const message of ['oldest', 'next']) a.endpoint.tell(to(1), 'x', message)
    const full = b.tables.get(0) as TestTable
    full.mailboxLimit = 2
    full.mayRun = () => false
    for (let i = 0; i < 300; i++) a.endpoint.tell(to(0), 'x', i)
    world.advance(100)
    c.discard(1)
    const back = world.appoint(1, b)
    b.see(back)
    b.open(1, back.epoch)
    world.tellAll()
    world.advance(100)
    expect(payloads(b, 1)).toEqual(['oldest', 'next'])
  })
})

describe('the outbox of a process', () => {
  it('is bounded over all peers together', async () => {
    const { world, a, b, c } = await pair({ outboxMessages: 4 })
    const location = world.appoint(1, c)
    c.see(location)
    c.open(1, location.epoch)
    b.discard(1)
    world.tellAll()
    for (const node of [b, c]) stop(node)
    const told = [0, 1, 0, 1, 0].map((shard, i) => a.endpoint.tell(to(shard), 'x', i))
    expect(a.deadLetters.map(({ reason }) => reason)).toEqual(['outbox-full'])
    expect(told.at(-1)).toBe(false)
    expect(a.endpoint.counters.outboxMessages).toBe(4)
  })

  it('lets so many callers wait for room as it holds messages, and refuses the next', async () => {
    const { world, a, b } = await pair({ outboxMessagesPerPeer: 2, outboxMessages: 3 })
    stop(b)
    const calls = Array.from({ length: 7 }, (_, i) => failureOf(a.endpoint.send(to(0), 'x', i, { timeoutMs: 600_000 })))
    await micro()
    expect(calls.map(({ reason }) => reason)).toEqual([...new Array(5).fill(undefined), 'outbox-full', 'outbox-full'])
    go(b)
    world.advance(1_000)
    expect(payloads(b)).toEqual([0, 1, 2, 3, 4])
  })

  it('lets nobody overtake a caller that waits, though there is room by then', async () => {
    const { world, a, b } = await pair({ outboxMessagesPerPeer: 2 })
    stop(b)
    const first = new AbortController()
    failureOf(a.endpoint.send(to(0), 'x', 'given up', { signal: first.signal }))
    a.endpoint.send(to(0), 'x', 1)
    a.endpoint.send(to(0), 'x', 'waited')
    first.abort()
    // Room for one was made in this very turn of the event loop.
    a.endpoint.send(to(0), 'x', 'came later')
    go(b)
    world.advance(1_000)
    expect(payloads(b).filter((payload) => payload !== 'given up')).toEqual([1, 'waited', 'came later'])
  })
})

describe('the circuit breaker', () => {
  /** `b` answers nothing more; asks run out of time until the breaker is open. */
  async function openBreaker() {
    const scene = await pair({ breakerOpenMs: 600_000 })
    scene.world.network.stall('b', 'a')
    for (let i = 0; i < 5; i++) failureOf(scene.a.endpoint.ask(to(0), 'x', 'unanswered', { timeoutMs: 20 }))
    scene.world.advance(100)
    const refused = failureOf(scene.a.endpoint.ask(to(1), 'x', 'refused'))
    await micro()
    expect(refused.reason).toBe('circuit-open')
    return scene
  }

  it('lets at-most-once messages fail at once, and keeps reliable ones', async () => {
    const { world, a, b } = await openBreaker()
    expect(a.endpoint.tell(to(1), 'x', 'dropped', { guarantee: 'at-most-once' })).toBe(false)
    expect(a.deadLetters.map(({ reason }) => reason)).toEqual(['circuit-open'])
    const kept = failureOf(a.endpoint.send(to(1), 'x', 'kept'))
    await micro()
    expect(kept.reason).toBeUndefined()
    world.network.unstall('b', 'a')
    world.advance(3_000)
    expect(payloads(b, 1)).toEqual(['kept'])
  })

  it('is closed by any frame of the peer', async () => {
    const { world, a } = await openBreaker()
    world.network.unstall('b', 'a')
    world.advance(500)
    const asked = failureOf(a.endpoint.ask(to(1), 'x', 'again'))
    world.advance(100)
    await micro()
    expect(asked.reason).toBeUndefined()
  })

  it('is closed by a change of the placement', async () => {
    const { world, a, b, c } = await openBreaker()
    a.endpoint.tell(to(0), 'x', 'of a stream that moves')
    const location = world.appoint(0, c)
    c.see(location)
    c.open(0, location.epoch)
    b.discard(0)
    world.tellAll()
    const asked = failureOf(a.endpoint.ask(to(1), 'x', 'not refused', { timeoutMs: 600_000 }))
    await micro()
    expect(asked.reason).toBeUndefined()
  })
})
