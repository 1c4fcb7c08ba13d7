// Promises 23 to 28: watches.

import assert from 'node:assert/strict'
import type { Entry, WatchEvent } from '@cajun/core/adapter'
import type { StoreContext, WatchLog } from './context.ts'
import type { StoreCase } from './run.ts'
import { without, withoutIsolation } from './skips.ts'
import { written } from './written.ts'

/** Of one key, oldest first: the versions that were seen, `null` for a deletion. A snapshot counts as the state that it shows. */
function seen(log: WatchLog, key: string): (string | null)[] {
  const versions: (string | null)[] = []
  const add = (version: string | null): void => {
    if (versions.at(-1) !== version) versions.push(version)
  }
  for (const event of log.events) {
    if (event.type === 'snapshot') add(event.entries.find((entry) => entry.key === key)?.version ?? null)
    else
      for (const change of event.changes) {
        if (change.type === 'put' && change.entry.key === key) add(change.entry.version)
        if (change.type === 'delete' && change.key === key) add(null)
      }
  }
  return versions
}

async function equalsStore(context: StoreContext, log: WatchLog, entries: readonly Entry[], withinMs: number): Promise<void> {
  const expected = Object.fromEntries(entries.map((entry) => [entry.key, entry.value]))
  await context.eventually(withinMs, () => assert.deepEqual(log.values(), expected))
}

/** After any outage: what the watch shows must become what the store holds, and go on from there. */
async function seesEverythingAgain(context: StoreContext, log: WatchLog, withinMs: number): Promise<void> {
  const peer = await context.openPeer()
  await context.eventually(withinMs, async () => {
    assert.deepEqual(log.values(), Object.fromEntries((await peer.list(context.prefix)).map((entry) => [entry.key, entry.value])))
  })
  await written(peer.put(context.key('after all'), 'x'))
  await context.eventually(withinMs, () => assert.ok(log.state.has(context.key('after all')), 'the watch is silent after the gap'))
}

