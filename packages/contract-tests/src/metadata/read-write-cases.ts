// Promises 1 to 4, 8, 9 and 12: reads, plain writes, batches, and what keys and values may be.

import assert from 'node:assert/strict'
import type { StoreCase } from './run.ts'
import { written } from './written.ts'

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
