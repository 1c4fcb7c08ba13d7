import { describe, expect, it } from 'vitest'
import { BackgroundLoop } from '../../src/cluster/background-loop.ts'
import { ClusterEvents } from '../../src/cluster/cluster-events.ts'
import { ControlRpc } from '../../src/cluster/control-rpc.ts'
import { IsolationWatch } from '../../src/cluster/isolation.ts'
import { PlacementWaiters } from '../../src/cluster/placement-waiters.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

describe('a background loop', () => {
  it('runs once for many triggers of one turn, and again for one that came while it ran', async () => {
    const runtime = new ManualRuntime()
    let runs = 0
    const ends: (() => void)[] = []
    const loop = new BackgroundLoop({
      runtime,
      run: () => {
        runs++
        return new Promise((resolve) => ends.push(resolve))
      },
      onError: () => {},
    })
    loop.trigger()
    loop.trigger()
    await runtime.settle()
    expect(runs).toBe(1)
    loop.trigger()
    loop.trigger()
    await runtime.settle()
    expect(runs).toBe(1)
    ends[0]?.()
    await runtime.settle()
    expect(runs).toBe(2)
    ends[1]?.()
    await runtime.settle()
    expect(runs).toBe(2)
  })

  it('comes back after a failure, later and later, and at once when it is asked', async () => {
    const runtime = new ManualRuntime()
    const at: number[] = []
    const loop = new BackgroundLoop({
      runtime,
      run: () => {
        at.push(runtime.nowMs)
        return Promise.reject(new Error('no'))
      },
      onError: () => {},
      firstBackoffMs: 100,
      longestBackoffMs: 400,
    })
    loop.trigger()
    await runtime.advanceAndSettle(2_000)
    const waits = at.slice(1).map((ms, i) => ms - (at[i] ?? 0))
    expect(waits[0]).toBeLessThanOrEqual(100)
    expect(Math.max(...waits)).toBeGreaterThan(200)
    expect(Math.max(...waits)).toBeLessThanOrEqual(400)
    const before = at.length
    loop.trigger()
    await runtime.settle()
    expect(at.length).toBe(before + 1)
    await loop.stop()
    expect(runtime.pendingTimers).toBe(0)
  })

  it('runs no more after stop, which waits for the run in hand', async () => {
    const runtime = new ManualRuntime()
    let end: (() => void) | undefined
    let runs = 0
    const loop = new BackgroundLoop({
      runtime,
      everyMs: 10,
      run: () => {
        runs++
        return new Promise((resolve) => {
          end = resolve
        })
      },
      onError: () => {},
    })
    loop.trigger()
    await runtime.settle()
    let stopped = false
    const stopping = loop.stop().then(() => {
      stopped = true
    })
    await runtime.settle()
    expect(stopped).toBe(false)
    end?.()
    await stopping
    loop.trigger()
    await runtime.advanceAndSettle(100)
    expect(runs).toBe(1)
  })

  it('an earlier wish counts, a later one does not', async () => {
    const runtime = new ManualRuntime()
    const at: number[] = []
    const loop = new BackgroundLoop({ runtime, run: async () => void at.push(runtime.nowMs), onError: () => {} })
    const from = runtime.nowMs
    loop.triggerWithin(500)
    loop.triggerWithin(100)
    loop.triggerWithin(900)
    await runtime.advanceAndSettle(2_000)
    expect(at).toEqual([from + 100])
  })
})

describe('cluster events', () => {
  it('a listener that throws keeps neither others nor the system from going on', () => {
    const errors: unknown[] = []
    const events = new ClusterEvents((error) => errors.push(error))
    const heard: string[] = []
    events.on('peer-up', () => {
      throw new Error('mine')
    })
    const off = events.on('peer-up', ({ nodeId }) => heard.push(nodeId))
    events.emit('peer-up', { nodeId: 'a' })
    off()
    events.emit('peer-up', { nodeId: 'b' })
    expect(heard).toEqual(['a'])
    expect(errors).toHaveLength(2)
  })
})

