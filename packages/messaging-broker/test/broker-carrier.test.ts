// What the contract can't ask: packets that are lost, repeated, recorded and replayed, forged; and where what is under way waits.

import type { LocalIdentity, PeerAddress } from '@cajun/core/adapter'
import { describe, expect, test } from 'vitest'
import { ManualRuntime } from '../../core/test/support/manual-runtime.ts'
import type { BrokerMessagingOptions } from '../src/broker-options.ts'
import { ACCEPT, DATA, decodePacket, encodeIntroduction, encodePacket, HEAD_BYTES, OPEN, processTag, RESET } from '../src/packet.ts'
import { MemoryBrokerSystem, MemoryHub, memoryBrokerOptions } from './support/memory-broker.ts'

const secret = 'a secret of no less than 32 bytes'

class Node {
  readonly events: string[] = []
  readonly frames: number[] = []
  readonly system: MemoryBrokerSystem
  readonly identity: LocalIdentity
  address = ''

  constructor(hub: MemoryHub, nodeId: string, options?: BrokerMessagingOptions, processId = `${nodeId}-1`) {
    this.system = new MemoryBrokerSystem(hub, nodeId, options)
    this.identity = { clusterId: 'c', nodeId, processId }
  }

  async start(): Promise<this> {
    const { address } = await this.system.start(this.identity, {
      onFrame: (_, frame) => this.frames.push(frame[0] as number),
      onPeerUp: ({ processId }) => this.events.push(`up ${processId}`),
      onPeerDown: ({ processId }, reason) => this.events.push(`down ${processId}: ${reason.message}`),
      onDrain: () => this.events.push('drain'),
      onError: (error) => this.events.push(`error ${error.message}`),
    })
    this.address = address
    return this
  }

  get peer(): PeerAddress {
    return { ...this.identity, address: this.address }
  }
}

interface World extends AsyncDisposable {
  readonly runtime: ManualRuntime
  readonly hub: MemoryHub
  readonly a: Node
  readonly b: Node
  advance(ms: number): Promise<void>
  stop(...nodes: Node[]): Promise<void>
}

async function world(aOptions?: BrokerMessagingOptions, bOptions = aOptions): Promise<World> {
  const runtime = new ManualRuntime()
  const hub = new MemoryHub(runtime)
  const a = await new Node(hub, 'a', aOptions).start()
  const b = await new Node(hub, 'b', bOptions).start()
  const stop = async (...nodes: Node[]): Promise<void> => {
    const stopped = Promise.all(nodes.map(({ system }) => system.stop()))
    await runtime.advanceAndSettle(2 * memoryBrokerOptions.closeTimeoutMs)
    await stopped
  }
  return {
    runtime,
    hub,
    a,
    b,
    advance: (ms) => runtime.advanceAndSettle(ms),
    stop,
    [Symbol.asyncDispose]: () => stop(a, b),
  }
}

async function pair(options?: BrokerMessagingOptions, bOptions?: BrokerMessagingOptions): Promise<World> {
  const made = await world(options, bOptions)
  made.a.system.connect(made.b.peer)
  await made.advance(50)
  expect(made.a.events).toEqual(['up b-1'])
  expect(made.b.events).toEqual(['up a-1'])
  return made
}

