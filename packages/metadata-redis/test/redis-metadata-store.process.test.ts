// What is particular to Redis: its log, lost data, what is refused, and the faults of the client library that are worked around.

import { Backend, reasonToSkip } from '@cajun/backends'
import { failOnUnhandled } from '@cajun/contract-tests'
import { StoreRefusedError, type WatchEvent } from '@cajun/core/adapter'
import { CutProxy, FaultProxy } from '@cajun/fault-proxy'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RedisMetadataStore } from '../src/index.ts'

const skip = await reasonToSkip('redis')
failOnUnhandled()

async function until(ms: number, what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  for (const untilMs = Date.now() + ms; !(await check()); ) {
    if (Date.now() > untilMs) throw new Error(`${what}: not within ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe.skipIf(skip !== undefined)(skip ?? 'the store on Redis', () => {
  let redis: Backend
  let admin: Redis
  let proxy: CutProxy
  let names = 0
  beforeAll(async () => {
    redis = await Backend.start('redis')
    admin = new Redis(redis.url)
    proxy = await CutProxy.start(Number(new URL(redis.url).port))
  })
  afterAll(async () => {
    admin.disconnect()
    await proxy[Symbol.asyncDispose]()
    await redis.stop()
  })

  const open = async (options: {
    namespace: string
    logLength?: number
    timeoutMs?: number
    throughProxy?: boolean
  }): Promise<RedisMetadataStore> => {
    const { throughProxy = false, ...rest } = options
    const store = new RedisMetadataStore({ ...rest, url: throughProxy ? `redis://127.0.0.1:${proxy.port}` : redis.url, onError: () => {} })
    await store.open()
    return store
  }
  const fresh = (): string => `test-${process.pid}-${++names}`

  test('a watch that fell behind the log starts again with a snapshot', async () => {
    const namespace = fresh()
    await using store = await open({ namespace, logLength: 1, throughProxy: true })
    await using peer = await open({ namespace, logLength: 1 })
    const events: WatchEvent[] = []
    await store.watch('', (event) => events.push(event))
    await peer.put('before', 'x')
    await until(2_000, 'the change', () => events.length === 2)
    proxy.isolate('both')
    // Redis trims whole nodes of the stream: 100 entries each.
    for (let at = 0; at < 300; at++) await peer.put(`k${at % 3}`, String(at))
    proxy.heal()
    await until(3_000, 'the snapshot', () => events.at(-1)?.type === 'snapshot')
    expect(events.at(-1)).toMatchObject({ entries: [{ key: 'before' }, { value: '297' }, { value: '298' }, { value: '299' }] })
    await peer.put('after', 'x')
    await until(2_000, 'what follows', () => events.at(-1)?.type === 'changes')
  })

  test('a watch that is behind, but not behind the log, is told every change', async () => {
    const namespace = fresh()
    await using store = await open({ namespace, throughProxy: true })
    await using peer = await open({ namespace })
    await peer.put('first', 'x')
    const events: WatchEvent[] = []
    await store.watch('', (event) => events.push(event))
    proxy.isolate('both')
    for (let at = 0; at < 50; at++) await peer.put('k', String(at))
    proxy.heal()
    const seen = (): string[] =>
      events.flatMap((event) =>
        event.type === 'changes' ? event.changes.map((change) => (change.type === 'put' ? change.entry.value : '')) : [],
      )
    await until(3_000, 'the last change', () => seen().includes('49'))
    expect(seen()).toEqual(Array.from({ length: 50 }, (_, at) => String(at)))
    expect(events.filter(({ type }) => type === 'snapshot')).toHaveLength(1)
  })

  test('data that is lost under an open connection is noticed: a snapshot, another store id, and versions that go on above', async () => {
    const namespace = fresh()
    await using store = await open({ namespace })
    const events: WatchEvent[] = []
    await store.put('k', 'x')
    await store.watch('', (event) => events.push(event))
    const [id, before] = [await store.storeId(), await store.put('k', 'y')]
    await until(2_000, 'the change', () => events.length === 2)
    await admin.del(...(await admin.keys(`{${namespace}}:*`)))
    await until(2_000, 'the snapshot', () => events.length === 3)
    expect(events[2]).toEqual({ type: 'snapshot', entries: [] })
    expect(await store.storeId()).not.toBe(id)
    const after = await store.put('k', 'z', { ifVersion: null })
    expect(after.ok && before.ok && Number(after.version) > Number(before.version)).toBe(true)
    await until(2_000, 'what follows', () => events.length === 4)
  })

  test('data that is lost and written again before anybody looked is noticed at the next entry of the log', async () => {
    const namespace = fresh()
    await using store = await open({ namespace })
    await store.put('old', 'x')
    const events: WatchEvent[] = []
    await store.watch('', (event) => events.push(event))
    await admin.del(...(await admin.keys(`{${namespace}}:*`)))
    await store.put('new', 'x')
    await until(2_000, 'the snapshot', () => events.length === 2)
    expect(events[1]).toMatchObject({ type: 'snapshot', entries: [{ key: 'new' }] })
  })

  test('commands without an answer are not sent again on the next connection', async () => {
    const namespace = fresh()
    await using store = await open({ namespace, throughProxy: true, timeoutMs: 3_000 })
    proxy.isolate('answers')
    const writes = Array.from({ length: 20 }, (_, at) =>
      store.put(`k${at}`, 'x', { ifVersion: null }).catch((error: { code?: string }) => error.code),
    )
    await until(2_000, 'their arrival', async () => (await admin.xlen(`{${namespace}}:log`)) === 20)
    proxy.heal()
    // At once, not after the deadline: the end of the connection tells that there will be no answer.
    const startedAt = Date.now()
    expect(new Set(await Promise.all(writes))).toEqual(new Set(['UNKNOWN_OUTCOME']))
    expect(Date.now() - startedAt).toBeLessThan(500)
    await until(2_000, 'the next connection', async () => (await store.ping().catch(() => -1)) >= 0)
    expect(await admin.xlen(`{${namespace}}:log`)).toBe(20)
  })

  test('reading the log blocks nothing else', async () => {
    await using store = await open({ namespace: fresh() })
    await store.watch('', () => {})
    const startedAt = performance.now()
    for (let at = 0; at < 20; at++) await store.get('k')
    expect(performance.now() - startedAt).toBeLessThan(500)
  })

  test('scripts that the server forgot are sent to it again', async () => {
    await using store = await open({ namespace: fresh() })
    await store.put('k', 'x')
    await admin.script('FLUSH')
    expect(await store.put('k', 'y', { ifVersion: (await store.get('k'))?.version as string })).toMatchObject({ ok: true })
  })

  test('a user who may use neither INFO nor CLIENT is let in', async () => {
    await admin.call('ACL', 'SETUSER', 'plain', 'on', '>secret', '~*', '&*', '+@all', '-info', '-client')
    try {
      await using store = new RedisMetadataStore({ url: redis.url, namespace: fresh(), redis: { username: 'plain', password: 'secret' } })
      await store.open()
      expect(await store.put('k', 'x')).toMatchObject({ ok: true })
    } finally {
      await admin.call('ACL', 'DELUSER', 'plain')
    }
  })

  test('a server that is a replica now is left for the one that its address leads to', async ({ skip }) => {
    if (!redis.controllable) skip('the server is from the environment')
    await using former = await Backend.start('redis')
    await using way = await FaultProxy.listen({ target: new URL(former.url).host })
    await using store = new RedisMetadataStore({ url: `redis://${way.address}`, namespace: fresh(), timeoutMs: 2_000 })
    await store.open()
    const formerAdmin = new Redis(former.url)
    await formerAdmin.replicaof('127.0.0.1', 1)
    formerAdmin.disconnect()
    way.retarget(new URL(redis.url).host)
    expect(await store.put('k', 'x')).toMatchObject({ ok: true })
  })

  test('ten thousand entries are one round trip', async () => {
    await using store = await open({ namespace: fresh(), timeoutMs: 20_000 })
    const entries = Array.from({ length: 10_000 }, (_, at) => ({ key: `registry/counter/${at}`, value: `actor ${at}` }))
    const calls = async (): Promise<number> => {
      const usage = await admin.info('commandstats')
      return [...usage.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
    }
    const before = await calls()
    expect(await store.putAll(entries)).toEqual({ ok: true, written: 10_000 })
    // The rest are signs of life.
    expect((await calls()) - before).toBeLessThan(4)
    expect(await store.list('registry/')).toHaveLength(10_000)
  })

  test('a connection is opened once, not per operation', async () => {
    await using store = await open({ namespace: fresh() })
    const received = async (): Promise<number> => Number(/total_connections_received:(\d+)/.exec(await admin.info('stats'))?.[1])
    const before = await received()
    await Promise.all(Array.from({ length: 200 }, (_, at) => store.put(`k${at}`, 'x')))
    for (let at = 0; at < 5; at++) await (await store.watch('', () => {})).close()
    expect((await received()) - before).toBeLessThanOrEqual(1)
  })
})

const skipSecured = await reasonToSkip('redis', { secured: true })

describe.skipIf(skipSecured !== undefined)(skipSecured ?? 'a Redis that lets in few', () => {
  const credentials = { username: 'cajun', password: 'a secret of the test' }
  let redis: Backend
  beforeAll(async () => {
    redis = await Backend.start('redis', { credentials })
  })
  afterAll(() => redis?.stop())

  test('a wrong password is refused at once, by its name and without the password', async () => {
    await using store = new RedisMetadataStore({
      url: redis.url,
      redis: { username: 'cajun', password: 'wrong secret' },
      timeoutMs: 10_000,
    })
    const startedAt = Date.now()
    const error = await store.open().catch((error: unknown) => error as Error)
    expect(error).toBeInstanceOf(StoreRefusedError)
    expect(String(error)).toMatch(/WRONGPASS/)
    expect(String(error)).not.toMatch(/wrong secret/)
    expect(Date.now() - startedAt).toBeLessThan(2_000)
  })

  test('no password likewise', async () => {
    await using store = new RedisMetadataStore({ url: redis.url, timeoutMs: 10_000 })
    await expect(store.open()).rejects.toThrow(/NOAUTH/)
  })

  test('the password may be in the url', async () => {
    const url = redis.url.replace('redis://', `redis://cajun:${encodeURIComponent(credentials.password)}@`)
    await using store = new RedisMetadataStore({ url })
    await store.open()
    await store.put('k', 'x')
  })
})
