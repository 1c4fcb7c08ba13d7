// What is particular to etcd: compaction, leases, what is refused, and the faults of the client library that are worked around.

import { Backend, reasonToSkip } from '@cajun/backends'
import { failOnUnhandled } from '@cajun/contract-tests'
import { StoreRefusedError, type WatchEvent } from '@cajun/core/adapter'
import { CutProxy, FaultProxy } from '@cajun/fault-proxy'
import { Etcd3 } from 'etcd3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EtcdMetadataStore } from '../src/index.ts'

const skip = await reasonToSkip('etcd')
failOnUnhandled()

async function until(ms: number, what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  for (const untilMs = Date.now() + ms; !(await check()); ) {
    if (Date.now() > untilMs) throw new Error(`${what}: not within ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function valuesOf(events: readonly WatchEvent[], key: string): string[] {
  return events.flatMap((event) =>
    event.type === 'changes'
      ? event.changes.flatMap((change) => (change.type === 'put' && change.entry.key === key ? [change.entry.value] : []))
      : [],
  )
}

describe.skipIf(skip !== undefined)(skip ?? 'the store on etcd', () => {
  let etcd: Backend
  let admin: Etcd3
  let proxy: CutProxy
  let names = 0
  beforeAll(async () => {
    etcd = await Backend.start('etcd')
    admin = new Etcd3({ hosts: etcd.url })
    proxy = await CutProxy.start(Number(new URL(etcd.url).port))
  })
  afterAll(async () => {
    admin?.close()
    await proxy?.[Symbol.asyncDispose]()
    await etcd?.stop()
  })

  const fresh = (): string => `test-${process.pid}-${++names}/`
  const open = async (options: { prefix: string; timeoutMs?: number; throughProxy?: boolean }): Promise<EtcdMetadataStore> => {
    const { throughProxy = false, ...rest } = options
    const store = new EtcdMetadataStore({
      ...rest,
      endpoints: [throughProxy ? `http://127.0.0.1:${proxy.port}` : etcd.url],
      onError: () => {},
    })
    await store.open()
    return store
  }
  const compact = async (): Promise<void> => {
    const { header } = await admin.kv.range({ key: Buffer.from('x') })
    await admin.kv.compact({ revision: header.revision, physical: true })
  }

  test('a watch whose events were compacted away starts again with a snapshot, and goes on', async () => {
    const prefix = fresh()
    await using store = await open({ prefix, throughProxy: true })
    await using peer = await open({ prefix })
    await peer.put('kept', 'x')
    await peer.put('deleted', 'x')
    const events: WatchEvent[] = []
    await store.watch('', (event) => events.push(event))
    proxy.isolate('both')
    for (let at = 0; at < 20; at++) await peer.put('k', String(at))
    await peer.delete('deleted')
    await compact()
    proxy.heal()
    await until(3_000, 'the snapshot', () => events.length > 1 && events.at(-1)?.type === 'snapshot')
    const last = events.at(-1)
    const keys = last?.type === 'snapshot' ? last.entries.map(({ key }) => key) : []
    expect(keys).toEqual(expect.arrayContaining(['k', 'kept']))
    expect(keys).not.toContain('deleted')
    await peer.put('after', 'x')
    await until(2_000, 'what follows', () => valuesOf(events, 'after').length === 1)
  })

  test('compaction under a watch that is up to date takes nothing from it', async () => {
    await using store = await open({ prefix: fresh() })
    const events: WatchEvent[] = []
    await store.watch('', (event) => events.push(event))
    for (let at = 0; at < 5; at++) {
      await store.put('k', String(at))
      await until(2_000, 'the change', () => valuesOf(events, 'k').length === at + 1)
      await compact()
    }
    expect(events.filter(({ type }) => type === 'snapshot')).toHaveLength(1)
  })

  test('what happened while the connection was lost arrives event by event, none lost and none twice', async () => {
    const prefix = fresh()
    await using store = await open({ prefix, throughProxy: true })
    await using peer = await open({ prefix })
    const events: WatchEvent[] = []
    await store.watch('', (event) => events.push(event))
    let at = 0
    for (let round = 0; round < 5; round++) {
      for (const end = at + 100; at < end; at++) {
        // In the middle of writes, so that a reconnection meets a backlog that is still arriving.
        if (at % 100 === 30) proxy.isolate('both')
        if (at % 100 === 60) proxy.heal()
        await peer.put('k', String(at))
      }
    }
    await until(5_000, 'the last event', () => valuesOf(events, 'k').at(-1) === String(at - 1))
    expect(valuesOf(events, 'k')).toEqual(Array.from({ length: at }, (_, n) => String(n)))
    expect(events.filter(({ type }) => type === 'snapshot')).toHaveLength(1)
  })

  test('a store that was reborn, and written to beyond where the watch was, is recognised as another', async ({ skip }) => {
    if (!etcd.wipeable) skip('the server is not ours to wipe')
    await using own = await Backend.start('etcd')
    const port = Number(new URL(own.url).port)
    await using behind = await CutProxy.start(port)
    await using store = new EtcdMetadataStore({ endpoints: [`http://127.0.0.1:${behind.port}`], onError: () => {} })
    await store.open()
    await store.put('old', 'x')
    const events: WatchEvent[] = []
    await store.watch('', (event) => events.push(event))
    const before = await store.storeId()
    behind.isolate('both')
    await own.kill()
    own.wipe()
    await own.restart()
    await using peer = new EtcdMetadataStore({ endpoints: [own.url] })
    await peer.open()
    for (let at = 0; at < 50; at++) await peer.put('new', String(at))
    behind.heal()
    await until(3_000, 'the snapshot', () => events.length > 1)
    const last = events.at(-1)
    expect(last?.type).toBe('snapshot')
    expect(last?.type === 'snapshot' ? last.entries.map(({ key }) => key) : []).not.toContain('old')
    expect(await store.storeId()).not.toBe(before)
  })

  test('a connection that fell silent is abandoned also when another client of the process holds on to it', async () => {
    await using deaf = await CutProxy.start(Number(new URL(etcd.url).port))
    const options = { prefix: fresh(), endpoints: [`http://127.0.0.1:${deaf.port}`], timeoutMs: 500, onError: () => {} }
    // gRPC lets clients of one process share a connection: this one holds on to it.
    await using patient = new EtcdMetadataStore({ ...options, keepAliveMs: 60_000 })
    await patient.open()
    await using store = new EtcdMetadataStore(options)
    await store.open()
    const events: WatchEvent[] = []
    await store.watch('', (event) => events.push(event))
    await using session = await store.openSession({ ttlMs: 10_000 })
    deaf.strand()
    await until(2_500, 'an answer', () =>
      store.get('k').then(
        () => true,
        () => false,
      ),
    )
    await store.put('k', 'x', { session })
    await until(2_500, 'the event', () => events.some((event) => event.type === 'changes' || event.entries.some(({ key }) => key === 'k')))
    expect(session.lost.aborted).toBe(false)
  })

  test('a list may be larger than the 4 MiB that gRPC takes by default', async () => {
    await using store = await open({ prefix: fresh(), timeoutMs: 10_000 })
    const value = 'x'.repeat(1_000_000)
    for (let at = 0; at < 6; at++) await store.put(`large/${at}`, value)
    const listed = await store.list('large/')
    expect(listed.map((entry) => entry.value.length)).toEqual(Array.from({ length: 6 }, () => value.length))
  })

  test('a proxy for the web in the environment is none for etcd', async () => {
    const former = process.env['http_proxy']
    process.env['http_proxy'] = 'http://127.0.0.1:1'
    try {
      await using store = await open({ prefix: fresh(), timeoutMs: 2_000 })
      expect(await store.put('k', 'x')).toMatchObject({ ok: true })
    } finally {
      if (former === undefined) delete process.env['http_proxy']
      else process.env['http_proxy'] = former
    }
  })

  test('ten thousand entries take as many round trips as transactions of 128', async () => {
    await using store = await open({ prefix: fresh(), timeoutMs: 20_000 })
    const entries = Array.from({ length: 10_000 }, (_, at) => ({ key: `registry/counter/${at}`, value: `actor ${at}` }))
    const revision = async (): Promise<number> => Number((await admin.kv.range({ key: Buffer.from('x') })).header.revision)
    const before = await revision()
    expect(await store.putAll(entries)).toEqual({ ok: true, written: 10_000 })
    // One revision per transaction.
    expect((await revision()) - before).toBe(Math.ceil(10_000 / 128))
    expect(await store.list('registry/')).toHaveLength(10_000)
  })

  test('everything goes over one connection', async () => {
    await using counting = await FaultProxy.listen({ target: new URL(etcd.url).host })
    await using store = new EtcdMetadataStore({ endpoints: [`http://${counting.address}`] })
    await store.open()
    await using session = await store.openSession({ ttlMs: 1_000 })
    for (let at = 0; at < 3; at++) await store.watch(`test/${at}/`, () => {})
    await Promise.all(Array.from({ length: 100 }, (_, at) => store.put(`test/${at}`, 'x', { session })))
    await new Promise((resolve) => setTimeout(resolve, 1_500)) // signs of life and renewals
    expect(session.lost.aborted).toBe(false)
    expect(counting.report.connections).toBe(1)
  })

  test('lease ids and revisions are exact in plain numbers', async () => {
    await using store = await open({ prefix: fresh() })
    for (let at = 0; at < 20; at++) {
      await using session = await store.openSession({ ttlMs: 1_000 })
      expect(Number.isSafeInteger(Number(session.id))).toBe(true)
      await store.put('k', 'x', { session })
      expect((await store.get('k'))?.session).toBe(session.id)
    }
  })
})

