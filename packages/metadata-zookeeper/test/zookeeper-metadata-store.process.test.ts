// What is particular to ZooKeeper: nodes that are created anew, sessions that expire, and the faults of the client library that are worked around.

import { createServer } from 'node:net'
import { Backend, reasonToSkip } from '@cajun/backends'
import { failOnUnhandled } from '@cajun/contract-tests'
import { nodeRuntime, StoreRefusedError, type WatchEvent } from '@cajun/core/adapter'
import { CutProxy, FaultProxy } from '@cajun/fault-proxy'
import zookeeper from 'node-zookeeper-client'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { SingleConnectionClient } from '../src/client.ts'
import { ZooKeeperMetadataStore, type ZooKeeperMetadataStoreOptions } from '../src/index.ts'

const skip = await reasonToSkip('zookeeper')
failOnUnhandled()

function changesOf(events: readonly WatchEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === 'changes'
      ? event.changes.map((one) => (one.type === 'put' ? `${one.entry.key}=${one.entry.value}` : `-${one.key}`))
      : [],
  )
}

function resources(kind: string): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === kind).length
}

const nothing = { connected: () => {}, expired: () => {}, ended: () => {}, changed: () => {} }

describe.skipIf(skip !== undefined)(skip ?? 'the store on ZooKeeper', () => {
  let server: Backend
  let proxy: CutProxy
  /** Somebody else, who uses the nodes directly. */
  let admin: zookeeper.Client
  let names = 0
  beforeAll(async () => {
    server = await Backend.start('zookeeper')
    proxy = await CutProxy.start(Number(server.url.split(':').at(-1)))
    admin = zookeeper.createClient(server.url)
    const connected = new Promise<void>((resolve) => admin.once('connected', resolve))
    admin.connect()
    await connected
  })
  afterAll(async () => {
    admin?.close()
    await proxy?.[Symbol.asyncDispose]()
    await server?.stop()
  })

  const fresh = (): string => `/test-${process.pid}-${++names}`
  const open = async (options: ZooKeeperMetadataStoreOptions & { throughProxy?: boolean }): Promise<ZooKeeperMetadataStore> => {
    const { throughProxy = false, ...rest } = options
    const endpoints = [throughProxy ? `127.0.0.1:${proxy.port}` : server.url]
    const store = new ZooKeeperMetadataStore({ endpoints, onError: () => {}, ...rest })
    await store.open()
    return store
  }
  const stat = (path: string): Promise<zookeeper.Stat> =>
    new Promise((resolve, reject) => admin.exists(path, (error, found) => (error ? reject(error) : resolve(found))))
  const byHand = (act: (done: (error: unknown) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => act((error) => (error ? reject(error) : resolve())))

  describe('a write between whose look at the nodes and whose transaction something happens', () => {
    const DELAY_MS = 200
    /** Its first answer is on its way back while `meanwhile` happens. */
    const interleaved = async <T>(write: () => Promise<T>, meanwhile: () => Promise<unknown>): Promise<T> => {
      proxy.delayAnswers(DELAY_MS)
      try {
        const writing = write()
        await new Promise((resolve) => setTimeout(resolve, DELAY_MS / 4))
        await meanwhile()
        return await writing
      } finally {
        proxy.delayAnswers(0)
      }
    }

    test('does not take the leader key of the next leader for that of its own', async () => {
      const root = fresh()
      await using store = await open({ root, throughProxy: true })
      await using peer = await open({ root })
      const led = await store.put('leader', 'old')
      if (!led.ok) throw new Error(led.conflict)
      const guard = { key: 'leader', version: led.version }
      const result = await interleaved(
        () => store.put('k', 'late', { guard }),
        async () => {
          await peer.delete('leader')
          await peer.put('leader', 'next', { ifVersion: null })
        },
      )
      // Both of them have version 0 in ZooKeeper.
      expect((await stat(`${root}/keys/=leader`)).version).toBe(0)
      expect(result).toEqual({ ok: false, conflict: 'guard' })
      expect(await peer.get('k')).toBeUndefined()
    })

    test('does not take a key that was made anew for the one that it names', async () => {
      const root = fresh()
      await using store = await open({ root, throughProxy: true })
      await using peer = await open({ root })
      const made = await store.put('k', 'first')
      if (!made.ok) throw new Error(made.conflict)
      const result = await interleaved(
        () => store.put('k', 'late', { ifVersion: made.version }),
        async () => {
          await peer.delete('k')
          await peer.put('k', 'anew')
        },
      )
      expect(result).toEqual({ ok: false, conflict: 'version' })
      expect((await peer.get('k'))?.value).toBe('anew')
    })

    test('does not write over the second version of a key when it named the first, which is ZooKeeper’s version 0', async () => {
      const root = fresh()
      await using store = await open({ root, throughProxy: true })
      await using peer = await open({ root })
      const made = await store.put('k', 'first')
      if (!made.ok) throw new Error(made.conflict)
      const result = await interleaved(
        () => store.put('k', 'late', { ifVersion: made.version }),
        () => peer.put('k', 'second'),
      )
      expect(result).toEqual({ ok: false, conflict: 'version' })
      expect((await peer.get('k'))?.value).toBe('second')
    })

    test('does not let a key without a session vanish with somebody else’s', async () => {
      const root = fresh()
      await using store = await open({ root, throughProxy: true })
      await using peer = await open({ root })
      await store.put('k', 'first')
      const session = await peer.openSession({ ttlMs: 10_000 })
      await interleaved(
        () => store.put('k', 'to stay'),
        () => peer.put('k', 'to go', { session }),
      )
      await session.close()
      expect((await peer.get('k'))?.value).toBe('to stay')
    })
  })

  test('a session that expires while its connection is lost is lost, and everything else goes on', async () => {
    const root = fresh()
    await using store = await open({ root, throughProxy: true, timeoutMs: 1_000 })
    await using peer = await open({ root })
    const session = await store.openSession({ ttlMs: 400 })
    await store.put('k', 'x', { session })
    proxy.isolate('both')
    const waiting = store.put('k2', 'x', { session }).catch((error: { code?: string }) => error.code)
    await vi.waitFor(async () => expect(await peer.get('k')).toBeUndefined(), { timeout: 2_000 })
    expect(session.lost.aborted).toBe(true)
    proxy.heal()
    // What waited has an outcome: the library itself never calls it back.
    expect(['STORE_UNAVAILABLE', { ok: false, conflict: 'session' }]).toContainEqual(await waiting)
    expect(await store.put('k', 'x', { session })).toEqual({ ok: false, conflict: 'session' })
    await vi.waitFor(() => store.ping(), { timeout: 1_000 })
    await using next = await store.openSession({ ttlMs: 400 })
    expect(await store.put('k', 'again', { session: next })).toMatchObject({ ok: true })
  })

  test('a session of which the server knows nothing any more is lost at the next renewal, not at its deadline', async ({ skip }) => {
    if (!server.wipeable) skip('the server is not ours to wipe')
    await using own = await Backend.start('zookeeper')
    await using store = await open({ root: fresh(), endpoints: [own.url] })
    const session = await store.openSession({ ttlMs: 6_000 })
    await own.kill()
    own.wipe()
    await own.restart()
    await vi.waitFor(() => store.ping(), { timeout: 1_000 })
    const leftMs = session.safeUntil() - nodeRuntime.leaseMs()
    await vi.waitFor(() => expect(session.lost.aborted).toBe(true), { timeout: leftMs - 500 })
    expect(await store.put('k', 'x', { session })).toEqual({ ok: false, conflict: 'session' })
  })

  test('the end of a session of which the server did not hear is told again', async () => {
    const root = fresh()
    await using way = await FaultProxy.listen({ target: server.url })
    await using store = await open({ root, endpoints: [way.address], timeoutMs: 5_000 })
    await using peer = await open({ root })
    const session = await store.openSession({ ttlMs: 20_000 })
    await store.put('k', 'x', { session })
    way.hold('toTarget')
    const closing = session.close()
    await new Promise((resolve) => setTimeout(resolve, 50))
    way.drop()
    way.release('toTarget')
    await closing
    expect(await peer.get('k')).toBeUndefined()
  })

  test('a connection that was lost in the middle of an answer leaves nothing of it to the next', async () => {
    await using slow = await FaultProxy.listen({ target: server.url })
    const value = 'x'.repeat(900_000)
    await using store = await open({ root: fresh(), endpoints: [slow.address], timeoutMs: 5_000 })
    await store.put('large', value)
    slow.throttle(1_000_000, 'toClient')
    for (let round = 0; round < 3; round++) {
      const reading = store.get('large')
      await new Promise((resolve) => setTimeout(resolve, 150))
      slow.throttle(undefined, 'toClient')
      slow.drop()
      expect((await reading)?.value).toBe(value)
      expect(await store.put('small', String(round))).toMatchObject({ ok: true })
      slow.throttle(1_000_000, 'toClient')
    }
  })

  test('after a lost connection there is one new one, not two', async () => {
    await using counting = await FaultProxy.listen({ target: server.url })
    await using store = await open({ root: fresh(), endpoints: [counting.address] })
    for (let round = 1; round <= 5; round++) {
      counting.drop()
      await vi.waitFor(() => store.ping(), { timeout: 1_000 })
      await new Promise((resolve) => setTimeout(resolve, 60))
      expect(counting.report.connections).toBe(1 + round)
    }
  })

  test('an answer that is none, and an error code that the library does not know, end the connection and not the process', async () => {
    const stranger = createServer((socket) =>
      socket.on('error', () => {}).on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')),
    )
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve))
    const { port } = stranger.address() as { port: number }
    const store = new ZooKeeperMetadataStore({ endpoints: [`127.0.0.1:${port}`], timeoutMs: 500 })
    await expect(store.open()).rejects.toThrow(/this is no ZooKeeper/)
    await store.close()
    stranger.close()
  })

  test('a refused connection is told at once, by its address', async () => {
    const store = new ZooKeeperMetadataStore({ endpoints: ['127.0.0.1:1'], timeoutMs: 300 })
    await expect(store.open()).rejects.toThrow(/ECONNREFUSED 127.0.0.1:1/)
    await store.close()
  })

  test('a connection that is given up before it was there leaves neither socket nor timer behind', async () => {
    const [sockets, timers] = [resources('TCPSocketWrap'), resources('Timeout')]
    const [host = '', port] = server.url.split(':')
    const options = { endpoint: { host, port: Number(port) }, sessionTimeoutMs: 30_000, session: undefined, auth: undefined }
    new SingleConnectionClient(options, nothing).release()
    expect(resources('Timeout')).toBe(timers)
    await vi.waitFor(() => expect(resources('TCPSocketWrap')).toBe(sockets), { timeout: 500 })
  })

  test('twenty watches of one prefix make Node warn of nothing', async () => {
    const warnings: Error[] = []
    const collect = (warning: Error): void => void warnings.push(warning)
    process.on('warning', collect)
    await using store = await open({ root: fresh() })
    await store.put('a/k', '1')
    const seen = Array.from({ length: 20 }, (): WatchEvent[] => [])
    for (const events of seen) await store.watch('a/', (event) => events.push(event))
    await store.put('a/k', '2')
    await vi.waitFor(() => expect(seen.map(changesOf)).toEqual(seen.map(() => ['a/k=2'])), { timeout: 2_000 })
    process.off('warning', collect)
    expect(warnings).toEqual([])
  })

  test('directories are made as they are needed, and a watch outlives that of its own', async () => {
    const root = fresh()
    await using store = await open({ root })
    const events: WatchEvent[] = []
    await store.watch('a/b/', (event) => events.push(event))
    await store.put('a/b/c/k', '1')
    await vi.waitFor(() => expect(changesOf(events)).toEqual(['a/b/c/k=1']), { timeout: 2_000 })
    for (const node of ['a/b/c/=k', 'a/b/c', 'a/b']) await byHand((done) => admin.remove(`${root}/keys/${node}`, done))
    await vi.waitFor(() => expect(changesOf(events).at(-1)).toBe('-a/b/c/k'), { timeout: 2_000 })
    await vi.waitFor(() => store.put('a/b/k', '2', { ifVersion: null }), { timeout: 2_000 })
    await vi.waitFor(() => expect(changesOf(events).at(-1)).toBe('a/b/k=2'), { timeout: 2_000 })
  })

  test('nodes of others are nobody’s keys', async () => {
    const root = fresh()
    await using store = await open({ root })
    const events: WatchEvent[] = []
    await store.put('a/k', '1')
    await store.watch('a/', (event) => events.push(event))
    for (const node of ['=%zz', 'x y', '=']) await byHand((done) => admin.create(`${root}/keys/a/${node}`, done))
    await store.put('a/k', '2')
    await vi.waitFor(() => expect(changesOf(events)).toEqual(['a/k=2']), { timeout: 2_000 })
    expect((await store.list('a/')).map(({ key }) => key)).toEqual(['a/k'])
  })

  test('the largest value fits under the longest key, with a guard and a session', async () => {
    await using store = await open({ root: `/${'r'.repeat(63)}`, timeoutMs: 10_000 })
    const key = `${'é'.repeat(127)}/${'é'.repeat(128)}`
    const value = 'x'.repeat(store.capabilities.maxValueBytes)
    const guardKey = `${key.slice(0, -1)}ü`
    const guard = await store.put(guardKey, 'x')
    if (!guard.ok) throw new Error(guard.conflict)
    await store.put(key, 'before')
    await using session = await store.openSession({ ttlMs: 10_000 })
    expect(await store.put(key, value, { session, guard: { key: guardKey, version: guard.version } })).toMatchObject({ ok: true })
    expect((await store.get(key))?.value).toBe(value)
  })

  test('a whole batch of the longest keys that change owner is one transaction', async () => {
    await using store = await open({ root: `/${'b'.repeat(63)}`, timeoutMs: 20_000 })
    const { maxBatchBytes = 0 } = store.capabilities
    const entries = Array.from({ length: Math.floor(maxBatchBytes / 512) }, (_, at) => ({
      key: `${'é'.repeat(254)}${1_000 + at}`,
      value: '',
    }))
    await store.putAll(entries)
    await using session = await store.openSession({ ttlMs: 10_000 })
    expect(await store.putAll(entries, { session })).toEqual({ ok: true, written: entries.length })
  })

  test('ten thousand entries take as many transactions as 2,000 go into', async () => {
    await using store = await open({ root: fresh(), timeoutMs: 20_000 })
    const entries = Array.from({ length: 10_000 }, (_, at) => ({ key: `r/${at}`, value: String(at) }))
    for (let round = 0; round < 2; round++) {
      expect(await store.putAll(entries)).toEqual({ ok: true, written: 10_000 })
      // One zxid per transaction.
      expect(new Set((await store.list('r/')).map(({ version }) => version)).size).toBe(10_000 / 2_000)
    }
    expect(await store.list('r/')).toHaveLength(10_000)
  })

  test('everything goes over one connection, and one more for each session', async () => {
    await using counting = await FaultProxy.listen({ target: server.url })
    await using store = await open({ root: fresh(), endpoints: [counting.address] })
    await using session = await store.openSession({ ttlMs: 1_000 })
    for (let at = 0; at < 3; at++) await store.watch(`test/${at}/`, () => {})
    await Promise.all(Array.from({ length: 100 }, (_, at) => store.put(`test/${at}`, 'x', { session })))
    await new Promise((resolve) => setTimeout(resolve, 1_500)) // signs of life and renewals
    expect(session.lost.aborted).toBe(false)
    expect(counting.report.connections).toBe(2)
  })
})

