// The server against clients that are not ours: malformed, silent, slow, out of date, left over.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { encodeFrame, FrameDecoder } from '../src/frame.ts'
import { EmbeddedDatabase, MemoryMetadataServer, MemoryMetadataStore } from '../src/index.ts'

class RawClient implements AsyncDisposable {
  readonly socket: Socket
  readonly received: Record<string, unknown>[] = []
  readonly closed: Promise<void>
  readonly #decoder = new FrameDecoder(2 ** 30)

  constructor(server: MemoryMetadataServer) {
    this.socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    this.socket.on('error', () => {})
    this.socket.on('data', (chunk) => this.received.push(...this.#decoder.push(chunk)))
    this.closed = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the server did not close the connection')), 3_000)
      this.socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
    this.closed.catch(() => {})
  }

  static async greeted(server: MemoryMetadataServer, client: string, connection = 0): Promise<RawClient> {
    const raw = new RawClient(server)
    raw.send({ hello: 1, client, connection })
    await raw.next(1)
    return raw
  }

  send(...messages: object[]): void {
    this.socket.write(Buffer.concat(messages.map(encodeFrame)))
  }

  async next(count: number): Promise<void> {
    while (this.received.length < count) await once(this.socket, 'data', { signal: AbortSignal.timeout(5_000) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy()
    await this.closed
  }
}

const put = (id: number, key: string, value: string): object => ({ id, request: { op: 'put', key, value } })

describe('the loopback server', () => {
  test.each([
    ['that do not begin with hello', [put(1, 'k', 'x')]],
    [
      'that say hello twice',
      [
        { hello: 1, client: 'a', connection: 0 },
        { hello: 1, client: 'a', connection: 1 },
      ],
    ],
    [
      'with a request of no known kind',
      [
        { hello: 1, client: 'a', connection: 0 },
        { id: 1, request: { op: 'flush' } },
      ],
    ],
    [
      'with the same watch twice',
      [
        { hello: 1, client: 'a', connection: 0 },
        { id: 1, watch: '' },
        { id: 1, watch: '' },
      ],
    ],
  ])('closes connections %s, and goes on with others', async (_, messages) => {
    await using server = await MemoryMetadataServer.start()
    await using raw = new RawClient(server)
    raw.send(...messages)
    await raw.closed
    await using store = new MemoryMetadataStore({ url: server.url })
    await store.open()
    expect(await store.list('')).toEqual([])
  })

  test('closes connections that send noise, at once and not after buffering it', async () => {
    await using server = await MemoryMetadataServer.start()
    for (const noise of ['GET / HTTP/1.1\r\n\r\n', '\u0000\u0000\u0000\u0002[]', '\u0000\u0000\u0010\u0000']) {
      await using raw = new RawClient(server)
      raw.socket.write(noise)
      await raw.closed
      expect(raw.received).toEqual([])
    }
  })

  test('carries out nothing that follows what was malformed', async () => {
    await using server = await MemoryMetadataServer.start()
    await using raw = await RawClient.greeted(server, 'a')
    raw.send(put(1, 'before', 'x'), { nonsense: true }, put(2, 'after', 'x'))
    await raw.closed
    expect(server.database.execute({ op: 'list', prefix: '' }).map((entry) => entry.key)).toEqual(['before'])
  })

  test('tells a client of another protocol version why it is refused', async () => {
    await using server = await MemoryMetadataServer.start()
    await using raw = new RawClient(server)
    raw.send({ hello: 9, client: 'a', connection: 0 })
    await raw.closed
    expect(raw.received).toEqual([{ refused: 'this server speaks version 1 of the protocol, not 9' }])
  })

  test('ends the older connection of a client when a newer one comes: what was left on it never lands', async () => {
    await using server = await MemoryMetadataServer.start()
    await using old = await RawClient.greeted(server, 'a', 3)
    await using other = await RawClient.greeted(server, 'b', 0)
    await using young = await RawClient.greeted(server, 'a', 4)
    await old.closed
    old.send(put(1, 'k', 'late'))
    young.send(put(1, 'k', 'newer'))
    await young.next(2)
    expect(other.socket.destroyed).toBe(false)
    await using stale = new RawClient(server)
    stale.send({ hello: 1, client: 'a', connection: 2 }, put(1, 'k', 'stale'))
    await stale.closed
    expect(server.database.execute({ op: 'get', key: 'k' })).toMatchObject({ value: 'newer' })
    expect(young.socket.destroyed).toBe(false)
  })

  test('gives a client that reads too slowly a snapshot instead of an endless queue', async () => {
    await using server = await MemoryMetadataServer.start()
    await using slow = await RawClient.greeted(server, 'slow')
    slow.send({ id: 1, watch: '' })
    await slow.next(2)
    slow.socket.pause()
    const value = 'x'.repeat(100_000)
    // Far more than the sockets and the server together hold back.
    for (let round = 0; round < 400; round++) {
      server.database.execute({ op: 'put', key: `k${round % 3}`, value: `${value}${round}` })
      await new Promise((resolve) => setImmediate(resolve))
    }
    slow.socket.resume()
    const snapshots = (): Record<string, unknown>[] => slow.received.filter((message) => 'snapshot' in message)
    while (snapshots().length < 2) await once(slow.socket, 'data', { signal: AbortSignal.timeout(5_000) })
    const { snapshot } = snapshots().at(-1) as { snapshot: { key: string; value: string }[] }
    const parts = slow.received.filter((message) => 'part' in message).flatMap((message) => message['part'] as typeof snapshot)
    const seen = new Map([...parts, ...snapshot].map((entry) => [entry.key, entry.value.slice(value.length)]))
    expect(Object.fromEntries(seen)).toEqual({ k0: '399', k1: '397', k2: '398' })
    expect(slow.received.filter((message) => 'changes' in message).length).toBeLessThan(400)
    const before = slow.received.length
    server.database.execute({ op: 'put', key: 'after', value: '' })
    await slow.next(before + 1)
    expect(slow.received.at(-1)).toMatchObject({ watch: 1, changes: [{ type: 'put' }] })
  })

  test('shares its database with stores of its own process', async () => {
    const database = new EmbeddedDatabase()
    await using server = await MemoryMetadataServer.start({ database })
    await using inside = new MemoryMetadataStore({ database })
    await using outside = new MemoryMetadataStore({ url: server.url })
    await Promise.all([inside.open(), outside.open()])
    expect(await inside.storeId()).toBe(await outside.storeId())
    await outside.put('k', 'from outside')
    expect(await inside.get('k')).toMatchObject({ value: 'from outside' })
  })

  test('passes on lists and snapshots that are larger than any frame', async () => {
    await using server = await MemoryMetadataServer.start()
    await using store = new MemoryMetadataStore({ url: server.url })
    await store.open()
    const value = '\u0001'.repeat(1_000_000) // six characters each in JSON
    for (let at = 0; at < 20; at++) await store.put(`k/${at}`, value)
    expect((await store.list('k/')).length).toBe(20)
    let entries = 0
    await using _watch = await store.watch('k/', (event) => {
      if (event.type === 'snapshot') entries = event.entries.length
    })
    expect(entries).toBe(20)
    const batch = Array.from({ length: 5_000 }, (_, at) => ({ key: `b/${at}`, value: 'x'.repeat(500) }))
    expect(await store.putAll(batch)).toEqual({ ok: true, written: 5_000 })
    expect((await store.list('b/')).length).toBe(5_000)
  })

  test('keeps to loopback unless it is told otherwise, and names the option', () => {
    expect(() => new MemoryMetadataServer({ host: '0.0.0.0' })).toThrow(/insecure: true/)
    expect(() => new MemoryMetadataServer({ host: '192.0.2.1' })).toThrow(/no authentication/)
    expect(() => new MemoryMetadataServer({ host: '0.0.0.0', insecure: true })).not.toThrow()
    expect(() => new MemoryMetadataServer({ port: 70_000 })).toThrow(/port is 70000/)
  })

  test('says that its port is taken', async () => {
    await using server = await MemoryMetadataServer.start()
    const port = Number(new URL(server.url).port)
    await expect(MemoryMetadataServer.start({ port })).rejects.toThrow(/it is taken/)
  })

  test('has clients that are told what is wrong with a url', () => {
    for (const url of ['127.0.0.1:4100', 'http://127.0.0.1:4100', 'tcp://127.0.0.1', 'tcp://:1', 'nonsense']) {
      expect(() => new MemoryMetadataStore({ url })).toThrow(/tcp:\/\/127\.0\.0\.1:4100/)
    }
    expect(() => new MemoryMetadataStore({ url: 'tcp://127.0.0.1:1', database: new EmbeddedDatabase() })).toThrow(/together with database/)
    expect(() => new MemoryMetadataStore({ keepAliveMs: 1 })).toThrow(/keepAliveMs is 1/)
  })
})
