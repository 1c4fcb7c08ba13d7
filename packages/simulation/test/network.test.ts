import type { LocalIdentity, MessagingHandler, PeerId } from '@cajun/core/adapter'
import { describe, expect, test } from 'vitest'
import { SimulatedMessaging } from '../src/messaging.ts'
import type { NetworkProfile } from '../src/network.ts'
import { streamOf } from '../src/random-streams.ts'
import { World } from './support/world.ts'

class Recorder implements MessagingHandler {
  readonly log: string[] = []
  onFrame(from: PeerId, frame: Uint8Array): void {
    this.log.push(`${from.processId}:${new DataView(frame.buffer, frame.byteOffset).getUint32(0)}`)
  }
  onPeerUp(peer: PeerId): void {
    this.log.push(`up ${peer.processId}`)
  }
  onPeerDown(peer: PeerId): void {
    this.log.push(`down ${peer.processId}`)
  }
  onDrain(): void {
    this.log.push('drain')
  }
}

function frameOf(number: number, size = 8): Uint8Array {
  const frame = new Uint8Array(size)
  new DataView(frame.buffer).setUint32(0, number)
  return frame
}

interface Node {
  readonly system: SimulatedMessaging
  readonly seen: Recorder
  readonly local: LocalIdentity
}

async function open(world: World, nodeId: string, processId = `${nodeId}-1`): Promise<Node> {
  const system = new SimulatedMessaging(world.network, world.boot(nodeId))
  const seen = new Recorder()
  const local = { clusterId: 'c', nodeId, processId }
  await system.start(local, seen)
  return { system, seen, local }
}

async function pair(seed: number, profile: Partial<NetworkProfile> = {}): Promise<{ world: World; a: Node; b: Node }> {
  const world = new World(seed, profile)
  const a = await open(world, 'a')
  const b = await open(world, 'b')
  a.system.connect({ ...b.local, address: 'sim://b' })
  b.system.connect({ ...a.local, address: 'sim://a' })
  await world.loop.run(100)
  return { world, a, b }
}

