import { describe, expect, test, vi } from 'vitest'
import { ConfigError, SessionLostError } from '../../src/errors.ts'
import type { WatchSink } from '../../src/metadata/watch-feed.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'
import { later, type Request, rejectionOf, ScriptedStore, silence } from './support.ts'

const ok = { ok: true, version: '7' }

async function opened(
  answer: (request: Request) => unknown,
  options: { timeoutMs?: number; onError?: (error: unknown) => void } = {},
): Promise<{ store: ScriptedStore; runtime: ManualRuntime }> {
  const runtime = new ManualRuntime()
  const store = new ScriptedStore({ runtime, ...options }, (request) => (request.op === 'open' ? undefined : answer(request)))
  await store.open()
  return { store, runtime }
}

describe('reads and unconditional writes', () => {
  test('are repeated with growing pauses until one attempt succeeds', async () => {
    let failures = 4
    const { store, runtime } = await opened(() => (failures-- > 0 ? Promise.reject(new Error('reset')) : ok))
    const times: number[] = []
    const put = store.put('a', 'x')
    while (store.asked('put').length < 5) {
      const before = store.asked('put').length
      await runtime.advanceAndSettle(1)
      if (store.asked('put').length > before) times.push(runtime.nowMs)
    }
    expect(await put).toEqual(ok)
    const pauses = times.slice(1).map((at, index) => at - (times[index] as number))
    expect(pauses.at(-1)).toBeGreaterThan((pauses[0] as number) * 2)
  })

  test('reject with StoreUnavailableError at the deadline, naming the operation, the endpoint and the last cause', async () => {
    const { store, runtime } = await opened(() => Promise.reject(new Error('ECONNREFUSED')))
    const get = rejectionOf(store.get('a/b'))
    await runtime.advanceAndSettle(1_000)
    const error = await get
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true })
    expect(error.message).toContain("get of 'a/b' at scripted://here failed")
    expect(error.message).toContain('ECONNREFUSED')
  })

  test('settle at the deadline when the client library never answers, and abort its call', async () => {
    const { store, runtime } = await opened(silence)
    const list = rejectionOf(store.list('a/'))
    await runtime.advanceAndSettle(999)
    const { signal } = (store.requests.at(-1) as Request).call
    expect(signal.aborted).toBe(false)
    await runtime.advanceAndSettle(1)
    expect(await list).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(signal.aborted).toBe(true)
    expect(runtime.pendingTimers).toBe(0)
  })

  test('are not repeated when the store refused them', async () => {
    const { store } = await opened(() => Promise.reject(new Error('permission denied')))
    store.fate = 'refused'
    expect(await rejectionOf(store.get('a'))).toMatchObject({ code: 'STORE_REFUSED', retryable: false })
    expect(store.asked('get')).toHaveLength(1)
  })

  test('pass errors of ours on as they are', async () => {
    const fault = new ConfigError('no such certificate')
    const { store } = await opened(() => Promise.reject(fault))
    expect(await rejectionOf(store.get('a'))).toBe(fault)
  })

  test('leave no timer behind when they succeed', async () => {
    const { store, runtime } = await opened(() => undefined)
    await store.get('a')
    expect(runtime.pendingTimers).toBe(0)
  })
})