describe('packets that go astray', () => {
  test('one that comes twice is taken once', async () => {
    await using made = await world()
    made.hub.tamper = (packet) => [packet, packet]
    made.a.system.connect(made.b.peer)
    await made.advance(50)
    for (const n of [1, 2, 3]) {
      made.a.system.send('b', Uint8Array.of(n))
      await made.advance(1)
    }
    await made.advance(2_000)
    expect(made.b.frames).toEqual([1, 2, 3])
    expect(made.a.events).toEqual(['up b-1'])
    expect(made.b.events).toEqual(['up a-1'])
    expect(made.hub.sent.filter(({ type }) => type === ACCEPT).length).toBe(1)
  })

  test('one that is lost ends the connection for both sides, and nothing that came after it is taken', async () => {
    await using made = await pair()
    let data = 0
    made.hub.tamper = (packet) => (packet[1] === DATA && ++data === 2 ? [] : [packet])
    for (const n of [1, 2, 3]) {
      made.a.system.send('b', Uint8Array.of(n))
      await made.advance(1)
    }
    await made.advance(20)
    expect(made.b.frames).toEqual([1])
    expect(made.b.events[1]).toMatch(/down a-1: packet \d+ came after packet \d+/)
    expect(made.a.events[1]).toMatch(/down b-1: the other side ended the connection: packet/)
    await made.advance(1_000)
    expect(made.a.events.at(-1)).toBe('up b-1')
  })

  test('one for a process that was there before is dropped without a word', async () => {
    await using made = await pair()
    made.a.system.send('b', Uint8Array.of(1))
    await made.advance(1)
    await made.stop(made.b)
    const young = await new Node(made.hub, 'b', undefined, 'b-2').start()
    for (const { inbox, packet } of [...made.hub.delivered]) if (inbox === 'c/b') made.hub.inject(inbox, packet)
    await made.advance(100)
    expect(young.events).toEqual([])
    expect(young.frames).toEqual([])
    await made.stop(young)
  })

  test('a broken connection of which only one side knew is ended by it when its broker is back', async () => {
    await using made = await pair()
    made.hub.drop('b')
    await made.advance(0)
    expect(made.b.events.at(-1)).toMatch(/^down a-1/)
    expect(made.a.events).toEqual(['up b-1'])
    await made.advance(40)
    expect(made.a.events[1]).toMatch(/the other side lost its broker/)
    await made.advance(500)
    expect(made.a.events.at(-1)).toBe('up b-1')
    expect(made.b.events.at(-1)).toBe('up a-1')
  })
})

describe('connections that were given up', () => {
  test('one of which the other side had heard leaves nothing there', async () => {
    await using made = await world()
    made.hub.deaf.add('a')
    const before = made.runtime.pendingTimers
    made.a.system.connect(made.b.peer)
    await made.advance(5)
    expect(made.runtime.pendingTimers).toBeGreaterThan(before)
    made.a.system.disconnect('b')
    await made.advance(5)
    expect(made.runtime.pendingTimers).toBe(before)
  })
})

describe('what is under way', () => {
  test('it is bounded from end to end, though the broker takes everything', async () => {
    await using made = await pair()
    made.hub.deaf.add('b')
    const frame = new Uint8Array(100_000)
    let taken = 1
    while (made.a.system.send('b', frame) && taken < 100) taken++
    await made.advance(100)
    expect(taken * frame.byteLength).toBeLessThan(memoryBrokerOptions.highWaterMarkBytes + 2 * frame.byteLength)
    expect(made.a.system.bufferedBytes('b')).toBeGreaterThan(memoryBrokerOptions.highWaterMarkBytes)
    expect(made.a.events).toEqual(['up b-1'])
    made.hub.deaf.delete('b')
    made.hub.pump()
    await made.advance(50)
    expect(made.a.events).toEqual(['up b-1', 'drain'])
    expect(made.b.frames.length).toBe(taken)
    expect(made.a.system.bufferedBytes('b')).toBe(0)
  })

  test('what is much is acknowledged at once', async () => {
    await using made = await pair()
    made.a.system.send('b', new Uint8Array(150_000))
    expect(made.a.system.bufferedBytes('b')).toBeGreaterThan(150_000)
    await made.advance(1)
    expect(made.a.system.bufferedBytes('b')).toBe(0)
  })

  test('a frame larger than a packet travels in several', async () => {
    await using made = await pair()
    made.a.system.send('b', new Uint8Array(memoryBrokerOptions.maxFrameBytes).fill(9))
    await made.advance(20)
    expect(made.b.frames).toEqual([9])
    for (const { packet } of made.hub.delivered) expect(packet.byteLength).toBeLessThanOrEqual(100_000)
  })
})

