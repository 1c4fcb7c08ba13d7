// Promise 14: how it ends.

import assert from 'node:assert/strict'
import type { MessagingCase } from './run.ts'
import { without } from './skips.ts'

export const lifeCases: readonly MessagingCase[] = [
  {
    number: 14,
    title: 'what was accepted before stop is written: frames sent just before it arrive',
    async run(context) {
      const [a, b] = await context.pair()
      const count = 50
      for (let number = 0; number < count; number++) a.system.send('b', context.frame(1_000, number))
      await a.stop()
      await context.eventually(context.promptMs, () => assert.equal(b.frameCount(a), count))
      await context.bothDown(a, b)
    },
  },
  {
    number: 14,
    title: 'stop gives onPeerDown for each peer that was up, before it resolves, and the peers get theirs',
    async run(context) {
      const a = await context.start('a')
      const others = await Promise.all(['b', 'c', 'd'].map((nodeId) => context.start(nodeId)))
      for (const other of others) {
        await context.connect(a, other)
        await context.bothUp(a, other)
      }
      await a.stop()
      for (const other of others) assert.equal(a.count('down', other), 1)
      for (const other of others) await context.bothDown(a, other)
    },
  },
  {
    number: 14,
    title: 'no handler is called after stop has resolved, in the middle of traffic too',
    async run(context) {
      const [a, b] = await context.pair()
      let sending = true
      const flood = (async () => {
        for (let number = 0; sending && number < 100_000; number++) {
          for (let i = 0; i < 20; i++) b.system.send('a', context.frame(300, number))
          await context.sleep(1)
        }
      })()
      await context.eventually(context.promptMs, () => assert.ok(a.frameCount(b) > 0))
      const pending = a.system.ping('b').catch(() => 0)
      await a.stop()
      const events = a.events.length
      await context.sleep(20)
      sending = false
      await flood
      await context.within(context.promptMs, 'a ping at stop', pending)
      assert.equal(a.events.length, events, `after stop came: ${a.lateEvents.join(', ')}`)
    },
  },
  {
    number: 14,
    title: 'stop may be called from a handler',
    async run(context) {
      const [a, b] = await context.pair()
      let stopped: Promise<void> | undefined
      a.onEvent = (event) => {
        if (event.type === 'frame') stopped ??= a.stop()
      }
      for (let number = 0; number < 20; number++) b.system.send('a', context.frame(100, number))
      await context.eventually(context.promptMs, () => assert.ok(a.stopped))
      await stopped
      await context.bothDown(a, b)
    },
  },
  {
    number: 14,
    title: 'stop is idempotent, at once, one after another, and without a start',
    async run(context) {
      const [a, b] = await context.pair()
      await context.within(context.promptMs, 'stop, twice', Promise.all([a.stop(), a.stop()]))
      await context.within(context.promptMs, 'stop, again', a.stop())
      await context.within(context.promptMs, 'dispose', Promise.resolve(a.system[Symbol.asyncDispose]()))
      await context.bothDown(a, b)
      await context.within(context.promptMs, 'stop without start', context.create('c').stop())
    },
  },
  {
    number: 14,
    title: 'after stop send returns false, connect throws ClosedError, ping and start reject',
    async run(context) {
      const [a, b] = await context.pair()
      await a.stop()
      assert.equal(a.system.send('b', context.frame(10, 1)), false)
      assert.equal(a.system.bufferedBytes('b'), 0)
      assert.throws(() => a.system.connect(b.at(b.address)), { code: 'CLOSED' })
      await context.rejection(context.promptMs, 'ping after stop', a.system.ping('b'))
      const error = await context.rejection(context.promptMs, 'start after stop', a.start())
      assert.equal(error.code, 'CLOSED')
    },
  },
  {
    number: 14,
    title: 'stop is bounded when nobody reads what was accepted',
    skip: without('cut'),
    async run(context) {
      const [a, b] = await context.pair()
      await context.harness.cut?.('a', 'b')
      await context.harness.cut?.('b', 'a')
      const frame = context.frame(Math.min(60_000, context.capabilities.maxFrameBytes), 1)
      for (let i = 0; i < 1_000 && a.system.send('b', frame); i++);
      await context.within(context.promptMs, 'stop over a cut network', a.stop())
      assert.equal(a.count('down', b), 1)
    },
  },
  {
    number: 14,
    title: 'stop ends attempts that are under way',
    skip: without('cut'),
    async run(context) {
      const [a, b] = await Promise.all([context.start('a'), context.start('b')])
      await context.harness.cut?.('a', 'b')
      await context.harness.cut?.('b', 'a')
      await context.connect(a, b)
      await context.sleep(20)
      await context.within(context.promptMs, 'stop while connecting', a.stop())
      await context.harness.restore?.('a', 'b')
      await context.sleep(2 * context.options.maxReconnectDelayMs)
      assert.equal(a.count('up'), 0)
    },
  },
]
