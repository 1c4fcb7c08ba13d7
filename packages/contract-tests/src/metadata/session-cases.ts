// Promises 13 to 18: sessions, and the keys that live with them.

import assert from 'node:assert/strict'
import type { StoreContext } from './context.ts'
import type { StoreCase } from './run.ts'
import { withoutDelays, withoutIsolation } from './skips.ts'
import { written } from './written.ts'

function countLost(signal: AbortSignal): { count: number } {
  const lost = { count: 0 }
  signal.addEventListener('abort', () => lost.count++)
  return lost
}

/** Checks every few milliseconds until `untilMs` on the lease clock. */
async function always(context: StoreContext, untilMs: number, check: () => void | Promise<void>): Promise<void> {
  while (context.runtime.leaseMs() < untilMs) {
    await check()
    await context.sleep(context.ttlMs / 20)
  }
}

export const sessionCases: readonly StoreCase[] = [
  {
    number: 13,
    title: 'keys of a session stay as long as it is renewed, and their entries name it',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const session = await store.openSession({ ttlMs: context.ttlMs })
      const key = context.key('k')
      const version = await written(store.put(key, 'alive', { session, ifVersion: null }))
      await always(context, context.runtime.leaseMs() + 3 * session.ttlMs, async () => {
        assert.deepEqual(await peer.get(key), { key, value: 'alive', version, session: session.id })
        assert.equal(session.lost.aborted, false)
        assert.ok(context.runtime.leaseMs() < session.safeUntil(), 'a session that is renewed is always safe')
      })
    },
  },
  {
    number: 13,
    title: 'keys of a session are gone within its TTL + 1 s after its process stopped renewing',
    skip: withoutIsolation,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      const session = await store.openSession({ ttlMs: context.ttlMs })
      await written(store.put(context.key('a'), 'x', { session }))
      await store.putAll([{ key: context.key('b'), value: 'x' }], { session })
      await written(store.put(context.key('stays'), 'x'))
      await context.isolate('both')
      await context.eventually(session.ttlMs + 1_000, async () => {
        assert.deepEqual(
          (await peer.list(context.prefix)).map((entry) => entry.key),
          [context.key('stays')],
        )
      })
    },
  },
  {
    number: 13,
    title: 'a session outlives a cut that is shorter than its TTL',
    skip: withoutIsolation,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      // Long enough to find the dead connection and make another within it.
      const session = await store.openSession({ ttlMs: Math.max(4_000, 10 * context.ttlMs) })
      const version = await written(store.put(context.key('k'), 'x', { session }))
      await context.isolate('both')
      await context.sleep(session.ttlMs / 4)
      await context.heal()
      await context.recovered(store, 1_000)
      const renewedUntil = session.safeUntil()
      await context.eventually(session.ttlMs, () => assert.ok(session.safeUntil() > renewedUntil))
      assert.equal(session.lost.aborted, false)
      assert.equal((await peer.get(context.key('k')))?.version, version)
    },
  },
  {
    number: 14,
    title: 'safeUntil is counted from when the renewal was sent, not from its answer',
    skip: withoutDelays,
    async run(context) {
      const store = await context.open()
      const delayMs = context.ttlMs / 2
      await context.harness.delayAnswers?.(delayMs)
      const session = await store.openSession({ ttlMs: context.ttlMs })
      const latest = (): number => context.runtime.leaseMs() - delayMs + session.ttlMs + 2
      assert.ok(session.safeUntil() <= latest(), `safeUntil of a new session is ${session.safeUntil() - latest()} ms too late`)
      await always(context, context.runtime.leaseMs() + 3 * session.ttlMs, () => {
        assert.ok(session.safeUntil() <= latest(), `safeUntil is ${session.safeUntil() - latest()} ms too late`)
      })
      await context.harness.delayAnswers?.(0)
    },
  },
  {
    number: 14,
    title: 'at safeUntil the keys still exist, and it never goes back',
    skip: withoutIsolation,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      const session = await store.openSession({ ttlMs: context.ttlMs })
      await written(store.put(context.key('k'), 'x', { session }))
      let former = session.safeUntil()
      const grows = (): void => {
        assert.ok(session.safeUntil() >= former, 'safeUntil went back')
        former = session.safeUntil()
      }
      await always(context, context.runtime.leaseMs() + 1.5 * session.ttlMs, grows)
      await context.isolate('both')
      while (context.runtime.leaseMs() < session.safeUntil()) {
        grows()
        const entry = await peer.get(context.key('k'))
        // Judged after the answer: a reading that came back too late says nothing.
        if (context.runtime.leaseMs() < session.safeUntil()) assert.ok(entry !== undefined, 'the key was gone before safeUntil')
        await context.sleep(3)
      }
    },
  },
  {
    number: 15,
    title: 'lost fires once, by safeUntil, when no answer ever comes',
    skip: withoutIsolation,
    async run(context) {
      const store = await context.openHasty()
      const sessions = [await store.openSession({ ttlMs: context.ttlMs }), await store.openSession({ ttlMs: 2 * context.ttlMs })]
      const lost = sessions.map((session) => countLost(session.lost))
      await context.isolate('both')
      for (const [at, session] of sessions.entries()) {
        const restMs = Math.max(0, session.safeUntil() - context.runtime.leaseMs())
        await context.eventually(restMs, () => assert.equal(lost[at]?.count, 1, 'lost has not fired'))
        assert.equal((session.lost.reason as { code?: string } | undefined)?.code, 'SESSION_LOST')
      }
      await context.heal()
      await context.recovered(store, 2_000)
      await context.sleep(2 * context.ttlMs)
      await Promise.all(sessions.map((session) => session.close()))
      assert.deepEqual(lost, [{ count: 1 }, { count: 1 }])
    },
  },
  {
    number: 15,
    title: 'lost fires also when requests arrive and only their answers are lost',
    skip: withoutIsolation,
    async run(context) {
      const store = await context.openHasty()
      const session = await store.openSession({ ttlMs: context.ttlMs })
      const lost = countLost(session.lost)
      await context.isolate('answers')
      const restMs = Math.max(0, session.safeUntil() - context.runtime.leaseMs())
      await context.eventually(restMs, () => assert.equal(lost.count, 1, 'lost has not fired'))
    },
  },
  {
    number: 15,
    title: 'lost does not fire while renewals are answered',
    async run(context) {
      const store = await context.open()
      const session = await store.openSession({ ttlMs: context.ttlMs })
      const lost = countLost(session.lost)
      await context.sleep(3 * session.ttlMs)
      assert.equal(lost.count, 0, `lost fired: ${session.lost.reason}`)
    },
  },
  {
    number: 16,
    title: 'close removes the keys at once, does not fire lost, and can be repeated',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      // A TTL that does not end within this case: what is gone was removed by close.
      const session = await store.openSession({ ttlMs: Math.max(20_000, context.ttlMs) })
      const lost = countLost(session.lost)
      await written(store.put(context.key('a'), 'x', { session }))
      await store.putAll(
        [
          { key: context.key('b'), value: 'x' },
          { key: context.key('c'), value: 'x' },
        ],
        { session },
      )
      assert.equal((await peer.list(context.prefix)).length, 3)
      await Promise.all([session.close(), session.close()])
      assert.deepEqual(await peer.list(context.prefix), [])
      await session.close()
      await session[Symbol.asyncDispose]()
      await context.sleep(50)
      assert.equal(lost.count, 0)
    },
  },
  {
    number: 17,
    title: 'a put with a closed session creates nothing, also when it is on its way while the session closes',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const closed = await store.openSession({ ttlMs: context.ttlMs })
      await closed.close()
      const refused = await store.put(context.key('late'), 'x', { session: closed }).catch(() => ({ ok: false }))
      assert.equal(refused.ok, false)
      for (let round = 0; round < 10; round++) {
        const session = await store.openSession({ ttlMs: context.ttlMs })
        const writes = Array.from({ length: 4 }, (_, at) => store.put(context.key(`k/${round}/${at}`), 'x', { session }).catch(() => {}))
        await session.close()
        await Promise.all(writes)
      }
      await context.sleep(20)
      assert.deepEqual(await peer.list(context.prefix), [])
    },
  },
  {
    number: 17,
    title: 'a put with a lost session creates nothing',
    skip: withoutIsolation,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      const session = await store.openSession({ ttlMs: context.ttlMs })
      await context.isolate('both')
      await context.eventually(session.ttlMs, () => assert.equal(session.lost.aborted, true))
      await context.heal()
      await context.recovered(store, 2_000)
      const refused = await store.put(context.key('late'), 'x', { session }).catch(() => ({ ok: false }))
      assert.equal(refused.ok, false)
      await context.eventually(session.ttlMs + 1_000, async () => assert.deepEqual(await peer.list(context.prefix), []))
    },
  },
  {
    number: 17,
    title: 'a session of another store is a TypeError',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const session = await peer.openSession({ ttlMs: context.ttlMs })
      await assert.rejects(store.put(context.key('k'), 'x', { session }), TypeError)
      for (const ttlMs of [0, -1, Number.NaN, 1.5, '5' as never]) await assert.rejects(store.openSession({ ttlMs }), TypeError)
    },
  },
  {
    number: 18,
    title: 'a key belongs to the session of its last write alone',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const ttlMs = Math.max(20_000, context.ttlMs)
      const [a, b] = [await store.openSession({ ttlMs }), await peer.openSession({ ttlMs })]
      await store.put(context.key('a then b'), 'a', { session: a })
      await peer.put(context.key('a then b'), 'b', { session: b })
      await store.put(context.key('a then none'), 'a', { session: a })
      await store.put(context.key('a then none'), 'none')
      await store.put(context.key('a then batch'), 'a', { session: a })
      await store.putAll([{ key: context.key('a then batch'), value: 'batch' }])
      await store.put(context.key('none then a'), 'none')
      await store.put(context.key('none then a'), 'a', { session: a })
      await peer.put(context.key('b then a'), 'b', { session: b })
      await store.put(context.key('b then a'), 'a', { session: a })
      assert.equal((await peer.get(context.key('a then b')))?.session, b.id)
      assert.equal((await peer.get(context.key('a then none')))?.session, undefined)
      await a.close()
      const left = async (): Promise<string[]> => (await peer.list(context.prefix)).map((entry) => entry.key.slice(context.prefix.length))
      assert.deepEqual(await left(), ['a then b', 'a then batch', 'a then none'])
      await b.close()
      assert.deepEqual(await left(), ['a then batch', 'a then none'])
    },
  },
]