describe('questions between nodes', () => {
  const a = { nodeId: 'a', processId: 'pa' }
  const b = { nodeId: 'b', processId: 'pb' }
  function pair() {
    const runtime = new ManualRuntime()
    const rpcs: ControlRpc[] = []
    const asker = new ControlRpc({ runtime, local: a, send: (_, message) => rpcs[1]?.receive(a, message) })
    const answerer = new ControlRpc({ runtime, local: b, send: (_, message) => rpcs[0]?.receive(b, message) })
    rpcs.push(asker, answerer)
    return { runtime, asker, answerer }
  }

  it('are answered, refused with the words of the other side, or unknown to it', async () => {
    const { asker, answerer } = pair()
    answerer.handle('double', (n: number) => n * 2)
    answerer.handle('fail', () => {
      throw new Error('because')
    })
    await expect(asker.request(b, 'double', 4, 100)).resolves.toBe(8)
    await expect(asker.request(b, 'fail', undefined, 100)).rejects.toMatchObject({
      message: 'because',
      reason: 'refused',
      code: 'MANAGEMENT',
    })
    await expect(asker.request(b, 'what', undefined, 100)).rejects.toThrow(/does not know 'what'/)
  })

  it('end at their deadline, and when the other process is gone', async () => {
    const { runtime, asker, answerer } = pair()
    answerer.handle('hang', () => new Promise(() => {}))
    const late = asker.request(b, 'hang', undefined, 100)
    const gone = asker.request(b, 'hang', undefined, 10_000)
    late.catch(() => {})
    gone.catch(() => {})
    runtime.advance(100)
    await expect(late).rejects.toMatchObject({ reason: 'timeout' })
    asker.peerGone('pb')
    await expect(gone).rejects.toMatchObject({ reason: 'gone' })
    expect(runtime.pendingTimers).toBe(0)
  })

  it('are not answered by a process that was not asked', async () => {
    const { runtime, asker, answerer } = pair()
    answerer.handle('hang', () => new Promise(() => {}))
    const question = asker.request(b, 'hang', undefined, 100)
    question.catch(() => {})
    asker.receive({ nodeId: 'c', processId: 'pc' }, { t: 'response', id: 1, ok: true, value: 'forged' })
    runtime.advance(100)
    await expect(question).rejects.toMatchObject({ reason: 'timeout' })
  })
})

describe('isolation', () => {
  const look = { nowMs: 0, registered: true, storeReachable: true, others: 2, reachable: 0, leads: false }

  it('lets a node leave that reached nobody for the bound, and not one that reached somebody in between', () => {
    const watch = new IsolationWatch({ isolationMs: 1_000, jitter: 0 })
    expect(watch.look(look)).toBe('stay')
    expect(watch.look({ ...look, nowMs: 900, reachable: 1 })).toBe('stay')
    expect(watch.look({ ...look, nowMs: 1_000 })).toBe('stay')
    expect(watch.look({ ...look, nowMs: 1_999 })).toBe('stay')
    expect(watch.look({ ...look, nowMs: 2_000 })).toBe('leave')
  })

  it('comes back when a peer answers, when nobody else is left, and to try again', () => {
    for (const back of [{ reachable: 1 }, { others: 0 }, { nowMs: 3_100 }]) {
      const watch = new IsolationWatch({ isolationMs: 1_000, jitter: 0 })
      watch.look(look)
      expect(watch.look({ ...look, nowMs: 1_000 })).toBe('leave')
      const away = { ...look, nowMs: 1_100, registered: false }
      expect(watch.look(away)).toBe('stay')
      expect(watch.look({ ...away, ...back })).toBe('return')
    }
  })

  it('of two that lost each other the leader stays longer', () => {
    const leader = new IsolationWatch({ isolationMs: 1_000, jitter: 0 })
    const two = { ...look, others: 1, leads: true }
    leader.look(two)
    expect(leader.look({ ...two, nowMs: 1_900 })).toBe('stay')
    expect(leader.look({ ...two, nowMs: 2_000 })).toBe('leave')
  })

  it('never leaves alone, nor while the store is out of reach', () => {
    const watch = new IsolationWatch({ isolationMs: 1_000, jitter: 0 })
    for (const nowMs of [0, 5_000]) expect(watch.look({ ...look, nowMs, others: 0 })).toBe('stay')
    for (const nowMs of [6_000, 9_000]) expect(watch.look({ ...look, nowMs, storeReachable: false })).toBe('stay')
  })
})

describe('waiting for a document', () => {
  it('ends when it holds, when it is refused, at its deadline, and at the close', async () => {
    const runtime = new ManualRuntime()
    const waiters = new PlacementWaiters(runtime)
    let ready = false
    const holds = waiters.until(
      () => ready,
      1_000,
      () => new Error('late'),
    )
    const refused = waiters.until(
      () => {
        if (ready) throw new Error('never')
        return false
      },
      1_000,
      () => new Error('late'),
    )
    const late = waiters.until(
      () => false,
      100,
      () => new Error('late'),
    )
    const closed = waiters.until(
      () => false,
      10_000,
      () => new Error('late'),
    )
    for (const promise of [refused, late, closed]) promise.catch(() => {})
    ready = true
    waiters.check()
    await holds
    await expect(refused).rejects.toThrow('never')
    runtime.advance(100)
    await expect(late).rejects.toThrow('late')
    waiters.close(new Error('over'))
    await expect(closed).rejects.toThrow('over')
    expect(runtime.pendingTimers).toBe(0)
  })
})