const skipSecured = await reasonToSkip('zookeeper', { secured: true })

describe.skipIf(skipSecured !== undefined)(skipSecured ?? 'a ZooKeeper that wants a login', () => {
  const auth = { username: 'cajun', password: 'a secret of the test' }
  let server: Backend
  beforeAll(async () => {
    server = await Backend.start('zookeeper', { credentials: auth })
  })
  afterAll(() => server?.stop())

  test('a wrong password is refused at once, by its name and without the password', async () => {
    await using owner = new ZooKeeperMetadataStore({ endpoints: [server.url], auth })
    await owner.open()
    await using store = new ZooKeeperMetadataStore({
      endpoints: [server.url],
      auth: { ...auth, password: 'wrong secret' },
      timeoutMs: 10_000,
    })
    const startedAt = Date.now()
    const error = await store.open().catch((error: unknown) => error as Error)
    expect(error).toBeInstanceOf(StoreRefusedError)
    expect(String(error)).toMatch(/NO_AUTH/)
    expect(String(error)).not.toMatch(/wrong secret/)
    expect(Date.now() - startedAt).toBeLessThan(2_000)
  })

  test('no login is refused likewise, though the library does not know the error', async () => {
    await using store = new ZooKeeperMetadataStore({ endpoints: [server.url], root: '/other', timeoutMs: 10_000 })
    const startedAt = Date.now()
    await expect(store.open()).rejects.toThrow(/who has not logged in; give `auth`/)
    expect(Date.now() - startedAt).toBeLessThan(2_000)
  })
})
