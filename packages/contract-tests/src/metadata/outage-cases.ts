// Promises 10 and 11: what operations say when no answer comes.

import assert from 'node:assert/strict'
import type { StoreCase } from './run.ts'
import { withoutDelays, withoutIsolation } from './skips.ts'
import { written } from './written.ts'

/** Unknown may be said of any write without an answer; that it failed, only of one that was not made. */
function toldTruly(what: string, code: string | undefined, made: boolean): void {
  assert.ok(['UNKNOWN_OUTCOME', 'STORE_UNAVAILABLE'].includes(code as string), `${what} rejected with ${code}`)
  if (code === 'STORE_UNAVAILABLE') assert.equal(made, false, `${what} is said to have failed, and was made`)
}

export const outageCases: readonly StoreCase[] = [
  {
    number: 10,
    title: 'a conditional write whose answer is lost is of unknown outcome, is never repeated, and reading resolves it',
    skip: withoutIsolation,
    async run(context) {
      const store = await context.openHasty()
      const peer = await context.openPeer()
      const [kept, undone] = [context.key('kept'), context.key('undone')]
      await written(store.put(context.key('before'), 'x'))
      await context.isolate('answers')
      const write = (key: string): Promise<{ code?: string }> =>
        context.rejection(context.timeoutMs, 'the write without an answer', store.put(key, 'mine', { ifVersion: null }))
      const writing = Promise.all([kept, undone].map(write))
      // They were made; somebody else sees it and undoes one. Whoever repeats the writes now does them a second time.
      await context.eventually(context.timeoutMs, async () => {
        for (const key of [kept, undone]) assert.equal((await peer.get(key))?.value, 'mine')
      })
      const made = await peer.get(kept)
      await peer.delete(undone)
      await context.heal()
      assert.deepEqual(
        (await writing).map(({ code }) => code),
        ['UNKNOWN_OUTCOME', 'UNKNOWN_OUTCOME'],
      )
      await context.recovered(store, 2_000)
      await context.sleep(100)
      assert.equal(await peer.get(undone), undefined, 'the write was repeated')
      assert.deepEqual(await store.get(kept), made)
      assert.deepEqual(await store.put(kept, 'again', { ifVersion: null }), { ok: false, conflict: 'version' })
    },
  },
  {
    number: 10,
    title: 'of guarded writes, deletes and batches whose answers are lost, none is said to have failed that was made',
    skip: withoutIsolation,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      const key = context.key('k')
      const version = await written(store.put(key, 'x'))
      const guard = { key, version }
      await context.isolate('answers')
      const [put, putAll, deletion] = await Promise.all([
        context.rejection(context.timeoutMs, 'put', store.put(context.key('a'), 'x', { guard })),
        context.rejection(context.timeoutMs, 'putAll', store.putAll([{ key: context.key('b'), value: 'x' }], { guard })),
        context.rejection(context.timeoutMs, 'delete', store.delete(key, { ifVersion: version })),
      ])
      await context.heal()
      await context.recovered(store, 2_000)
      const made = async (name: string): Promise<boolean> => (await peer.get(context.key(name))) !== undefined
      toldTruly('put', put.code, await made('a'))
      toldTruly('putAll', putAll.code, await made('b'))
      toldTruly('delete', deletion.code, !(await made('k')))
    },
  },
  {
    number: 10,
    title: 'whenever it is that answers begin to be lost, what the maker of a conditional write is told is true',
    skip: (context) => withoutIsolation(context) ?? withoutDelays(context),
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      const guardKey = context.key('guard')
      const guard = { key: guardKey, version: await written(store.put(guardKey, 'x')) }
      // However many round trips a write takes: they are cut in the first, in the second, in the third, or not at all.
      const delayMs = context.timeoutMs / 8
      for (const trips of [0.5, 1.5, 2.5, 3.5]) {
        const key = context.key(`k${trips}`)
        await context.harness.delayAnswers?.(delayMs)
        const writing = store.put(key, 'mine', { ifVersion: null, guard }).then(
          (result) => (result.ok ? 'OK' : result.conflict),
          (error: { readonly code?: string }) => error.code,
        )
        await context.sleep(trips * delayMs)
        await context.isolate('answers')
        const told = await context.within(context.timeoutMs, 'the write', writing)
        await context.harness.delayAnswers?.(0)
        await context.heal()
        await context.recovered(store, 2_000)
        await context.sleep(50)
        const made = (await peer.get(key))?.value === 'mine'
        if (told === 'OK') assert.ok(made, 'a write that was acknowledged is not there')
        else toldTruly(`put, cut after ${trips} round trips,`, told, made)
      }
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
