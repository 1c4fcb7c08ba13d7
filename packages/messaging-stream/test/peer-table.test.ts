import { ProtocolError } from '@cajun/core/adapter'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualRuntime } from '../../core/test/support/manual-runtime.ts'
import { ScriptedNetwork } from './support/scripted-network.ts'
import { ScriptedNode } from './support/scripted-node.ts'

function settle(network: ScriptedNetwork, runtime: ManualRuntime, pick?: (choices: number) => number): void {
  for (let round = 0; round < 1_000; round++) {
    runtime.flush()
    if (!network.step(pick ?? (() => 0)) && runtime.pendingTasks === 0) return
  }
  throw new Error('it never comes to rest')
}

function pair(options = {}): { network: ScriptedNetwork; runtime: ManualRuntime; a: ScriptedNode; b: ScriptedNode } {
  const network = new ScriptedNetwork()
  const runtime = new ManualRuntime()
  return { network, runtime, a: new ScriptedNode(network, 'a', runtime, options), b: new ScriptedNode(network, 'b', runtime, options) }
}

describe('the peer table', () => {
  test('connects both sides, and carries frames', () => {
    const { network, runtime, a, b } = pair()
    a.connect(b)
    settle(network, runtime)
    expect([a.events, b.events]).toEqual([['up b-1'], ['up a-1']])
    expect(a.send(b, Uint8Array.of(1, 2))).toBe(true)
    settle(network, runtime)
    expect(b.frames.map((frame) => [...frame])).toEqual([[1, 2]])
  })

  test('keeps exactly one connection of two simultaneous dials, in whatever order the network does things', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), fc.nat({ max: 12 }), fc.boolean(), (picks, headStart, bFirst) => {
        const { network, runtime, a, b } = pair()
        const pick = (choices: number): number => picks.next().value % choices
        const [first, second] = bFirst ? [b, a] : [a, b]
        first.connect(second)
        for (let step = 0; step < headStart; step++) {
          runtime.flush()
          network.step(pick)
        }
        second.connect(first)
        // Only what the network does: no timer fires, so nothing is repaired by a later attempt.
        for (let step = 0; step < 500 && (network.step(pick) || runtime.pendingTasks > 0); step++)
          if (picks.next().value % 2 === 0) runtime.flush()
        settle(network, runtime, pick)
        const live = network.sockets.filter((socket) => !socket.destroyed)
        expect([a.sees(b), b.sees(a), live.length]).toEqual([true, true, 2])
        expect([a.events, b.events]).toEqual([['up b-1'], ['up a-1']])
        a.send(b, Uint8Array.of(1))
        b.send(a, Uint8Array.of(2))
        settle(network, runtime, pick)
        expect([a.frames.length, b.frames.length]).toEqual([1, 1])
      }),
      { numRuns: 2_000 },
    )
  })

  test('a side that can not reach the other does not keep the other out', () => {
    const { network, runtime, a, b } = pair()
    network.swallow(b.address)
    a.connect(b)
    settle(network, runtime)
    b.connect(a)
    settle(network, runtime)
    expect([a.events, b.events]).toEqual([['up b-1'], ['up a-1']])
  })

  test('comes back after any storm of broken connections, with news that alternate', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), fc.integer({ min: 1, max: 60 }), (picks, length) => {
        const { network, runtime, a, b } = pair()
        const pick = (choices: number): number => picks.next().value % choices
        a.connect(b)
        b.connect(a)
        for (let i = 0; i < length; i++) {
          switch (pick(6)) {
            case 0: {
              const open = network.sockets.filter((socket) => !socket.destroyed)
              if (open.length > 0) open[pick(open.length)]?.destroy()
              break
            }
            case 1:
              runtime.advance(pick(3_000))
              break
            case 2:
              runtime.flush()
              break
            default:
              for (let step = 0; step < 5; step++) network.step(pick)
          }
        }
        for (let round = 0; round < 20; round++) {
          settle(network, runtime, pick)
          runtime.advance(2_000)
        }
        settle(network, runtime, pick)
        expect([a.sees(b), b.sees(a)]).toEqual([true, true])
        expect(network.sockets.filter((socket) => !socket.destroyed)).toHaveLength(2)
        for (const { events } of [a, b])
          for (const [i, event] of events.entries()) expect(event.startsWith(i % 2 === 0 ? 'up' : 'down')).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('a process that the store does not name is refused, and says so', () => {
    const network = new ScriptedNetwork()
    const runtime = new ManualRuntime()
    const a = new ScriptedNode(network, 'a', runtime)
    const b = new ScriptedNode(network, 'b', runtime, {}, 'b-1', (peer) => peer.processId !== 'a-1')
    a.connect(b)
    settle(network, runtime)
    expect([a.events, b.events]).toEqual([[], []])
    expect(a.errors[0]?.message).toContain('the store does not name this process')
  })

  test.each([
    ['yes', () => Promise.resolve(true), ['up a-1']],
    ['no', () => Promise.resolve(false), []],
    ['nothing, in an outage', () => Promise.reject(new Error('away')), []],
  ])('nobody is let in before the store has answered, and it says %s', async (_, answer, events) => {
    const network = new ScriptedNetwork()
    const runtime = new ManualRuntime()
    const a = new ScriptedNode(network, 'a', runtime)
    const b = new ScriptedNode(network, 'b', runtime, {}, 'b-1', answer)
    a.connect(b)
    settle(network, runtime)
    expect(b.events).toEqual([])
    // What comes meanwhile is no frame.
    b.accepted[0]?.receive(Uint8Array.of(4, 0, 0, 1, 1))
    expect(b.frames).toEqual([])
    const late = new ScriptedNode(network, 'late', runtime)
    late.connect(b)
    settle(network, runtime)
    await Promise.resolve()
    await new Promise((resolve) => setImmediate(resolve))
    settle(network, runtime)
    expect(b.events).toEqual(events.map(() => 'up late-1'))
  })

  test('a peer that left while the store was asked makes no difference', async () => {
    const network = new ScriptedNetwork()
    const runtime = new ManualRuntime()
    const a = new ScriptedNode(network, 'a', runtime)
    const answer = Promise.withResolvers<boolean>()
    const b = new ScriptedNode(network, 'b', runtime, {}, 'b-1', () => answer.promise)
    a.connect(b)
    settle(network, runtime)
    a.peers.disconnect('b')
    settle(network, runtime)
    answer.resolve(true)
    await new Promise((resolve) => setImmediate(resolve))
    settle(network, runtime)
    expect([a.events, b.events]).toEqual([[], []])
    expect(network.sockets.filter((socket) => !socket.destroyed)).toEqual([])
  })

  test('tries again with a ceiling that doubles, reports the failure once, and stops when it is told to', () => {
    const { network, runtime, a, b } = pair({ reconnect: { minDelayMs: 100, maxDelayMs: 800 } })
    network.unlisten(b.address)
    runtime.random = () => 1 - 2 ** -40
    a.connect(b)
    const dials: number[] = []
    for (let ms = 0; ms < 4_000; ms++) {
      const before = network.dialed
      settle(network, runtime)
      runtime.advance(1)
      if (network.dialed > before) dials.push(runtime.nowMs - 1_000)
    }
    const waits = dials.slice(1).map((at, i) => at - (dials[i] as number))
    expect(waits.slice(0, 5)).toEqual([200, 400, 800, 800, 800])
    expect(a.errors.map((error) => error.message)).toEqual(["can't connect to node 'b' at b-1:1: connect ECONNREFUSED"])
    a.peers.disconnect('b')
    const dialed = network.dialed
    runtime.advance(60_000)
    expect(network.dialed).toBe(dialed)
    expect(runtime.pendingTimers).toBe(0)
  })

  test('a connection that breaks at once counts as a failed attempt, one that lasted does not', () => {
    const { network, runtime, a, b } = pair({ reconnect: { minDelayMs: 100, maxDelayMs: 10_000 }, heartbeatIntervalMs: 1_000 })
    runtime.random = () => 1 - 2 ** -40
    a.connect(b)
    const waits: number[] = []
    for (let round = 0; round < 6; round++) {
      settle(network, runtime)
      expect(a.sees(b)).toBe(true)
      // The last connection lasts.
      if (round === 5) runtime.advance(1_500)
      b.peers.connectionOf('a')?.fail(new Error('broken'))
      settle(network, runtime)
      const since = runtime.nowMs
      const before = network.dialed
      while (network.dialed === before) runtime.advance(1)
      waits.push(runtime.nowMs - since)
    }
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 100])
  })

  test('asks a silent peer for a sign of life, and gives it up when none comes', () => {
    const { network, runtime, a, b } = pair({ heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 4_000 })
    a.connect(b)
    settle(network, runtime)
    const beat = (ms: number): void => {
      for (let at = 0; at < ms; at += 500) {
        runtime.advance(500)
        a.peers.checkHeartbeats(500)
        b.peers.checkHeartbeats(500)
        settle(network, runtime)
      }
    }
    beat(60_000)
    expect(a.events).toEqual(['up b-1'])
    // Nothing of b arrives any more.
    const own = network.sockets.find((socket) => !socket.destroyed)
    if (own?.other === undefined) throw new Error('no connection')
    own.other.blocked = true
    let silentMs = 0
    while (a.sees(b) && silentMs < 10_000) {
      beat(500)
      silentMs += 500
    }
    expect(a.events.slice(0, 2)).toEqual(['up b-1', 'down b-1'])
    expect(silentMs).toBeLessThanOrEqual(4_000)
    expect(silentMs).toBeGreaterThanOrEqual(3_000)
  })

  test('says nothing to a peer that talks by itself', () => {
    const { network, runtime, a, b } = pair({ heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 4_000 })
    a.connect(b)
    settle(network, runtime)
    let written = 0
    const socket = b.accepted[0]
    if (socket?.other === undefined) throw new Error('no connection')
    const { write } = socket.other
    socket.other.write = function (this: typeof socket, parts, done) {
      written++
      write.call(this, parts, done)
    }
    for (let i = 0; i < 40; i++) {
      runtime.advance(500)
      b.send(a, Uint8Array.of(1))
      settle(network, runtime)
      a.peers.checkHeartbeats(500)
      settle(network, runtime)
    }
    expect(a.frames).toHaveLength(40)
    expect(written).toBe(0)
  })

  test('when this process itself stood still, what came in the meantime is read before anybody is given up', () => {
    const { network, runtime, a, b } = pair({ heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 4_000 })
    a.connect(b)
    settle(network, runtime)
    runtime.nowMs += 60_000
    b.send(a, Uint8Array.of(1))
    runtime.flush()
    a.peers.checkHeartbeats(500)
    // The bytes lie in the socket; the event loop reads them before the next turn.
    network.run()
    runtime.flush()
    expect(a.events).toEqual(['up b-1'])
    expect(a.frames).toHaveLength(1)
  })

  test('when this process itself stood still, nobody is given up who was not asked for a sign of life', () => {
    const { network, runtime, a, b } = pair({ heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 4_000 })
    a.connect(b)
    settle(network, runtime)
    // The peer only ever answers, and was asked nothing meanwhile.
    runtime.nowMs += 60_000
    a.peers.checkHeartbeats(500)
    settle(network, runtime)
    expect(a.events).toEqual(['up b-1'])
    for (let ticks = 0; ticks < 20; ticks++) {
      runtime.advance(500)
      a.peers.checkHeartbeats(500)
      settle(network, runtime)
    }
    expect(a.events).toEqual(['up b-1'])
    // One that is dead is found after another question.
    const own = network.sockets.find((socket) => !socket.destroyed)
    if (own?.other === undefined) throw new Error('no connection')
    own.other.blocked = true
    runtime.nowMs += 60_000
    let waitedMs = 0
    for (; a.sees(b) && waitedMs < 10_000; waitedMs += 500) {
      a.peers.checkHeartbeats(500)
      settle(network, runtime)
      runtime.advance(500)
    }
    expect(waitedMs).toBeGreaterThanOrEqual(1_500)
    expect(waitedMs).toBeLessThanOrEqual(4_000)
  })

  test('counts what nobody reads, and says when there is room', () => {
    const { network, runtime, a, b } = pair({ highWaterMarkBytes: 10_000 })
    a.connect(b)
    settle(network, runtime)
    const socket = b.accepted[0]?.other
    if (socket === undefined) throw new Error('no connection')
    socket.blocked = true
    let taken = 0
    while (a.send(b, new Uint8Array(1_000))) taken++
    expect(taken).toBe(9)
    expect(a.peers.connectionOf('b')?.bufferedBytes).toBe(10 * 1_004)
    expect(a.send(b, new Uint8Array(10))).toBe(false)
    settle(network, runtime)
    expect(a.events).toEqual(['up b-1'])
    socket.unblock()
    network.run()
    // In a turn of its own: who goes on sending at once, while the kernel takes all of it, must not keep the event loop from everything else.
    expect(a.events).toEqual(['up b-1'])
    settle(network, runtime)
    expect(a.events).toEqual(['up b-1', 'drain b-1'])
    expect(a.peers.connectionOf('b')?.bufferedBytes).toBe(0)
    expect(b.frames).toHaveLength(11)
  })

  test('does not answer pings that nobody reads the answers of without bound', () => {
    const { network, runtime, a, b } = pair({ highWaterMarkBytes: 1_000 })
    a.connect(b)
    settle(network, runtime)
    const own = b.accepted[0]
    if (own === undefined) throw new Error('no connection')
    own.blocked = true
    for (let i = 0; i < 10_000; i++) a.peers.connectionOf('b')?.ping(1)
    for (let i = 0; i < 100; i++) {
      runtime.flush()
      network.step(() => 0)
    }
    expect(b.peers.connectionOf('a')?.bufferedBytes).toBeLessThanOrEqual(1_008)
  })

  test.each([
    ['a type that does not exist', Uint8Array.of(0x63, 0, 0, 1, 0)],
    ['a hello after the handshake', Uint8Array.of(1, 0, 0, 1, 0)],
    ['a frame over the limit', Uint8Array.of(4, 0xff, 0xff, 0xff)],
    ['a ping that is too short', Uint8Array.of(5, 0, 0, 3, 0, 0, 0)],
    ['an empty frame', Uint8Array.of(4, 0, 0, 0)],
    ['a bye that is cut short', Uint8Array.of(7, 0, 0, 2, 1, 9)],
  ])('%s ends the connection with a ProtocolError, and says why to the other side', (_, bytes) => {
    const { network, runtime, a, b } = pair()
    a.connect(b)
    settle(network, runtime)
    b.accepted[0]?.receive(bytes)
    settle(network, runtime)
    expect(b.errors.map((error) => error instanceof ProtocolError)).toEqual([true])
    expect(b.events).toEqual(['up a-1', 'down a-1'])
    expect(a.events).toEqual(['up b-1', 'down b-1'])
    expect(b.frames).toEqual([])
  })

  test('an incoming connection that says nothing is closed in time', () => {
    const { network, runtime, b } = pair({ connectTimeoutMs: 5_000 })
    const silent = network.dial(b.address)
    settle(network, runtime)
    runtime.advance(4_999)
    expect(b.accepted[0]?.destroyed).toBe(false)
    runtime.advance(2)
    settle(network, runtime)
    expect(b.accepted[0]?.destroyed).toBe(true)
    expect(silent.destroyed).toBe(true)
    expect(b.events).toEqual([])
    expect(runtime.pendingTimers).toBe(0)
  })

  test('frames of one turn leave in one write', () => {
    const { network, runtime, a, b } = pair()
    a.connect(b)
    settle(network, runtime)
    const own = b.accepted[0]?.other
    if (own === undefined) throw new Error('no connection')
    const writes: number[] = []
    own.write = (parts) => {
      for (const part of parts) writes.push(part.byteLength)
    }
    for (let i = 0; i < 50; i++) a.send(b, new Uint8Array(96))
    expect(writes).toEqual([])
    runtime.flush()
    expect(writes).toEqual([5_000])
  })

  test('remembers whom it put out, and forgets no more than it must', () => {
    const { network, runtime, a, b } = pair()
    b.connect(a)
    settle(network, runtime)
    a.peers.disconnect('b')
    settle(network, runtime)
    for (let i = 0; i < 500; i++) {
      a.peers.connect({ nodeId: `n${i}`, processId: `p${i}`, address: 'nowhere:1' })
      a.peers.disconnect(`n${i}`)
      settle(network, runtime)
    }
    runtime.advance(10_000)
    settle(network, runtime)
    expect(a.events).toEqual(['up b-1', 'down b-1'])
    a.connect(b)
    settle(network, runtime)
    expect(a.sees(b)).toBe(true)
  })

  test('handlers may connect and disconnect while they are told', () => {
    const { network, runtime, a, b } = pair()
    a.onEvent = (event) => {
      if (event === 'up b-1' && a.events.length === 1) a.peers.disconnect('b')
      if (event === 'down b-1' && a.events.length === 2) a.connect(b)
    }
    a.connect(b)
    b.connect(a)
    for (let round = 0; round < 10; round++) {
      settle(network, runtime)
      runtime.advance(2_000)
    }
    expect(a.sees(b) && b.sees(a)).toBe(true)
    expect(a.events).toEqual(['up b-1', 'down b-1', 'up b-1'])
    void b.peers.stop()
    expect(b.events.at(-1)).toBe('down a-1')
  })
})
