// Promises 29 to 32: identity, closing, and coming back.

import assert from 'node:assert/strict'
import type { MetadataStore } from '@cajun/core/adapter'
import type { StoreContext } from './context.ts'
import type { StoreCase } from './run.ts'
import { without, withoutIsolation, withoutStranding } from './skips.ts'

const PATIENCE_MS = 5_000

function everyOperation(context: StoreContext, store: MetadataStore): [name: string, run: () => Promise<unknown>][] {
  const key = context.key('k')
  return [
    ['get', () => store.get(key)],
    ['list', () => store.list(context.prefix)],
    ['put', () => store.put(key, 'x')],
    ['put ifVersion', () => store.put(key, 'x', { ifVersion: null })],
    ['putAll', () => store.putAll([{ key, value: 'x' }])],
    ['delete', () => store.delete(key)],
    ['openSession', () => store.openSession({ ttlMs: context.ttlMs })],
    ['watch', () => store.watch(context.prefix, () => {})],
    ['storeId', () => store.storeId()],
    ['ping', () => store.ping()],
  ]
}

export const lifeCases: readonly StoreCase[] = [
  {
    number: 29,
    title: 'storeId is one and the same for all clients, now and later',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const ids = await Promise.all([store.storeId(), peer.storeId(), store.storeId(), peer.storeId()])
      assert.equal(new Set(ids).size, 1, `several ids: ${ids.join(', ')}`)
      assert.ok((ids[0] as string).length > 0)
      await store.close()
      assert.equal(await (await context.open()).storeId(), ids[0])
    },
  },
  ...(['frozen', 'killed', 'wiped'] as const).map(
    (how): StoreCase => ({
      number: 29,
      title:
        how === 'wiped' ? 'storeId differs when the data was lost' : `storeId is the same after the server was ${how}, and so is the data`,
      skip: without(how),
      async run(context) {
        const store = await context.open()
        await store.put(context.key('k'), 'x')
        const before = await store.storeId()
        await context.harness.interrupt?.(how)
        await context.sleep(50)
        await context.harness.restore?.()
        await context.recovered(store, PATIENCE_MS)
        const after = await store.storeId()
        if (how === 'wiped') {
          assert.notEqual(after, before)
          assert.equal(await store.get(context.key('k')), undefined)
        } else {
          assert.equal(after, before)
          assert.equal((await store.get(context.key('k')))?.value, 'x')
        }
        assert.equal(await (await context.openPeer()).storeId(), after)
      },
    }),
  ),
  {
    number: 30,
    title: 'close ends sessions, campaigns and watches, and every later operation rejects with ClosedError',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const [one, other] = [await store.openSession({ ttlMs: 20_000 }), await store.openSession({ ttlMs: 20_000 })]
      let lost = 0
      one.lost.addEventListener('abort', () => lost++)
      await store.put(context.key('a'), 'x', { session: one })
      await store.put(context.key('b'), 'x', { session: other })
      const leading = store.campaign(context.key('leader'), one, 'one')
      await context.within(PATIENCE_MS, 'the election', leading.elected)
      const waiting = store.campaign(context.key('leader'), other, 'other')
      const log = await context.watch(store, context.prefix)
      const delivered = log.events.length
      await Promise.all([store.close(), store.close()])
      await store.close()
      await store[Symbol.asyncDispose]()
      assert.deepEqual(await peer.list(context.prefix), [], 'keys of its sessions are left')
      assert.equal((await context.rejection(1_000, 'the waiting candidacy', waiting.elected)).code, 'CLOSED')
      for (const [name, run] of everyOperation(context, store)) {
        assert.equal((await context.rejection(1_000, name, run())).code, 'CLOSED', name)
      }
      assert.equal((await context.rejection(1_000, 'open', store.open())).code, 'CLOSED')
      await context.within(1_000, 'closing a session of a closed store', one.close())
      await context.within(1_000, 'resigning in a closed store', leading.resign())
      await peer.put(context.key('after'), 'x')
      await context.sleep(50)
      assert.equal(log.events.length, delivered, 'a watch of a closed store was called')
      assert.equal(lost, 0)
    },
  },
  {
    number: 30,
    title: 'what is under way when the store closes is settled, and a store that was never open can be closed',
    async run(context) {
      const store = await context.open()
      const under = everyOperation(context, store).map(async ([, run]) => run().catch(() => {}))
      await context.within(PATIENCE_MS, 'closing', store.close())
      await context.within(1_000, 'what was under way', Promise.all(under))
      const never = context.create('store')
      await context.within(1_000, 'closing a store that was never open', never.close())
      assert.equal((await context.rejection(1_000, 'open', never.open())).code, 'CLOSED')
      const opening = context.create('store')
      const opened = opening.open().catch(() => {})
      await context.within(PATIENCE_MS, 'closing while opening', opening.close())
      await context.within(1_000, 'the open that was under way', opened)
      assert.equal((await context.rejection(1_000, 'get', opening.get(context.key('k')))).code, 'CLOSED')
    },
  },
  {
    number: 30,
    title: 'a store that is closed while its server is frozen leaves no socket behind',
    skip: without('frozen'),
    async run(context) {
      const sockets = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length
      const before = sockets()
      // With nobody in between, who would hang up in the server's place.
      const store = await context.openPeer({ timeoutMs: context.timeoutMs })
      await store.watch(context.prefix, () => {})
      await store.openSession({ ttlMs: 10_000 })
      await context.harness.interrupt?.('frozen')
      await context.within(2 * context.timeoutMs, 'closing', store.close())
      await context.eventually(500, () => assert.ok(sockets() <= before, `${sockets() - before} sockets are left`))
      await context.harness.restore?.()
    },
  },
  {
    number: 31,
    title: 'ping measures a round trip, and rejects when there is no answer',
    async run(context) {
      const store = await context.openHasty()
      const startedAt = context.runtime.monotonicMs()
      const ms = await store.ping()
      assert.ok(ms >= 0 && ms <= context.runtime.monotonicMs() - startedAt, `ping took ${ms} ms`)
      if (withoutIsolation(context) !== undefined) return
      await context.isolate('both')
      assert.equal((await context.rejection(context.timeoutMs, 'ping', store.ping())).code, 'STORE_UNAVAILABLE')
      await context.heal()
      await context.recovered(store, 1_000)
    },
  },
  {
    number: 32,
    title: 'operations before open reject with StoreUnavailableError or wait for it',
    async run(context) {
      const store = context.create('store', { timeoutMs: context.timeoutMs })
      for (const [name, run] of everyOperation(context, store)) {
        assert.equal((await context.rejection(context.timeoutMs, name, run())).code, 'STORE_UNAVAILABLE', name)
      }
      await Promise.all([store.open(), store.open()])
      await store.open()
      await store.put(context.key('k'), 'x')
    },
  },
  {
    number: 32,
    title: 'open rejects in time when the store is out of reach, and succeeds when it is back',
    skip: withoutIsolation,
    async run(context) {
      await context.isolate('both')
      const store = context.create('store', { timeoutMs: context.timeoutMs })
      assert.equal((await context.rejection(context.timeoutMs, 'open', store.open())).code, 'STORE_UNAVAILABLE')
      await context.heal()
      await context.within(PATIENCE_MS, 'the second open', store.open())
      await store.put(context.key('k'), 'x')
    },
  },
  {
    number: 32,
    title: 'after a cut everything works again within 1 s',
    skip: withoutIsolation,
    async run(context) {
      const store = await context.openHasty()
      for (const direction of ['both', 'answers'] as const) {
        await context.isolate(direction)
        await context.rejection(context.timeoutMs, 'get', store.get(context.key('k')))
        await context.heal()
        await context.recovered(store, 1_000)
        await store.put(context.key('k'), direction)
        assert.equal((await store.get(context.key('k')))?.value, direction)
      }
    },
  },
  {
    number: 32,
    title: 'a connection that fell silent, and is never reset, is replaced in time for a session to live on; reads and watches go on, too',
    skip: withoutStranding,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      const log = await context.watch(store, context.prefix)
      const session = await store.openSession({ ttlMs: Math.max(4_000, 10 * context.ttlMs) })
      const result = await store.put(context.key('s'), 'x', { session })
      await context.harness.strand?.()
      // It was renewed a third of its TTL ago at the longest.
      await context.recovered(store, (2 / 3) * session.ttlMs)
      await peer.put(context.key('k'), 'after')
      await context.eventually(2_000, () => assert.equal(log.values()[context.key('k')], 'after'))
      const renewedUntil = session.safeUntil()
      await context.eventually(session.ttlMs, () => assert.ok(session.safeUntil() > renewedUntil, 'the session is not renewed'))
      assert.equal(session.lost.aborted, false)
      assert.equal((await peer.get(context.key('s')))?.version, result.ok ? result.version : undefined)
    },
  },
  ...(['frozen', 'killed', 'wiped'] as const).map(
    (how): StoreCase => ({
      number: 32,
      title: `everything works again within 1 s after a server that was ${how} is back`,
      skip: without(how),
      async run(context) {
        const store = await context.openHasty()
        for (let round = 0; round < 2; round++) {
          await context.harness.interrupt?.(how)
          // Many failures in a row, as a circuit breaker would count them, must delay nothing afterwards.
          const reads = Array.from({ length: 8 }, () => context.rejection(context.timeoutMs, 'get', store.get(context.key('k'))))
          for (const { code } of await Promise.all(reads)) assert.equal(code, 'STORE_UNAVAILABLE')
          await context.harness.restore?.()
          await context.recovered(store, 1_000)
          await store.put(context.key('k'), `round ${round}`)
          const session = await store.openSession({ ttlMs: context.ttlMs })
          await store.put(context.key('s'), 'x', { session })
          await session.close()
          assert.equal(await store.get(context.key('s')), undefined)
        }
      },
    }),
  ),
]
