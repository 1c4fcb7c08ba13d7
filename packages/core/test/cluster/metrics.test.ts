import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Histogram } from '../../src/cluster/histogram.ts'
import { ClusterMetrics, type MetricSources } from '../../src/cluster/metrics.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'

describe('a histogram', () => {
  it('that recorded nothing is all zeros', () => {
    expect(new Histogram().snapshot()).toEqual({
      count: 0,
      sumMs: 0,
      minMs: 0,
      maxMs: 0,
      meanMs: 0,
      p50Ms: 0,
      p90Ms: 0,
      p99Ms: 0,
      p999Ms: 0,
      buckets: [],
    })
  })

  it('keeps each duration to an eighth of its size, or to a microsecond', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2_000_000, noNaN: true }), (ms) => {
        const histogram = new Histogram()
        histogram.record(ms)
        const [bucket] = histogram.snapshot().buckets
        expect(bucket?.count).toBe(1)
        expect(bucket?.upToMs).toBeGreaterThan(ms)
        expect(bucket?.upToMs).toBeLessThanOrEqual(ms * 1.125 + 0.001)
      }),
    )
  })

  it('has percentiles at or above the true ones, by an eighth at most', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 10_000, noNaN: true }), { minLength: 1, size: 'max', maxLength: 300 }), (all) => {
        const histogram = new Histogram()
        for (const ms of all) histogram.record(ms)
        const sorted = [...all].sort((a, b) => a - b)
        const exact = (share: number): number => sorted[Math.ceil(share * all.length) - 1] as number
        const snapshot = histogram.snapshot()
        for (const [share, found] of [
          [0.5, snapshot.p50Ms],
          [0.9, snapshot.p90Ms],
          [0.99, snapshot.p99Ms],
          [0.999, snapshot.p999Ms],
        ] as const) {
          expect(found).toBeGreaterThanOrEqual(exact(share))
          expect(found).toBeLessThanOrEqual(exact(share) * 1.125 + 0.001)
        }
        expect(snapshot).toMatchObject({ count: all.length, minMs: sorted[0], maxMs: sorted[all.length - 1] })
        expect(snapshot.buckets.reduce((sum, { count }) => sum + count, 0)).toBe(all.length)
      }),
    )
  })

  it('takes what is no duration, and what is too long for it', () => {
    const histogram = new Histogram()
    histogram.record(-1)
    histogram.record(0)
    histogram.record(1e12)
    histogram.record(Number.POSITIVE_INFINITY)
    histogram.record(Number.NaN)
    const { count, minMs, maxMs, sumMs, buckets } = histogram.snapshot()
    expect([count, minMs, buckets.length]).toEqual([5, 0, 2])
    expect(sumMs).toBe(2 * maxMs)
  })
})

const kept = { linkBytes: 0, keptReplyBytes: 0, records: 0, sources: 1 }

/** Counts what is asked of it. */
class Sources implements MetricSources {
  readonly nodeId = 'node1'
  asked = 0
  nowMs = 1_000
  counters = { messagesSent: 0, messagesReceived: 0, messagesFailed: 0, outboxMessages: 0, outboxBytes: 0, ...kept }
  readonly runtime = { monotonicMs: () => this.nowMs } as Runtime
  actors = (): number => this.#ask(7)
  nodes = (): number => this.#ask(3)
  mailboxDepth = (): number => this.#ask(11)
  ownedShards = (): number => this.#ask(85)
  ownedWithoutLease = (): number => this.#ask(3)
  delivery = (): Sources['counters'] => {
    this.asked++
    return this.counters
  }

  #ask(value: number): number {
    this.asked++
    return value
  }
}

describe('the metrics of a node', () => {
  it('are read from their sources when asked, and not before', () => {
    const sources = new Sources()
    const metrics = new ClusterMetrics(sources, { measureLatency: false })
    expect(sources.asked).toBe(0)
    sources.counters = {
      messagesSent: 5,
      messagesReceived: 4,
      messagesFailed: 1,
      outboxMessages: 2,
      outboxBytes: 300,
      linkBytes: 40,
      keptReplyBytes: 50,
      records: 6,
      sources: 3,
    }
    expect(metrics.snapshot()).toMatchObject({
      nodeId: 'node1',
      actors: 7,
      nodes: 3,
      ownedShards: 85,
      ownedWithoutLease: 3,
      mailboxDepth: 11,
      messages: { sent: 5, received: 4, failed: 1 },
      outbox: { messages: 2, bytes: 300 },
      kept: { linkBytes: 40, replyBytes: 50, records: 6, sources: 3 },
      latency: undefined,
    })
  })

  it('have rates of what passed between two snapshots', () => {
    const sources = new Sources()
    const metrics = new ClusterMetrics(sources, { measureLatency: false })
    const rates = (): number[] => [metrics.snapshot().messages.sentPerSecond, metrics.snapshot().messages.receivedPerSecond]
    expect(rates()).toEqual([0, 0])
    sources.nowMs += 2_000
    sources.counters = { ...sources.counters, messagesSent: 500, messagesReceived: 100 }
    expect(rates()).toEqual([250, 50])
    // Too soon for another rate: the last one stands.
    sources.nowMs += 100
    sources.counters = { ...sources.counters, messagesSent: 1_500 }
    expect(rates()).toEqual([250, 50])
    sources.nowMs += 900
    expect(rates()).toEqual([1_000, 0])
  })

  it('count dead letters by reason', () => {
    const metrics = new ClusterMetrics(new Sources(), { measureLatency: false })
    expect(metrics.snapshot().deadLetters).toEqual({ total: 0, byReason: {} })
    metrics.deadLetter('no-host')
    metrics.deadLetter('no-host')
    metrics.deadLetter('mailbox-full')
    expect(metrics.snapshot().deadLetters).toEqual({ total: 3, byReason: { 'no-host': 2, 'mailbox-full': 1 } })
  })

  it('have latencies only where they are measured', () => {
    const metrics = new ClusterMetrics(new Sources(), { measureLatency: true })
    metrics.latency?.ask.record(3)
    expect(metrics.snapshot().latency).toMatchObject({ ask: { count: 1, maxMs: 3 }, send: { count: 0 } })
  })

  it('count failovers and handoffs', () => {
    const metrics = new ClusterMetrics(new Sources(), { measureLatency: false })
    metrics.failedOverUnits += 85
    metrics.failedOverNodes++
    metrics.handoffsStarted += 2
    metrics.handoffsCompleted++
    metrics.handoffsAborted++
    metrics.handoffDuration.record(12)
    expect(metrics.snapshot()).toMatchObject({
      failovers: { units: 85, nodes: 1 },
      handoffs: { started: 2, completed: 1, aborted: 1, duration: { count: 1 } },
    })
  })

  it('survive a walk through JSON, as a monitor takes them', () => {
    const snapshot = new ClusterMetrics(new Sources(), { measureLatency: true }).snapshot()
    expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot)
  })
})
