// The proxy does what it is told, no more, and says what it did.

import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { FaultProxy, makeSchedule, SchedulePlayer } from '../src/index.ts'

/** Sends back what it gets. */
let server: Server
let target: string
const served = new Set<Socket>()
const clients: Socket[] = []

beforeEach(async () => {
  server = createServer((socket) => {
    served.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => served.delete(socket))
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  target = `127.0.0.1:${(server.address() as { port: number }).port}`
})

afterEach(async () => {
  for (const socket of [...clients.splice(0), ...served]) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

interface Client {
  readonly socket: Socket
  readonly received: () => Buffer
  readonly ended: () => string | undefined
}

async function client(proxy: FaultProxy): Promise<Client> {
  const socket = connect(Number(proxy.address.split(':')[1]), '127.0.0.1')
  clients.push(socket)
  const chunks: Buffer[] = []
  let ended: string | undefined
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', (error: NodeJS.ErrnoException) => {
    ended = error.code
  })
  socket.on('end', () => {
    ended ??= 'end'
  })
  await new Promise((resolve) => socket.once('connect', resolve))
  return { socket, received: () => Buffer.concat(chunks), ended: () => ended }
}

const frame = (number: number): Buffer => Buffer.from([4, 0, 0, 4, number >>> 24, number >>> 16, number >>> 8, number])
const numbers = (bytes: Buffer): number[] => Array.from({ length: bytes.byteLength / 8 }, (_, i) => bytes.readUInt32BE(i * 8 + 4))

describe('the proxy', () => {
  test('passes bytes on unaltered, however many, and an orderly end', async () => {
    await using proxy = await FaultProxy.listen({ target })
    const { socket, received, ended } = await client(proxy)
    const sent = Buffer.alloc(3_000_000, 'abcdefghi')
    socket.end(sent)
    await vi.waitFor(() => expect(ended()).toBe('end'), 5_000)
    expect(received().equals(sent)).toBe(true)
    expect(proxy.report).toMatchObject({ connections: 1, bytes: 6_000_000, dropped: 0 })
    await vi.waitFor(() => expect(proxy.report.open).toBe(0))
  })

  test('holds one way, and lets go of what waited', async () => {
    await using proxy = await FaultProxy.listen({ target })
    const { socket, received } = await client(proxy)
    socket.write('one')
    await vi.waitFor(() => expect(received().toString()).toBe('one'))
    proxy.hold('toClient')
    socket.write('two')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(received().toString()).toBe('one')
    proxy.release()
    await vi.waitFor(() => expect(received().toString()).toBe('onetwo'))
  })

  test('takes no more than its buffers while it holds: the sender notices', async () => {
    await using proxy = await FaultProxy.listen({ target })
    proxy.hold('toTarget')
    const { socket } = await client(proxy)
    const chunk = Buffer.alloc(1 << 20)
    for (let i = 0; i < 64; i++) socket.write(chunk)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(socket.writableLength).toBeGreaterThan(32 << 20)
  })

  test('does not tell that a side is gone while it holds', async () => {
    await using proxy = await FaultProxy.listen({ target })
    const { socket, received, ended } = await client(proxy)
    socket.write('x')
    await vi.waitFor(() => expect(received()).toHaveLength(1))
    proxy.hold()
    for (const other of served) other.resetAndDestroy()
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(ended()).toBeUndefined()
    proxy.release()
    await vi.waitFor(() => expect(ended()).toBe('ECONNRESET'))
  })

  test('delays, and throttles', async () => {
    await using proxy = await FaultProxy.listen({ target })
    const { socket, received } = await client(proxy)
    proxy.delay(40, 'toTarget')
    let startedAt = performance.now()
    socket.write('x')
    await vi.waitFor(() => expect(received()).toHaveLength(1), { interval: 1 })
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(39)
    proxy.delay(0)
    proxy.throttle(1_000_000, 'toClient')
    startedAt = performance.now()
    socket.write(Buffer.alloc(300_000))
    await vi.waitFor(() => expect(received()).toHaveLength(300_001), { interval: 1, timeout: 5_000 })
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(100)
    expect(proxy.report).toMatchObject({ delays: 1, throttles: 1 })
  })

  test('drops connections at once, and breaks them in the middle of something', async () => {
    await using proxy = await FaultProxy.listen({ target })
    const first = await client(proxy)
    first.socket.write('x')
    await vi.waitFor(() => expect(first.received()).toHaveLength(1))
    proxy.drop()
    await vi.waitFor(() => expect(first.ended()).toBe('ECONNRESET'))
    const second = await client(proxy)
    second.socket.write('x')
    await vi.waitFor(() => expect(second.received()).toHaveLength(1))
    proxy.breakMidway(1_000)
    second.socket.write(Buffer.alloc(10_000))
    // libuv takes a reset that comes together with bytes for an end.
    await vi.waitFor(() => expect(second.ended()).toMatch(/^(ECONNRESET|end)$/))
    expect(second.received().byteLength).toBeLessThan(10_001)
    expect(proxy.report).toMatchObject({ connections: 2, dropped: 1, brokenMidway: 1, open: 0 })
  })

  test('in frame-aware mode repeats, reorders and loses whole frames by its seed, and leaves every other message where it is', async () => {
    const run = async (seed: number): Promise<number[]> => {
      await using proxy = await FaultProxy.listen({ target, seed, frames: { repeat: 0.1, reorder: 0.2, lose: 0.05 } })
      const { socket, received } = await client(proxy)
      const heartbeat = Buffer.from([5, 0, 0, 4, 0xff, 0xff, 0xff, 0xff])
      // All in one chunk, so that what comes together does not depend on the machine.
      socket.write(
        Buffer.concat([
          ...Array.from({ length: 100 }, (_, i) => frame(i)),
          heartbeat,
          ...Array.from({ length: 100 }, (_, i) => frame(100 + i)),
        ]),
      )
      await vi.waitFor(() => {
        const { frames, lostFrames, repeatedFrames } = proxy.report
        expect(frames).toBeGreaterThan(200)
        // There and back; the heartbeat is no frame.
        expect(received().byteLength / 8).toBe(200 + 1 - lostFrames + repeatedFrames)
      })
      expect(proxy.report.reorderedFrames).toBeGreaterThan(5)
      expect(proxy.report.repeatedFrames).toBeGreaterThan(5)
      const got = numbers(received())
      const at = got.indexOf(0xffff_ffff)
      expect(got.slice(0, at).every((number) => number < 100)).toBe(true)
      expect(got.slice(at + 1).every((number) => number >= 100)).toBe(true)
      return got
    }
    const first = await run(7)
    expect(await run(7)).toEqual(first)
    expect(await run(8)).not.toEqual(first)
  })

  test('heals', async () => {
    await using proxy = await FaultProxy.listen({ target, frames: { lose: 1 } })
    const { socket, received } = await client(proxy)
    proxy.hold()
    proxy.delay(10_000)
    proxy.heal()
    for (let i = 0; i < 20; i++) socket.write(frame(i))
    await vi.waitFor(() => expect(numbers(received())).toEqual(Array.from({ length: 20 }, (_, i) => i)))
    proxy.disturb()
    socket.write(frame(20))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(received()).toHaveLength(160)
  })

  test('plays a schedule, and nothing of it after it was stopped', async () => {
    await using proxy = await FaultProxy.listen({ target })
    const schedule = makeSchedule({ seed: 3, proxies: 1, lengthMs: 300, everyMs: 20, longestMs: 40 })
    const player = new SchedulePlayer([proxy], schedule)
    await vi.waitFor(() => expect(player.played).toEqual(schedule), 2_000)
    player.stop()
    const { socket, received } = await client(proxy)
    socket.write('calm')
    await vi.waitFor(() => expect(received().toString()).toBe('calm'))

    const interrupted = new SchedulePlayer([proxy], schedule)
    interrupted.stop()
    await new Promise((resolve) => setTimeout(resolve, 350))
    expect(interrupted.played).toEqual([])
  })
})
