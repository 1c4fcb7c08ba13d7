// Promises 1 to 12: reads, writes, conditions, batches, deadlines.

import assert from 'node:assert/strict'
import type { MetadataStore, WriteResult } from '@cajun/core/adapter'
import type { StoreContext } from './context.ts'
import type { StoreCase } from './run.ts'
import { withoutIsolation } from './skips.ts'

export async function written(write: Promise<WriteResult>): Promise<string> {
  const result = await write
  if (!result.ok) assert.fail(`the write was refused: ${result.conflict}`)
  return result.version
}

/** A version that was given out, but for another key. */
function foreignVersion(context: StoreContext, store: MetadataStore): Promise<string> {
  return written(store.put(context.key('elsewhere'), 'x'))
}

export const readWriteCases: readonly StoreCase[] = [
  {
    number: 1,
    title: 'get returns the last acknowledged write, and undefined where there is none',
    async run(context) {
      const store = await context.open()
      const key = context.key('a/b')
      assert.equal(await store.get(key), undefined)
      for (const value of ['one', 'two', '', 'three']) {
        const version = await written(store.put(key, value))
        assert.deepEqual(await store.get(key), { key, value, version })
      }
      await store.delete(key)
      assert.equal(await store.get(key), undefined)
      const version = await written(store.put(key, 'again'))
      assert.deepEqual(await store.get(key), { key, value: 'again', version })
    },
  },
  {
    number: 2,
    title: 'list returns every key under the prefix in UTF-16 order, with values and versions, and no other',
    async run(context) {
      const store = await context.open()
      const names = ['n/b', 'n/a', 'n/a/b', 'n/ab', 'n/B', 'n/é', 'n/\u{1F600}', 'n/\uFF5E', 'n0', 'm/z', 'o/a', 'n-/a']
      const versions = new Map<string, string>()
      for (const name of names) versions.set(context.key(name), await written(store.put(context.key(name), `value of ${name}`)))
      for (const prefix of ['n/', 'n/a', 'n', 'm/', 'nothing/', '']) {
        const expected = names
          .filter((name) => name.startsWith(prefix))
          .map((name) => ({ key: context.key(name), value: `value of ${name}`, version: versions.get(context.key(name)) }))
          .sort((a, b) => (a.key < b.key ? -1 : 1))
        assert.deepEqual(await store.list(context.key(prefix)), expected, `list('${prefix}')`)
      }
    },
  },
  {
    number: 2,
    title: 'list returns a thousand keys whole',
    async run(context) {
      const store = await context.open()
      const entries = Array.from({ length: 1_000 }, (_, at) => ({ key: context.key(`k/${at}`), value: `${at}`.repeat(50) }))
      await store.putAll(entries)
      const listed = await store.list(context.key('k/'))
      assert.deepEqual(new Map(listed.map((entry) => [entry.key, entry.value])), new Map(entries.map((entry) => [entry.key, entry.value])))
      assert.equal(listed.length, 1_000)
    },
  },
  {
    number: 3,
    title: 'an acknowledged write is visible at once to every client',
    skip: ({ capabilities }) => (capabilities.linearizable ? undefined : 'the store does not claim to be linearizable'),
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      for (let round = 0; round < 50; round++) {
        const [writer, reader] = round % 2 === 0 ? [store, peer] : [peer, store]
        const key = context.key(`k${round % 5}`)
        await writer.put(key, String(round))
        assert.equal((await reader.get(key))?.value, String(round))
        assert.equal((await reader.list(key))[0]?.value, String(round))
        if (round % 7 === 0) {
          await writer.delete(key)
          assert.equal(await reader.get(key), undefined)
          assert.deepEqual(await reader.list(key), [])
        }
      }
    },
  },
  {
    number: 3,
    title: 'where the store is not linearizable, an acknowledged write becomes visible to every client',
    skip: ({ capabilities }) => (capabilities.linearizable ? 'the store is linearizable: the stronger promise is tested' : undefined),
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      await store.put(context.key('k'), 'seen')
      await context.eventually(2_000, async () => assert.equal((await peer.get(context.key('k')))?.value, 'seen'))
    },
  },
  {
    number: 4,
    title: 'no version of a key ever comes back, through equal values, deletion and re-creation',
    async run(context) {
      const store = await context.open()
      const key = context.key('k')
      const versions: string[] = []
      for (let round = 0; round < 10; round++) {
        versions.push(await written(store.put(key, 'same', { ifVersion: null })))
        versions.push(await written(store.put(key, 'same')))
        versions.push(await written(store.put(key, 'same', { ifVersion: versions.at(-1) as string })))
        assert.equal((await store.get(key))?.version, versions.at(-1))
        await store.delete(key)
        versions.push(await written(store.put(key, 'same')))
        await store.delete(key, { ifVersion: versions.at(-1) as string })
      }
      const session = await store.openSession({ ttlMs: context.ttlMs })
      versions.push(await written(store.put(key, 'same', { session })))
      await session.close()
      versions.push(await written(store.put(key, 'same', { ifVersion: null })))
      assert.equal(new Set(versions).size, versions.length, `a version repeats: ${versions.join(' ')}`)
    },
  },
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
  {
    number: 8,
    title: 'deleting a missing key is fine without a version, and a conflict with one',
    async run(context) {
      const store = await context.open()
      const key = context.key('k')
      assert.equal((await store.delete(key)).ok, true)
      const version = await written(store.put(key, 'x'))
      assert.equal((await store.delete(key)).ok, true)
      assert.equal((await store.delete(key)).ok, true)
      assert.deepEqual(await store.delete(key, { ifVersion: version }), { ok: false, conflict: 'version' })
    },
  },
  {
    number: 9,
    title: 'putAll writes everything, in as many batches as it takes, under one guard and one session',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const count = Math.min(context.capabilities.maxBatch * 2 + 1, 2_500)
      const entries = Array.from({ length: count }, (_, at) => ({ key: context.key(`b/${at}`), value: `v${at}` }))
      const guardKey = context.key('guard')
      const guard = { key: guardKey, version: await written(peer.put(guardKey, 'g')) }
      const session = await store.openSession({ ttlMs: Math.max(context.ttlMs, 5_000) })
      assert.deepEqual(await store.putAll([]), { ok: true, written: 0 })
      assert.deepEqual(await store.putAll(entries, { guard, session }), { ok: true, written: count })
      assert.equal((await peer.list(context.key('b/'))).length, count)
      assert.equal((await peer.get(context.key(`b/${count - 1}`)))?.value, `v${count - 1}`)
      await peer.put(guardKey, 'changed')
      assert.deepEqual(await store.putAll(entries, { guard }), { ok: false, written: 0, conflict: 'guard' })
      await session.close()
      assert.deepEqual(await store.putAll(entries, { session }), { ok: false, written: 0, conflict: 'session' })
      assert.deepEqual(await peer.list(context.key('b/')), [])
      await assert.rejects(store.putAll([entries[0], entries[0]] as never), TypeError)
    },
  },
  {
    number: 9,
    title: 'a batch is seen whole or not at all',
    skip: ({ capabilities }) => (capabilities.atomicBatch ? undefined : 'the store does not claim atomic batches'),
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const count = Math.min(context.capabilities.maxBatch, 50)
      for (let round = 0; round < 5; round++) {
        const entries = Array.from({ length: count }, (_, at) => ({ key: context.key(`b/${at}`), value: `round ${round}` }))
        let done = false
        const writing = store.putAll(entries).finally(() => {
          done = true
        })
        while (!done) {
          const values = new Set((await peer.list(context.key('b/'))).map((entry) => entry.value))
          assert.ok(values.size <= 1, `half a batch was seen: ${[...values].join(', ')}`)
        }
        await writing
      }
    },
  },
  {
    number: 9,
    title: 'where batches are not atomic, putAll still says how many entries it wrote before a conflict',
    skip: ({ capabilities }) => (capabilities.atomicBatch ? 'batches are atomic: the stronger promise is tested' : undefined),
    async run(context) {
      const store = await context.open()
      const guardKey = context.key('guard')
      const guard = { key: guardKey, version: await written(store.put(guardKey, 'g')) }
      // The guard key itself is overwritten in the batch: at the latest the next batch must notice.
      const count = context.capabilities.maxBatch + 1
      const entries = Array.from({ length: count }, (_, at) => ({ key: at === 0 ? guardKey : context.key(`b/${at}`), value: 'x' }))
      const result = await store.putAll(entries, { guard })
      assert.equal(result.ok, false)
      const seen = (await store.list(context.prefix)).filter((entry) => entry.value === 'x').length
      assert.equal(result.written, seen)
    },
  },
  {
    number: 10,
    title: 'a conditional write whose answer is lost is of unknown outcome, and is never repeated',
    skip: withoutIsolation,
    async run(context) {
      const store = await context.openHasty()
      const peer = await context.openPeer()
      const key = context.key('k')
      await written(store.put(context.key('before'), 'x'))
      await context.isolate('answers')
      const writing = context.rejection(context.timeoutMs, 'the write without an answer', store.put(key, 'mine', { ifVersion: null }))
      // It was applied; somebody else sees it and undoes it. Whoever repeats the write now does it a second time.
      await context.eventually(context.timeoutMs, async () => assert.equal((await peer.get(key))?.value, 'mine'))
      await peer.delete(key)
      await context.heal()
      assert.equal((await writing).code, 'UNKNOWN_OUTCOME')
      await context.recovered(store, 2_000)
      await context.sleep(100)
      assert.equal(await peer.get(key), undefined, 'the write was repeated')
    },
  },
  {
    number: 10,
    title: 'lost answers of guarded writes, deletes and batches are of unknown outcome too',
    skip: withoutIsolation,
    async run(context) {
      const store = await context.openHasty()
      const key = context.key('k')
      const version = await written(store.put(key, 'x'))
      const guard = { key, version }
      await context.isolate('answers')
      const outcomes = await Promise.all([
        context.rejection(context.timeoutMs, 'put', store.put(context.key('a'), 'x', { guard })),
        context.rejection(context.timeoutMs, 'putAll', store.putAll([{ key: context.key('b'), value: 'x' }], { guard })),
        context.rejection(context.timeoutMs, 'delete', store.delete(key, { ifVersion: version })),
      ])
      assert.deepEqual(
        outcomes.map((error) => error.code),
        ['UNKNOWN_OUTCOME', 'UNKNOWN_OUTCOME', 'UNKNOWN_OUTCOME'],
      )
    },
  },
  {
    number: 11,
    title: 'every operation settles within timeoutMs, also when nothing ever answers',
    skip: withoutIsolation,
    async run(context) {
      const store = await context.openHasty()
      const key = context.key('k')
      const version = await written(store.put(key, 'x'))
      const session = await store.openSession({ ttlMs: Math.max(context.ttlMs, 20 * context.timeoutMs) })
      const guard = { key, version }
      await context.isolate('both')
      const unavailable = ['STORE_UNAVAILABLE']
      const eitherWay = ['UNKNOWN_OUTCOME', 'STORE_UNAVAILABLE']
      const operations: [name: string, codes: string[], outcome: Promise<unknown>][] = [
        ['get', unavailable, store.get(key)],
        ['list', unavailable, store.list(context.prefix)],
        ['put', unavailable, store.put(key, 'y')],
        ['put with a session', unavailable, store.put(key, 'y', { session })],
        ['put ifVersion', eitherWay, store.put(key, 'y', { ifVersion: version })],
        ['put guarded', eitherWay, store.put(key, 'y', { guard })],
        ['delete', unavailable, store.delete(key)],
        ['delete ifVersion', eitherWay, store.delete(key, { ifVersion: version })],
        ['putAll', unavailable, store.putAll([{ key, value: 'y' }])],
        ['openSession', unavailable, store.openSession({ ttlMs: context.ttlMs })],
        ['watch', unavailable, store.watch(context.prefix, () => {})],
        ['storeId', unavailable, store.storeId()],
        ['ping', unavailable, store.ping()],
      ]
      await Promise.all(
        operations.map(async ([name, codes, outcome]) => {
          const { code } = await context.rejection(context.timeoutMs, name, outcome)
          assert.ok(codes.includes(code as string), `${name} rejected with ${code}; expected ${codes.join(' or ')}`)
        }),
      )
      await context.within(2 * context.timeoutMs, 'closing the session', session.close())
      await context.within(2 * context.timeoutMs, 'closing the store', store.close())
    },
  },
  {
    number: 12,
    title: 'keys and values come back as they went, whatever well-formed text they hold',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const texts = [
        'plain',
        'with space',
        'ünïcödé',
        '\u{1F600}',
        '%2F%00',
        '.',
        '..',
        'a\\b',
        '"quoted"',
        'tab\tline\n',
        '\u0000',
        '\u007F',
        '*?[]',
        '{}',
        '#',
        '\uFFFF',
      ]
      for (const text of texts) {
        const key = context.key(`t/${text}/x`)
        const version = await written(store.put(key, text))
        assert.deepEqual(await peer.get(key), { key, value: text, version })
      }
      assert.deepEqual((await peer.list(context.key('t/'))).map((entry) => entry.value).sort(), [...texts].sort())
      const long = context.key('l/') + 'é'.repeat(Math.floor((512 - context.key('l/').length) / 2))
      await written(store.put(long, 'long key'))
      assert.equal((await peer.get(long))?.value, 'long key')
      const large = 'x'.repeat(Math.min(context.capabilities.maxValueBytes, 1_048_576))
      await written(store.put(context.key('large'), large))
      assert.equal((await peer.get(context.key('large')))?.value, large)
    },
  },
  {
    number: 12,
    title: 'what is no key or no value is a TypeError that writes nothing',
    async run(context) {
      const store = await context.open()
      const tooLong = context.key('') + 'é'.repeat(256)
      for (const key of ['', '/', '/a', 'a/', 'a//b', tooLong, 'lone\uD800', 7, undefined] as string[]) {
        await assert.rejects(store.get(key), TypeError, `get of ${JSON.stringify(key)}`)
        await assert.rejects(store.put(key, 'x'), TypeError, `put of ${JSON.stringify(key)}`)
        await assert.rejects(store.delete(key), TypeError, `delete of ${JSON.stringify(key)}`)
      }
      const key = context.key('k')
      for (const value of ['lone\uDC00', 7, null, undefined] as string[]) await assert.rejects(store.put(key, value), TypeError)
      const tooLarge = 'é'.repeat(Math.floor(context.capabilities.maxValueBytes / 2) + 1)
      await assert.rejects(store.put(key, tooLarge), /maxValueBytes/)
      await assert.rejects(
        store.putAll([
          { key: context.key('a'), value: 'x' },
          { key: 'b/', value: 'x' },
        ]),
        TypeError,
      )
      await assert.rejects(store.list('lone\uD800'), TypeError)
      assert.deepEqual(await store.list(context.prefix), [])
    },
  },
]