export const watchCases: readonly StoreCase[] = [
  {
    number: 23,
    title: 'watch resolves when it has delivered a snapshot, and that comes before everything else',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      for (let round = 0; round < 10; round++) {
        const prefix = context.key(`${round}/`)
        const versions = [await written(store.put(`${prefix}b`, '2')), await written(store.put(`${prefix}a`, '1'))]
        const writes = Array.from({ length: 5 }, (_, at) => peer.put(`${prefix}during`, `${at}`))
        const events: WatchEvent[] = []
        const watch = await store.watch(prefix, (event) => events.push(event))
        const first = events[0]
        assert.ok(first?.type === 'snapshot', `watch resolved after ${events.length} events, the first of them: ${first?.type}`)
        assert.deepEqual(
          first.entries.filter((entry) => !entry.key.endsWith('during')),
          [
            { key: `${prefix}a`, value: '1', version: versions[1] },
            { key: `${prefix}b`, value: '2', version: versions[0] },
          ],
        )
        await Promise.all(writes)
        await watch.close()
      }
    },
  },
  {
    number: 24,
    title: 'every acknowledged change arrives, in order for each key',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const log = await context.watch(store, context.prefix)
      const written: Record<string, (string | null)[]> = {}
      for (let at = 0; at < 120; at++) {
        const key = context.key(`k${at % 4}`)
        const writer = at % 3 === 0 ? store : peer
        const history = written[key] ?? [null]
        written[key] = history
        if (at % 10 === 9) {
          await writer.delete(key)
          if (history.at(-1) !== null) history.push(null)
        } else {
          const result = await writer.put(key, `${at}`)
          assert.ok(result.ok)
          history.push(result.version)
        }
      }
      await equalsStore(context, log, await peer.list(context.prefix), 2_000)
      for (const [key, history] of Object.entries(written)) {
        const versions = seen(log, key)
        if (context.capabilities.watch === 'every') assert.deepEqual(versions, history, `history of ${key}`)
        else {
          let at = 0
          for (const version of versions) {
            at = history.indexOf(version, at)
            assert.ok(at >= 0, `${key}: ${version} was delivered out of order, or never written`)
          }
          assert.equal(versions.at(-1), history.at(-1))
        }
      }
    },
  },
  {
    number: 24,
    title: 'nothing is missed between the snapshot and the first change, however many watches start under writes',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      let writing = true
      const writes = (async () => {
        for (let at = 0; writing && at < 2_000; at++) {
          await peer.put(context.key(`k${at % 7}`), `${at}`)
          if (at % 5 === 0) await peer.delete(context.key(`k${(at + 3) % 7}`))
        }
      })()
      const logs: WatchLog[] = []
      for (let at = 0; at < 20; at++) logs.push(await context.watch(store, context.prefix))
      writing = false
      await writes
      const entries = await peer.list(context.prefix)
      for (const log of logs) await equalsStore(context, log, entries, 2_000)
    },
  },
  {
    number: 24,
    title: 'two watches of one client, and one inside the other, each see all that is theirs',
    async run(context) {
      const store = await context.open()
      const [all, part] = [await context.watch(store, context.prefix), await context.watch(store, context.key('part/'))]
      await store.putAll([
        { key: context.key('part/a'), value: '1' },
        { key: context.key('other'), value: '2' },
      ])
      await store.put(context.key('part/a'), '3')
      await context.eventually(2_000, () => {
        assert.deepEqual(all.values(), { [context.key('part/a')]: '3', [context.key('other')]: '2' })
        assert.deepEqual(part.values(), { [context.key('part/a')]: '3' })
      })
      await part.close()
      await store.delete(context.key('part/a'))
      await context.eventually(2_000, () => assert.deepEqual(all.values(), { [context.key('other')]: '2' }))
    },
  },
  {
    number: 25,
    title: 'after a cut the watch shows what happened meanwhile, and goes on',
    skip: withoutIsolation,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      await peer.putAll(['changed', 'deleted', 'kept', 'back'].map((name) => ({ key: context.key(name), value: 'before' })))
      const log = await context.watch(store, context.prefix)
      await context.isolate('both')
      await peer.put(context.key('changed'), 'after')
      await peer.delete(context.key('deleted'))
      await peer.delete(context.key('back'))
      await peer.put(context.key('new'), 'after')
      await context.sleep(context.ttlMs)
      await peer.put(context.key('back'), 'after')
      await context.heal()
      // The connection may be found dead only by a missing answer: that is what the watch's keep-alive is for.
      await seesEverythingAgain(context, log, 5_000)
    },
  },
  {
    number: 25,
    title: 'after a cut of the answers alone the watch shows what happened meanwhile, and goes on',
    skip: withoutIsolation,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      await peer.put(context.key('k'), 'before')
      const log = await context.watch(store, context.prefix)
      await context.isolate('answers')
      await peer.put(context.key('k'), 'after')
      await context.sleep(50)
      await context.heal()
      await seesEverythingAgain(context, log, 5_000)
    },
  },
  ...(['frozen', 'killed', 'wiped'] as const).map(
    (how): StoreCase => ({
      number: 25,
      title: `the watch goes on after the server was ${how}, and shows what is there then`,
      skip: without(how),
      async run(context) {
        const store = await context.open()
        await store.put(context.key('k'), 'before')
        const log = await context.watch(store, context.prefix)
        await context.harness.interrupt?.(how)
        await context.sleep(context.ttlMs)
        await context.harness.restore?.()
        await seesEverythingAgain(context, log, 5_000)
      },
    }),
  ),
  {
    number: 26,
    title: 'nothing outside the prefix is delivered',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      await store.putAll(
        ['a', 'a/', 'ab', 'b/a'].filter((name) => !name.endsWith('/')).map((name) => ({ key: context.key(name), value: 'x' })),
      )
      const log = await context.watch(store, context.key('a/'))
      for (const name of ['a', 'a/1', 'ab/1', 'a-/1', 'b/a/1', 'a/2/x']) await peer.put(context.key(name), 'x')
      await peer.delete(context.key('a'))
      await peer.put(context.key('a/last'), 'x')
      await context.eventually(2_000, () => assert.ok(log.state.has(context.key('a/last'))))
      const keys = log.events.flatMap((event) =>
        event.type === 'snapshot'
          ? event.entries.map((entry) => entry.key)
          : event.changes.map((change) => (change.type === 'put' ? change.entry.key : change.key)),
      )
      assert.deepEqual(keys, [context.key('a/1'), context.key('a/2/x'), context.key('a/last')])
    },
  },
  {
    number: 26,
    title: 'a closed watch is not called again, also not for what is on its way or by its own listener',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const log = await context.watch(store, context.prefix)
      const writes = Array.from({ length: 10 }, (_, at) => peer.put(context.key('k'), `${at}`))
      const closing = log.close()
      const delivered = log.events.length
      await Promise.all([...writes, closing, log.close()])
      let calls = 0
      const watch = await store.watch(context.prefix, () => {
        if (++calls === 2) void watch.close()
      })
      await peer.put(context.key('k'), 'second call')
      await context.eventually(2_000, () => assert.equal(calls, 2))
      await peer.put(context.key('k'), 'no third')
      const other = await context.watch(store, context.prefix)
      await peer.put(context.key('k'), 'seen by another')
      await context.eventually(2_000, () => assert.equal(other.values()[context.key('k')], 'seen by another'))
      assert.equal(log.events.length, delivered)
      assert.equal(calls, 2)
    },
  },
  {
    number: 27,
    title: "the disappearance of a session's keys is delivered, in order with what follows",
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const log = await context.watch(store, context.prefix)
      const session = await peer.openSession({ ttlMs: context.ttlMs })
      const first = await written(peer.put(context.key('k'), 'of the session', { session }))
      await peer.put(context.key('gone'), 'of the session', { session })
      await session.close()
      const second = await written(peer.put(context.key('k'), 'of its own', { ifVersion: null }))
      await context.eventually(2_000, () => assert.deepEqual(log.values(), { [context.key('k')]: 'of its own' }))
      const versions = seen(log, context.key('k'))
      if (context.capabilities.watch === 'every') assert.deepEqual(versions, [null, first, null, second])
      else assert.equal(versions.at(-1), second)
    },
  },
  {
    number: 27,
    title: 'the disappearance of the keys of a session that expired is delivered',
    skip: withoutIsolation,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      const session = await store.openSession({ ttlMs: context.ttlMs })
      await written(store.put(context.key('k'), 'x', { session }))
      const log = await context.watch(peer, context.prefix)
      assert.ok(log.state.has(context.key('k')))
      await context.isolate('both')
      await context.eventually(session.ttlMs + 1_000, () => assert.equal(log.state.size, 0))
    },
  },
  {
    number: 28,
    title: 'a listener that throws is reported, and ends neither its watch nor another',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      let calls = 0
      const fault = new Error('a fault of the listener')
      const faulty = await store.watch(context.prefix, () => {
        calls++
        throw fault
      })
      const log = await context.watch(store, context.prefix)
      for (let at = 1; at <= 3; at++) {
        await peer.put(context.key('k'), `${at}`)
        await context.eventually(2_000, () => assert.equal(log.values()[context.key('k')], `${at}`))
      }
      await context.eventually(2_000, () => assert.equal(calls, 4))
      assert.deepEqual(context.errors, [fault, fault, fault, fault])
      await faulty.close()
    },
  },
]