describe('conditional writes', () => {
  const writes: [name: string, run: (store: ScriptedStore) => Promise<unknown>][] = [
    ['put ifVersion', (store) => store.put('a', 'x', { ifVersion: '1' })],
    ['put if absent', (store) => store.put('a', 'x', { ifVersion: null })],
    ['put guarded', (store) => store.put('a', 'x', { guard: { key: 'g', version: '1' } })],
    ['delete ifVersion', (store) => store.delete('a', { ifVersion: '1' })],
    ['delete guarded', (store) => store.delete('a', { guard: { key: 'g', version: '1' } })],
    ['putAll guarded', (store) => store.putAll([{ key: 'a', value: 'x' }], { guard: { key: 'g', version: '1' } })],
  ]

  test.each(writes)('%s: asked once, and of unknown outcome when the answer is lost', async (_, run) => {
    const { store, runtime } = await opened(() => Promise.reject(new Error('reset')))
    const before = store.requests.length
    const outcome = rejectionOf(run(store))
    await runtime.advanceAndSettle(2_000)
    expect(await outcome).toMatchObject({ code: 'UNKNOWN_OUTCOME' })
    expect(store.requests.length - before).toBe(1)
  })

  test.each(writes)('%s: of unknown outcome at the deadline', async (_, run) => {
    const { store, runtime } = await opened(silence)
    const outcome = rejectionOf(run(store))
    await runtime.advanceAndSettle(1_000)
    expect(await outcome).toMatchObject({ code: 'UNKNOWN_OUTCOME' })
  })

  test('that never left are reported as not applied, and still not repeated', async () => {
    const { store, runtime } = await opened(({ call }) => {
      call.unsent = true
      return silence()
    })
    const atDeadline = rejectionOf(store.put('a', 'x', { ifVersion: null }))
    await runtime.advanceAndSettle(1_000)
    expect(await atDeadline).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    store.fate = 'not-applied'
    store.answer = () => Promise.reject(new Error('not connected'))
    expect(await rejectionOf(store.put('a', 'x', { ifVersion: null }))).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(store.asked('put')).toHaveLength(2)
  })

  test('under way when the store closes are of unknown outcome', async () => {
    const { store } = await opened(silence)
    const write = rejectionOf(store.put('a', 'x', { ifVersion: null }))
    const read = rejectionOf(store.get('a'))
    await store.close()
    expect(await write).toMatchObject({ code: 'UNKNOWN_OUTCOME' })
    expect(await read).toMatchObject({ code: 'CLOSED' })
  })
})

describe('what is asked', () => {
  test('is checked before the adapter sees it', async () => {
    const { store } = await opened(() => ok)
    const before = store.requests.length
    const guard = { key: 'g', version: '1' }
    const wrong: (() => Promise<unknown>)[] = [
      () => store.get('/a'),
      () => store.put('a//b', 'x'),
      () => store.put('a', 'x'.repeat(51)),
      () => store.put('a', 'é'.repeat(26)),
      () => store.put('a', 'x', { ifVersion: '' }),
      () => store.put('a', 'x', { ifVersion: 3 as never }),
      () => store.put('a', 'x', { guard: { ...guard, version: '' } }),
      () => store.put('a', 'x', { guard: { ...guard, key: '' } }),
      () => store.put('a', 'x', { guard: null as never }),
      () => store.put('a', 'x', { session: { id: 's' } as never }),
      () => store.delete('a', { ifVersion: null as never }),
      () =>
        store.putAll([
          { key: 'a', value: 'x' },
          { key: 'a', value: 'y' },
        ]),
      () =>
        store.putAll([
          { key: 'a', value: 'x' },
          { key: 'a/', value: 'y' },
        ]),
      () => store.openSession({ ttlMs: 1 }),
      () => store.watch('a', 'no function' as never),
      () => store.list(undefined as never),
    ]
    for (const run of wrong) expect(await rejectionOf(run()), run.toString()).toBeInstanceOf(TypeError)
    expect(store.requests.length).toBe(before)
  })

  test('with impossible options is refused at construction, by name', () => {
    expect(() => new ScriptedStore({ timeoutMs: 0 }, silence)).toThrow(/timeoutMs is 0/)
    expect(() => new ScriptedStore({ onError: 'log' as never }, silence)).toThrow(/onError/)
  })

  test('of putAll is split by count and by size, and stops at the first conflict', async () => {
    let batches = 0
    const { store } = await opened(({ args }) =>
      ++batches === 3 ? { ok: false, written: 0, conflict: 'guard' } : { ok: true, written: (args[0] as unknown[]).length },
    )
    const small = Array.from({ length: 7 }, (_, at) => ({ key: `k${at}`, value: 'x' }))
    expect(await store.putAll(small)).toEqual({ ok: false, written: 6, conflict: 'guard' })
    expect(store.asked('putBatch').map(({ args }) => (args[0] as unknown[]).length)).toEqual([3, 3, 1])
    const large = Array.from({ length: 3 }, (_, at) => ({ key: `k${at}`, value: 'x'.repeat(48) }))
    expect(await store.putAll(large)).toEqual({ ok: true, written: 3 })
    expect(
      store
        .asked('putBatch')
        .slice(3)
        .map(({ args }) => (args[0] as unknown[]).length),
    ).toEqual([2, 1])
  })
})

