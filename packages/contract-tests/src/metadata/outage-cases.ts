// Promises 10 and 11: what operations say when no answer comes.

import assert from 'node:assert/strict'
import type { StoreCase } from './run.ts'
import { withoutIsolation } from './skips.ts'
import { written } from './written.ts'

export const outageCases: readonly StoreCase[] = [
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
]