describe('the simulated transport', () => {
  test('both sides see the other up once, and frames arrive in order', async () => {
    const { world, a, b } = await pair(1)
    for (let i = 0; i < 100; i++) expect(a.system.send('b', frameOf(i))).toBe(true)
    await world.loop.run(1_000)
    expect(a.seen.log).toEqual(['up b-1'])
    expect(b.seen.log).toEqual(['up a-1', ...Array.from({ length: 100 }, (_, i) => `a-1:${i}`)])
  })

  test('a broken connection loses a suffix only, tells both sides, and comes back by itself', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { world, a, b } = await pair(seed)
      for (let i = 0; i < 50; i++) a.system.send('b', frameOf(i))
      await world.loop.run(100.9)
      world.network.reset('a', 'b')
      await world.loop.run(3_000)
      expect(a.seen.log).toEqual(['up b-1', 'down b-1', 'up b-1'])
      const arrived = b.seen.log.filter((line) => line.includes(':'))
      expect(arrived).toEqual(Array.from({ length: arrived.length }, (_, i) => `a-1:${i}`))
      expect(b.seen.log.filter((line) => !line.includes(':'))).toEqual(['up a-1', 'down a-1', 'up a-1'])
    }
  })

  test('up and down alternate through cuts, pauses and resets, and no frame vanishes between two that arrive', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { world, a, b } = await pair(seed, { heartbeatTimeoutMs: 300 })
      const random = streamOf(seed, 'test')
      for (let i = 0; i < 400; i++) {
        world.loop.at(100 + i * 10, () => a.system.send('b', frameOf(i)))
      }
      for (let fault = 0; fault < 10; fault++) {
        const [from, to] = random.pick([
          ['a', 'b'],
          ['b', 'a'],
        ] as const)
        const at = random.between(100, 4_000)
        const lasts = random.between(10, 600)
        const kind = random.below(3)
        world.loop.at(at, () => {
          if (kind === 0) world.network.cut(from, to)
          else if (kind === 1) world.network.reset(from, to)
          else (from === 'a' ? a : b).system.process.pause('stall', lasts)
        })
        if (kind === 0) world.loop.at(at + lasts, () => world.network.mend(from, to))
      }
      await world.loop.run(10_000)
      for (const { seen } of [a, b]) {
        let up = false
        let last = -1
        let upLast = -1
        for (const line of seen.log) {
          if (line.startsWith('up')) {
            expect(up, `seed ${seed}`).toBe(false)
            up = true
            upLast = -1
          } else if (line.startsWith('down')) {
            expect(up, `seed ${seed}`).toBe(true)
            up = false
          } else {
            expect(up, `seed ${seed}`).toBe(true)
            const number = Number(line.split(':')[1])
            expect(number).toBeGreaterThan(last)
            if (upLast >= 0) expect(number - upLast, `seed ${seed}: ${line}`).toBeLessThanOrEqual(61)
            last = number
            upLast = number
          }
        }
        expect(up, `seed ${seed} heals`).toBe(true)
      }
    }
  })

  test('a peer that hears nothing gives up after the heartbeat time-out, and the paused one learns of it when it wakes', async () => {
    const { world, a, b } = await pair(5)
    b.system.process.pause('stall', 5_000)
    await world.loop.run(1_200)
    expect(a.seen.log).toEqual(['up b-1', 'down b-1'])
    expect(b.seen.log).toEqual(['up a-1'])
    await world.loop.run(9_000)
    expect(a.seen.log.at(-1)).toBe('up b-1')
    expect(b.seen.log.slice(-2)).toEqual(['down a-1', 'up a-1'])
  })

  test('a short cut only delays', async () => {
    const { world, a, b } = await pair(6)
    world.network.cut('a', 'b')
    a.system.send('b', frameOf(1))
    a.system.send('b', frameOf(2))
    await world.loop.run(300)
    expect(b.seen.log).toEqual(['up a-1'])
    world.network.mend('a', 'b')
    await world.loop.run(600)
    expect(b.seen.log).toEqual(['up a-1', 'a-1:1', 'a-1:2'])
  })

  test('a process that was disconnected stays out until it is named again', async () => {
    const { world, a, b } = await pair(7)
    a.system.disconnect('b')
    await world.loop.run(4_000)
    expect(a.seen.log).toEqual(['up b-1', 'down b-1'])
    expect(b.seen.log).toEqual(['up a-1', 'down a-1'])
    a.system.connect({ ...b.local, address: 'sim://b' })
    await world.loop.run(8_000)
    expect(a.seen.log.at(-1)).toBe('up b-1')
  })

  test('a crash tells the others, and a new process of the node takes its place', async () => {
    const { world, a, b } = await pair(8)
    b.system.process.crash()
    await world.loop.run(300)
    expect(a.seen.log).toEqual(['up b-1', 'down b-1'])
    const b2 = await open(world, 'b', 'b-2')
    b2.system.connect({ ...a.local, address: 'sim://a' })
    await world.loop.run(2_000)
    expect(a.seen.log.at(-1)).toBe('up b-2')
    expect(b2.seen.log).toEqual(['up a-1'])
  })

  test('says when its buffer is full, and when there is room again', async () => {
    const { world, a } = await pair(9, { highWaterBytes: 1_000 })
    expect(a.system.send('b', frameOf(1, 900))).toBe(true)
    expect(a.system.send('b', frameOf(2, 900))).toBe(false)
    expect(a.system.bufferedBytes('b')).toBe(1_800)
    await world.loop.run(200)
    expect(a.seen.log).toEqual(['up b-1', 'drain'])
    expect(a.system.bufferedBytes('b')).toBe(0)
  })

  test('an unordered one reorders and repeats', async () => {
    const { world, a, b } = await pair(10, { ordered: false, duplicateChance: 0.2 })
    for (let i = 0; i < 100; i++) a.system.send('b', frameOf(i))
    await world.loop.run(1_000)
    const numbers = b.seen.log.slice(1).map((line) => Number(line.split(':')[1]))
    expect(new Set(numbers).size).toBe(100)
    expect(numbers.length).toBeGreaterThan(105)
    expect(numbers).not.toEqual([...numbers].sort((x, y) => x - y))
  })
})