describe('the life of a store', () => {
  test('open is shared by those who call it at once, and can be tried again after it failed', async () => {
    const runtime = new ManualRuntime()
    let reachable = false
    const store = new ScriptedStore({ runtime }, () => (reachable ? undefined : silence()))
    const first = rejectionOf(store.open())
    const second = rejectionOf(store.open())
    await runtime.advanceAndSettle(1_000)
    expect(await first).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(await second).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(store.asked('open')).toHaveLength(1)
    expect(store.asked('close')).toHaveLength(1)
    reachable = true
    await store.open()
    await store.open()
    expect(store.asked('open')).toHaveLength(2)
  })

  test('close during open rejects the open with ClosedError', async () => {
    const opening = later<undefined>()
    const store = new ScriptedStore({ runtime: new ManualRuntime() }, () => opening.promise)
    const open = rejectionOf(store.open())
    const closed = store.close()
    opening.resolve(undefined)
    await closed
    expect(await open).toMatchObject({ code: 'CLOSED' })
    expect(await rejectionOf(store.get('a'))).toMatchObject({ code: 'CLOSED' })
  })

  test('close does not wait longer than its deadline for a server that is gone', async () => {
    const { store, runtime } = await opened(({ op }) => (op === 'openSession' ? { id: 's', ttlMs: 60_000 } : silence()))
    await store.openSession({ ttlMs: 60_000 })
    let closed = false
    void store.close().then(() => {
      closed = true
    })
    await runtime.advanceAndSettle(999)
    expect(closed).toBe(false)
    await runtime.advanceAndSettle(1)
    expect(closed).toBe(true)
    expect(runtime.pendingTimers).toBe(0)
  })

  test('the store id is made once by whoever comes first, for adapters that have none of their own', async () => {
    const data = new Map<string, string>()
    const answer = ({ op, args }: Request): unknown => {
      const [key, value] = args as [string, string]
      if (op === 'get') return data.has(key) ? { key, value: data.get(key), version: '1' } : undefined
      if (data.has(key)) return { ok: false, conflict: 'version' }
      data.set(key, value)
      return ok
    }
    const [one, other] = [await opened(answer), await opened(answer)]
    const ids = await Promise.all([one.store.storeId(), other.store.storeId(), one.store.storeId()])
    expect(new Set(ids).size).toBe(1)
    expect([...data.values()]).toEqual([ids[0]])
  })
})

describe('watches', () => {
  async function watching(listener: (event: unknown) => void, onError = vi.fn()) {
    const stop = vi.fn()
    let sink: WatchSink | undefined
    const { store } = await opened(
      ({ args }) => {
        sink = args[1] as WatchSink
        sink.snapshot([
          { key: 'pp', value: 'of others', version: '1' },
          { key: 'p/b', value: '2', version: '2' },
          { key: 'p/a', value: '1', version: '1' },
        ])
        return stop
      },
      { onError },
    )
    const watch = await store.watch('p/', listener)
    return { watch, sink: sink as WatchSink, stop, onError, store }
  }

  test('sort their snapshot and leave out what is not theirs', async () => {
    const events: unknown[] = []
    const { sink } = await watching((event) => events.push(event))
    const theirs = { type: 'delete', key: 'p/a' } as const
    sink.changes([{ type: 'put', entry: { key: 'q/a', value: 'x', version: '3' } }, theirs])
    sink.changes([{ type: 'delete', key: 'pp' }])
    expect(events).toMatchObject([
      { type: 'snapshot', entries: [{ key: 'p/a' }, { key: 'p/b' }] },
      { type: 'changes', changes: [theirs] },
    ])
  })

  test('deliver one event at a time, also when the listener causes the next', async () => {
    const log: string[] = []
    const fixture: { sink?: WatchSink } = {}
    const { sink } = await watching((event) => {
      const { type } = event as { type: string }
      log.push(`begin ${type}`)
      if (log.length === 3) fixture.sink?.snapshot([])
      log.push(`end ${type}`)
    })
    fixture.sink = sink
    sink.changes([{ type: 'delete', key: 'p/a' }])
    expect(log).toEqual(['begin snapshot', 'end snapshot', 'begin changes', 'end changes', 'begin snapshot', 'end snapshot'])
  })

  test('report what a listener throws, and whatever a reporter throws harms nobody', async () => {
    const onError = vi.fn(() => {
      throw new Error('the reporter')
    })
    const { sink } = await watching(() => {
      throw new Error('the listener')
    }, onError)
    sink.changes([{ type: 'delete', key: 'p/a' }])
    expect(onError).toHaveBeenCalledTimes(2)
  })

  test('stop the adapter once when they are closed, and drop what it still delivers', async () => {
    const listener = vi.fn()
    const { watch, sink, stop } = await watching(listener)
    await Promise.all([watch.close(), watch.close()])
    sink.changes([{ type: 'delete', key: 'p/a' }])
    sink.snapshot([])
    expect(sink.closed).toBe(true)
    expect(stop).toHaveBeenCalledTimes(1)
    expect(listener).toHaveBeenCalledTimes(1)
  })

  test('that an adapter begins with changes are refused to the adapter', async () => {
    const { store } = await opened(({ args }) => {
      ;(args[1] as WatchSink).changes([{ type: 'delete', key: 'p/a' }])
    })
    store.fate = 'refused'
    expect((await rejectionOf(store.watch('p/', () => {}))).message).toContain('first event must be a snapshot')
  })

  test('of an attempt that failed deliver nothing to the next', async () => {
    const sinks: WatchSink[] = []
    const { store, runtime } = await opened(({ args }) => {
      const sink = args[1] as WatchSink
      if (sinks.push(sink) === 1) return Promise.reject(new Error('reset'))
      sink.snapshot([])
      return () => {}
    })
    const listener = vi.fn()
    const watch = store.watch('p/', listener)
    await runtime.advanceAndSettle(50)
    await watch
    sinks[0]?.snapshot([{ key: 'p/old', value: '', version: '1' }])
    expect(listener.mock.calls).toEqual([[{ type: 'snapshot', entries: [] }]])
  })
})