describe('who may not speak', () => {
  const keyed = { frameKeys: [{ id: 1, secret }] }

  test('with the same key two processes meet', async () => {
    await using made = await pair(keyed)
    made.a.system.send('b', Uint8Array.of(1))
    await made.advance(5)
    expect(made.b.frames).toEqual([1])
  })

  for (const [what, other, problem] of [
    ['no key', {}, /not signed/],
    ['another secret', { frameKeys: [{ id: 1, secret: `${secret}!` }] }, /signature/],
    ['another key id', { frameKeys: [{ id: 2, secret }] }, /not known/],
  ] as const) {
    test(`one with ${what} is not heard, and it is said once`, async () => {
      await using made = await world(other, keyed)
      made.a.system.connect(made.b.peer)
      await made.advance(5_000)
      expect(made.a.events.filter((event) => event.startsWith('up'))).toEqual([])
      expect(made.b.events.length).toBe(1)
      expect(made.b.events[0]).toMatch(problem)
      expect(made.hub.sent.filter(({ inbox }) => inbox === 'c/a')).toEqual([])
    })
  }

  test('everything that was recorded, sent once more, brings nobody up and no frame', async () => {
    await using made = await pair(keyed)
    for (const n of [1, 2, 3]) {
      made.a.system.send('b', Uint8Array.of(n))
      await made.advance(1)
    }
    await made.advance(50)
    const recorded = [...made.hub.delivered]
    const heard = [...made.b.events]
    for (const { inbox, packet } of recorded) made.hub.inject(inbox, packet)
    await made.advance(100)
    expect(made.b.frames).toEqual([1, 2, 3])
    expect(made.b.events).toEqual(heard)
    await made.stop(made.a)
    await made.advance(100)
    // Now that nobody is connected: to the same process of b.
    for (const { inbox, packet } of recorded) made.hub.inject(inbox, packet)
    await made.advance(2_000)
    expect(made.b.frames).toEqual([1, 2, 3])
    expect(made.b.events.filter((event) => event.startsWith('up'))).toEqual(['up a-1'])
  })

  test('a packet sent back to its sender is not taken for one of the other side', async () => {
    await using made = await pair(keyed)
    made.a.system.send('b', Uint8Array.of(1))
    await made.advance(5)
    const data = made.hub.delivered.findLast(({ inbox, packet }) => inbox === 'c/b' && packet[1] === DATA)
    const reflected = Buffer.from(data?.packet ?? [])
    // Addressed anew, with the channel ids exchanged.
    reflected.set(processTag(made.a.identity), 2)
    const { toId, fromId } = decodePacket(reflected)
    reflected.writeUIntBE(fromId, 18, 6)
    reflected.writeUIntBE(toId, 24, 6)
    made.hub.inject('c/a', reflected)
    await made.advance(5)
    expect(made.a.frames).toEqual([])
    expect(made.a.events.at(-1)).toMatch(/signature/)
  })

  test('one who opens connections and says nothing holds a bounded number of them, for a bounded time', async () => {
    const bounds = { maxPendingConnections: 6, maxPendingPerAddress: 4 }
    await using made = await world(bounds)
    const open = (from: string, id: number): void => {
      const tag = processTag({ clusterId: 'c', nodeId: from, processId: 'x' })
      const head = { type: OPEN, to: processTag(made.b.identity), toId: 0, fromId: id, seq: 0, ack: 0 }
      made.hub.inject('c/b', encodePacket(head, [encodeIntroduction({ tag, inbox: `c/${from}` })], false, 0))
    }
    const before = made.runtime.pendingTimers
    for (let id = 1; id <= 1_000; id++) open('x', id)
    expect(made.runtime.pendingTimers - before).toBe(4)
    for (let id = 1; id <= 1_000; id++) open('y', id)
    expect(made.runtime.pendingTimers - before).toBe(6)
    await made.advance(memoryBrokerOptions.connectTimeoutMs + 1)
    expect(made.runtime.pendingTimers - before).toBe(0)
    made.a.system.connect(made.b.peer)
    await made.advance(50)
    expect(made.a.events).toEqual(['up b-1'])
  })

  test('garbage in an inbox is reported once for each kind, and an accept for nobody is answered, not believed', async () => {
    await using made = await pair()
    for (let i = 0; i < 50; i++) made.hub.inject('c/a', Uint8Array.of(1, 2, 3))
    const tag = processTag({ clusterId: 'c', nodeId: 'x', processId: 'x' })
    const head = { type: ACCEPT, to: processTag(made.a.identity), toId: 77, fromId: 78, seq: 0, ack: 0 }
    made.hub.inject('c/a', encodePacket(head, [encodeIntroduction({ tag, inbox: 'c/x' })], false, 0))
    await made.advance(10)
    expect(made.hub.sent.filter(({ inbox }) => inbox === 'c/x')).toEqual([{ inbox: 'c/x', type: RESET }])
    expect(made.a.events).toEqual(['up b-1', `error a packet of 3 bytes; its head alone has ${HEAD_BYTES}`])
  })

  test('an address of another transport is said to be none of this one', async () => {
    await using made = await world()
    made.a.system.connect({ ...made.b.peer, address: '127.0.0.1:80' })
    await made.advance(10)
    expect(made.a.events[0]).toMatch(/not of the form <inbox>#/)
  })
})
