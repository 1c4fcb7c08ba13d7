// Promises 8, 9 and 13: connections that break, peers that fall silent, and how that is found.

import assert from 'node:assert/strict'
import type { MessagingContext } from './context.ts'
import type { Party } from './party.ts'
import type { MessagingCase } from './run.ts'
import { without } from './skips.ts'

/** Up again by itself after the network is whole: the handshake of an attempt that hung, its time-out, and one wait. */
function reconnectMs({ options, promptMs }: MessagingContext): number {
  return 2 * promptMs + 2 * options.maxReconnectDelayMs
}

async function found(context: MessagingContext, a: Party, b: Party): Promise<void> {
  const sinceMs = context.runtime.monotonicMs()
  await context.bothDown(a, b, context.options.heartbeatTimeoutMs)
  const tookMs = context.runtime.monotonicMs() - sinceMs
  assert.ok(tookMs <= context.options.heartbeatTimeoutMs + context.slackMs, `found after ${tookMs} ms`)
}

export const failureCases: readonly MessagingCase[] = [
  {
    number: 8,
    title: 'a lost connection gives onPeerDown once on both sides, then up again without being asked, time after time',
    skip: without('drop'),
    async run(context) {
      const [a, b] = await context.pair()
      for (let round = 1; round <= 4; round++) {
        await context.exchange(a, b)
        await context.harness.drop?.('a', 'b')
        await context.eventually(context.promptMs, () => {
          assert.equal(a.count('down', b), round)
          assert.equal(b.count('down', a), round)
        })
        await context.bothUp(a, b, reconnectMs(context))
        assert.equal(a.count('up', b), round + 1)
        assert.equal(b.count('up', a), round + 1)
      }
      await context.exchange(a, b)
    },
  },
  {
    number: 8,
    title: 'onPeerDown says why',
    skip: without('drop'),
    async run(context) {
      const [a, b] = await context.pair()
      await context.harness.drop?.('a', 'b')
      await context.eventually(context.promptMs, () => assert.ok(a.count('down') > 0 && b.count('down') > 0))
      for (const event of [...a.events, ...b.events]) {
        if (event.type === 'down') assert.ok(event.reason instanceof Error && event.reason.message.length > 0)
      }
    },
  },
  {
    number: 8,
    title: 'it is tried again with backoff, not in a loop, and reported without a flood',
    skip: without('attempts'),
    async run(context) {
      const [a, b] = await context.pair()
      await b.stop()
      await context.bothDown(a, b)
      const before = context.harness.attempts?.('a', 'b') ?? 0
      const errorsBefore = a.errors().length
      await context.sleep(8 * context.options.maxReconnectDelayMs)
      const attempts = (context.harness.attempts?.('a', 'b') ?? 0) - before
      // Full jitter: the mean wait is half the ceiling, and a few short ones come before.
      assert.ok(attempts >= 3, `only ${attempts} attempts`)
      assert.ok(attempts <= 60, `${attempts} attempts`)
      assert.ok(a.errors().length - errorsBefore <= attempts + 1)
    },
  },
  {
    number: 9,
    title: 'a peer that can not be reached any more is found within the heartbeat time-out, and comes back when it can',
    skip: without('cut'),
    async run(context) {
      const [a, b] = await context.pair()
      await context.harness.cut?.('a', 'b')
      await context.harness.cut?.('b', 'a')
      await found(context, a, b)
      await context.harness.restore?.('a', 'b')
      await context.bothUp(a, b, reconnectMs(context))
      await context.eventually(context.promptMs, () => assert.ok(a.sees(b) && b.sees(a)))
      await context.exchange(a, b)
    },
  },
  ...(['a', 'b'] as const).map(
    (mute): MessagingCase => ({
      number: 9,
      title: `so is one that hears and is not heard (${mute === 'a' ? 'the one that connected' : 'the other one'} is mute)`,
      skip: without('cut'),
      async run(context) {
        const [a, b] = await context.pair()
        const [from, to] = mute === 'a' ? [a, b] : [b, a]
        await context.harness.cut?.(from.nodeId, to.nodeId)
        // The one that hears nothing finds it by itself; the other one is told, or finds that its questions are not answered.
        await context.eventually(context.options.heartbeatTimeoutMs, () => assert.ok(!to.sees(from)))
        await context.eventually(context.options.heartbeatTimeoutMs, () => assert.ok(from.count('down', to) > 0))
        await context.harness.restore?.('a', 'b')
        await context.bothUp(a, b, reconnectMs(context))
        await context.exchange(a, b)
      },
    }),
  ),
  {
    number: 9,
    title: 'a frozen process is found, and when it goes on, it learns that it was given up',
    skip: without('freeze'),
    async run(context) {
      const [a, b] = await context.pair()
      await context.harness.freeze?.('b')
      await context.eventually(context.options.heartbeatTimeoutMs, () => assert.ok(!a.sees(b)))
      await context.harness.thaw?.('b')
      await context.eventually(context.promptMs, () => assert.ok(b.count('down', a) > 0))
      await context.bothUp(a, b, reconnectMs(context))
      await context.exchange(a, b)
    },
  },
  {
    number: 9,
    title: 'a connection on which nothing is said lasts',
    async run(context) {
      const [a, b] = await context.pair()
      await context.sleep(2.5 * context.options.heartbeatTimeoutMs)
      assert.equal(a.count('down') + b.count('down'), 0)
      await context.exchange(a, b)
    },
  },
  {
    number: 9,
    title: 'a connection on which only one side talks lasts',
    async run(context) {
      const [a, b] = await context.pair()
      const untilMs = context.runtime.monotonicMs() + 2.5 * context.options.heartbeatTimeoutMs
      let sent = 0
      while (context.runtime.monotonicMs() < untilMs) {
        assert.ok(a.system.send('b', context.frame(100, sent++)))
        await context.sleep(10)
      }
      await context.eventually(context.promptMs, () => assert.equal(b.frameCount(a), sent))
      assert.equal(a.count('down') + b.count('down'), 0)
    },
  },
  {
    number: 13,
    title: 'ping resolves with a round trip in milliseconds, many at once too',
    async run(context) {
      const [a, b] = await context.pair()
      const trips = await context.within(
        context.promptMs,
        'pings',
        Promise.all([...Array.from({ length: 20 }, () => a.system.ping('b')), b.system.ping('a')]),
      )
      for (const ms of trips) assert.ok(Number.isFinite(ms) && ms >= 0 && ms <= context.promptMs, `a round trip of ${ms} ms`)
      await context.exchange(a, b)
      assert.equal(b.frames().length, 1, 'a ping became a frame')
    },
  },
  {
    number: 13,
    title: 'ping rejects when the peer is not up',
    async run(context) {
      const a = await context.start('a')
      const error = await context.rejection(context.promptMs, 'ping of an unknown node', a.system.ping('nobody'))
      assert.equal(error.code, 'TRANSPORT')
      const b = await context.start('b')
      await context.connect(a, b)
      await context.bothUp(a, b)
      await b.stop()
      await context.bothDown(a, b)
      await context.rejection(context.promptMs, 'ping of a stopped node', a.system.ping('b'))
    },
  },
  {
    number: 13,
    title: 'ping rejects when no answer comes in time',
    skip: without('cut'),
    async run(context) {
      const [a] = await context.pair()
      await context.harness.cut?.('a', 'b')
      await context.rejection(context.options.heartbeatTimeoutMs + context.slackMs, 'ping over a cut network', a.system.ping('b'))
    },
  },
]