describe('sessions', () => {
  const TTL = 900

  async function withSession(answer: (request: Request) => unknown = ({ op }) => (op === 'renewSession' ? TTL : undefined)) {
    const { store, runtime } = await opened((request) => (request.op === 'openSession' ? { id: 's1', ttlMs: TTL } : answer(request)))
    const session = await store.openSession({ ttlMs: TTL })
    const lost: number[] = []
    session.lost.addEventListener('abort', () => lost.push(runtime.leaseMs()))
    return { store, runtime, session, lost }
  }

  test('are renewed each third of what was granted, and safe for the TTL from when that was sent', async () => {
    const answers: (() => void)[] = []
    const { store, runtime, session } = await withSession(() => new Promise((resolve) => answers.push(() => resolve(TTL))))
    const openedAt = runtime.leaseMs()
    expect(session.safeUntil()).toBe(openedAt + TTL)
    await runtime.advanceAndSettle(300)
    expect(store.asked('renewSession')).toHaveLength(1)
    await runtime.advanceAndSettle(100)
    expect(session.safeUntil()).toBe(openedAt + TTL)
    answers[0]?.()
    await runtime.settle()
    expect(session.safeUntil()).toBe(openedAt + 300 + TTL)
  })

  test('count the time from sending when it was the opening that took long', async () => {
    const opening = later<unknown>()
    const { store, runtime } = await opened(({ op }) => (op === 'openSession' ? opening.promise : TTL))
    const sentAt = runtime.leaseMs()
    const session = store.openSession({ ttlMs: TTL })
    await runtime.advanceAndSettle(400)
    opening.resolve({ id: 's1', ttlMs: TTL })
    expect((await session).safeUntil()).toBe(sentAt + TTL)
  })

  for (const how of ['hang', 'fail'] as const) {
    test(`outlive every outage of up to half their TTL, in which requests ${how}`, async () => {
      const lostAfter: number[] = []
      for (let startMs = 0; startMs <= 300; startMs += 10) {
        let isDown = false
        const { runtime, lost } = await withSession(({ op }) => {
          if (op !== 'renewSession' || !isDown) return TTL
          return how === 'hang' ? silence() : Promise.reject(new Error('down'))
        })
        await runtime.advanceAndSettle(1_000 + startMs)
        isDown = true
        await runtime.advanceAndSettle(TTL / 2)
        isDown = false
        await runtime.advanceAndSettle(3 * TTL)
        if (lost.length > 0) lostAfter.push(startMs)
      }
      expect(lostAfter).toEqual([])
    })
  }

  test('ask again while an earlier renewal hangs, and take whichever answer counts longest', async () => {
    const answers: (() => void)[] = []
    const { store, runtime, session } = await withSession(() => new Promise((resolve) => answers.push(() => resolve(TTL))))
    const openedAt = runtime.leaseMs()
    await runtime.advanceAndSettle(450)
    expect(store.asked('renewSession')).toHaveLength(2)
    answers[1]?.()
    await runtime.settle()
    answers[0]?.()
    await runtime.settle()
    expect(session.safeUntil()).toBe(openedAt + 450 + TTL)
  })

  test('are lost exactly at safeUntil when nothing answers, once, and are then ended at the server', async () => {
    const { store, runtime, session, lost } = await withSession(silence)
    const safeUntil = session.safeUntil()
    await runtime.advanceAndSettle(899)
    expect(lost).toEqual([])
    await runtime.advanceAndSettle(5_000)
    expect(lost).toEqual([safeUntil])
    expect(session.lost.reason).toBeInstanceOf(SessionLostError)
    expect(store.asked('closeSession')).toHaveLength(1)
    expect(store.dropped).toEqual(['s1'])
    await session.close()
    expect(lost).toHaveLength(1)
    expect(runtime.pendingTimers).toBe(0)
  })

  test('are lost at safeUntil also when that falls between two renewals', async () => {
    const opening = later<unknown>()
    const { store, runtime } = await opened(({ op }) => (op === 'openSession' ? opening.promise : silence()))
    const sentAt = runtime.leaseMs()
    const pending = store.openSession({ ttlMs: TTL })
    await runtime.advanceAndSettle(400)
    opening.resolve({ id: 's1', ttlMs: TTL })
    const session = await pending
    const lost: number[] = []
    session.lost.addEventListener('abort', () => lost.push(runtime.leaseMs()))
    await runtime.advanceAndSettle(2_000)
    expect(lost).toEqual([sentAt + TTL])
  })

  test('that are lost are not made to look safe by an older renewal that is answered after all', async () => {
    const answers: ((ttlMs: number | undefined) => void)[] = []
    const { runtime, session, lost } = await withSession(({ op }) =>
      op === 'renewSession' ? new Promise((resolve) => answers.push(resolve)) : undefined,
    )
    await runtime.advanceAndSettle(600)
    const safeUntil = session.safeUntil()
    answers[1]?.(undefined)
    await runtime.settle()
    expect(lost).toHaveLength(1)
    answers[0]?.(TTL)
    await runtime.settle()
    expect(session.safeUntil()).toBe(safeUntil)
  })

  test('are lost at once when the store says that they have ended', async () => {
    const { runtime, session, lost } = await withSession(() => undefined)
    await runtime.advanceAndSettle(300)
    expect(lost).toHaveLength(1)
    expect((session.lost.reason as Error).message).toContain('ended by the store')
  })

  test('are lost when this process was suspended, whatever the monotonic clock says', async () => {
    const { runtime, session, lost } = await withSession()
    runtime.wallOffsetMs += 10_000
    expect(runtime.leaseMs()).toBeGreaterThan(session.safeUntil())
    await runtime.advanceAndSettle(300)
    expect(lost).toHaveLength(1)
  })

  test('do not renew, fire or hold timers after close, and refuse puts without asking', async () => {
    const { store, runtime, session, lost } = await withSession()
    await session.close()
    await session.close()
    expect(store.asked('closeSession')).toHaveLength(1)
    expect(await store.put('a', 'x', { session })).toEqual({ ok: false, conflict: 'session' })
    expect(await store.putAll([{ key: 'a', value: 'x' }], { session })).toEqual({ ok: false, written: 0, conflict: 'session' })
    await runtime.advanceAndSettle(5_000)
    expect(store.asked('renewSession')).toHaveLength(0)
    expect(store.asked('put')).toHaveLength(0)
    expect(lost).toEqual([])
    expect(runtime.pendingTimers).toBe(0)
  })

  test('an answer that comes after close changes nothing', async () => {
    const answer = later<number | undefined>()
    const { runtime, session, lost } = await withSession(({ op }) => (op === 'renewSession' ? answer.promise : undefined))
    await runtime.advanceAndSettle(300)
    const safeUntil = session.safeUntil()
    await session.close()
    answer.resolve(undefined)
    await runtime.advanceAndSettle(2_000)
    expect(lost).toEqual([])
    expect(session.safeUntil()).toBe(safeUntil)
  })
})