const skipSecured = await reasonToSkip('etcd', { secured: true })

describe.skipIf(skipSecured !== undefined)(skipSecured ?? 'an etcd with authentication', () => {
  const auth = { username: 'cajun', password: 'a secret of the test' }
  let etcd: Backend
  beforeAll(async () => {
    etcd = await Backend.start('etcd', { credentials: auth })
  })
  afterAll(() => etcd?.stop())

  test('a wrong password is refused at once, by its name and without the password', async () => {
    await using store = new EtcdMetadataStore({ endpoints: [etcd.url], auth: { ...auth, password: 'wrong secret' }, timeoutMs: 10_000 })
    const startedAt = Date.now()
    const error = await store.open().catch((error: unknown) => error as Error)
    expect(error).toBeInstanceOf(StoreRefusedError)
    expect(String(error)).toMatch(/authentication failed/)
    expect(String(error)).not.toMatch(/wrong secret/)
    expect(Date.now() - startedAt).toBeLessThan(2_000)
  })

  test('no credentials are refused likewise', async () => {
    await using store = new EtcdMetadataStore({ endpoints: [etcd.url], timeoutMs: 10_000 })
    await expect(store.open()).rejects.toThrow(StoreRefusedError)
  })

  test('a token that ended under a living connection is replaced before anybody notices', async () => {
    await using store = new EtcdMetadataStore({ endpoints: [etcd.url], auth, onError: () => {} })
    await store.open()
    const events: WatchEvent[] = []
    await store.watch('', (event) => events.push(event))
    const admin = new Etcd3({ hosts: etcd.url, auth: { username: 'root', password: auth.password } })
    try {
      for (const change of [
        () => admin.auth.userChangePassword({ name: auth.username, password: auth.password }), // ends the tokens of this user
        () => admin.auth.roleAdd({ name: 'another' }), // makes all tokens old
      ]) {
        await change()
        const startedAt = Date.now()
        expect(await store.put('k', 'x')).toMatchObject({ ok: true })
        expect(Date.now() - startedAt).toBeLessThan(400)
        const seen = valuesOf(events, 'k').length
        await store.put('k', 'y')
        await until(2_000, 'the event', () => valuesOf(events, 'k').length > seen)
      }
    } finally {
      admin.close()
    }
  })

  test('a token that ended with its server is replaced, for watches too', async () => {
    await using store = new EtcdMetadataStore({ endpoints: [etcd.url], auth, onError: () => {} })
    await store.open()
    const events: WatchEvent[] = []
    await store.watch('', (event) => events.push(event))
    await etcd.kill()
    await etcd.restart()
    await until(2_000, 'the first answer', async () => (await store.ping().catch(() => -1)) >= 0)
    await store.put('k', 'x')
    await until(2_000, 'the event', () => valuesOf(events, 'k').length === 1)
  })
})
