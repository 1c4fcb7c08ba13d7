// Promises 5 to 7: writes that depend on a version, and on a second key.

import assert from 'node:assert/strict'
import type { MetadataStore } from '@cajun/core/adapter'
import type { StoreContext } from './context.ts'
import type { StoreCase } from './run.ts'
import { written } from './written.ts'

/** A version that was given out, but for another key. */
function foreignVersion(context: StoreContext, store: MetadataStore): Promise<string> {
  return written(store.put(context.key('elsewhere'), 'x'))
}

export const conditionalWriteCases: readonly StoreCase[] = [
  {
    number: 5,
    title: 'of twenty writers that name one version exactly one wins',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const key = context.key('k')
      let version = await written(store.put(key, 'start'))
      for (let round = 0; round < 5; round++) {
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, writer) => [store, peer][writer % 2]?.put(key, `${round}:${writer}`, { ifVersion: version })),
        )
        const winners = results.flatMap((result, writer) => (result?.ok ? [{ writer, version: result.version }] : []))
        assert.equal(winners.length, 1, `${winners.length} of 20 won round ${round}`)
        for (const result of results) if (!result?.ok) assert.equal(result?.conflict, 'version')
        const entry = await store.get(key)
        assert.deepEqual(entry, { key, value: `${round}:${winners[0]?.writer}`, version: winners[0]?.version })
        version = winners[0]?.version as string
      }
    },
  },
  {
    number: 5,
    title: 'of twenty creators exactly one wins, and of twenty deleters of one version likewise',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const key = context.key('k')
      for (let round = 0; round < 5; round++) {
        const created = await Promise.all(
          Array.from({ length: 20 }, (_, writer) => [store, peer][writer % 2]?.put(key, `${writer}`, { ifVersion: null })),
        )
        const winners = created.flatMap((result, writer) => (result?.ok ? [{ writer, version: result.version }] : []))
        assert.equal(winners.length, 1, `${winners.length} of 20 created the key`)
        assert.equal((await peer.get(key))?.value, String(winners[0]?.writer))
        const ifVersion = winners[0]?.version as string
        const deleted = await Promise.all(Array.from({ length: 20 }, (_, writer) => [store, peer][writer % 2]?.delete(key, { ifVersion })))
        assert.equal(deleted.filter((result) => result?.ok).length, 1)
        assert.equal(await store.get(key), undefined)
      }
    },
  },
  {
    number: 5,
    title: 'a version that the key does not have is refused: a former one, one of another key, any on a missing key',
    async run(context) {
      const store = await context.open()
      const key = context.key('k')
      const foreign = await foreignVersion(context, store)
      assert.deepEqual(await store.put(key, 'x', { ifVersion: foreign }), { ok: false, conflict: 'version' })
      const former = await written(store.put(key, 'one'))
      const present = await written(store.put(key, 'two'))
      for (const ifVersion of [former, foreign, null]) {
        assert.deepEqual(await store.put(key, 'x', { ifVersion }), { ok: false, conflict: 'version' })
        if (ifVersion !== null) assert.deepEqual(await store.delete(key, { ifVersion }), { ok: false, conflict: 'version' })
      }
      await store.delete(key)
      assert.deepEqual(await store.put(key, 'x', { ifVersion: present }), { ok: false, conflict: 'version' })
      assert.equal(await store.get(key), undefined)
    },
  },
  {
    number: 6,
    title: 'a refused write changes nothing and tells no watcher',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const key = context.key('k')
      const guardKey = context.key('guard')
      const foreign = await foreignVersion(context, store)
      const version = await written(store.put(key, 'kept'))
      await store.put(guardKey, 'g')
      const session = await store.openSession({ ttlMs: context.ttlMs })
      await session.close()
      const log = await context.watch(peer, context.prefix)
      const before = await peer.list(context.prefix)
      const guard = { key: guardKey, version: foreign }
      assert.equal((await store.put(key, 'x', { ifVersion: foreign })).ok, false)
      assert.equal((await store.put(key, 'x', { ifVersion: null })).ok, false)
      assert.equal((await store.put(key, 'x', { guard })).ok, false)
      assert.equal((await store.put(key, 'x', { ifVersion: version, guard })).ok, false)
      assert.equal((await store.put(context.key('new'), 'x', { guard })).ok, false)
      assert.equal((await store.delete(key, { ifVersion: foreign })).ok, false)
      assert.equal((await store.delete(key, { guard })).ok, false)
      const batch = await store.putAll(
        [
          { key, value: 'x' },
          { key: context.key('new'), value: 'x' },
        ],
        { guard },
      )
      assert.deepEqual(batch, { ok: false, written: 0, conflict: 'guard' })
      assert.deepEqual(await peer.list(context.prefix), before)
      await store.put(context.key('last'), 'x')
      await context.eventually(1_000, () => assert.ok(log.state.has(context.key('last'))))
      assert.deepEqual(
        log.changes.map((change) => (change.type === 'put' ? change.entry.key : change.key)),
        [context.key('last')],
      )
    },
  },
  {
    number: 7,
    title: 'a guarded write is made only while the guard key has its version',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const key = context.key('k')
      const guardKey = context.key('guard')
      const version = await written(peer.put(guardKey, 'mine'))
      const guard = { key: guardKey, version }
      const first = await written(store.put(key, 'one', { guard }))
      await written(store.put(key, 'two', { guard, ifVersion: first }))
      assert.deepEqual(await store.put(key, 'x', { guard, ifVersion: first }), { ok: false, conflict: 'version' })
      await written(store.delete(key, { guard }))
      await written(store.put(key, 'three', { guard, ifVersion: null }))
      const other = await written(peer.put(guardKey, 'mine')) // the same value again is another version
      assert.deepEqual(await store.put(key, 'x', { guard }), { ok: false, conflict: 'guard' })
      await peer.delete(guardKey)
      assert.deepEqual(await store.put(key, 'x', { guard: { key: guardKey, version: other } }), { ok: false, conflict: 'guard' })
      await peer.put(guardKey, 'mine', { ifVersion: null })
      assert.deepEqual(await store.delete(key, { guard }), { ok: false, conflict: 'guard' })
      assert.equal((await peer.get(key))?.value, 'three')
    },
  },
  {
    number: 7,
    title: 'no guarded write lands after the change of its guard key was acknowledged',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const key = context.key('k')
      const guardKey = context.key('guard')
      for (let round = 0; round < 10; round++) {
        const guard = { key: guardKey, version: await written(peer.put(guardKey, `before ${round}`)) }
        const writes = Array.from({ length: 10 }, (_, at) => store.put(key, `${round}:${at}`, { guard }))
        await peer.put(guardKey, `after ${round}`)
        const frozen = await peer.get(key)
        const late = Array.from({ length: 10 }, (_, at) => store.put(key, `late ${round}:${at}`, { guard }))
        await Promise.all(writes)
        for (const result of await Promise.all(late)) assert.deepEqual(result, { ok: false, conflict: 'guard' })
        assert.deepEqual(await peer.get(key), frozen, 'a write took effect after its guard was gone')
      }
    },
  },
]
