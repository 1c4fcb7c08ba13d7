// Promises 5 and 7: what `send` says, and how much memory a slow or dead peer may cost.

import assert from 'node:assert/strict'
import type { MessagingContext } from './context.ts'
import type { Party } from './party.ts'
import type { MessagingCase } from './run.ts'
import { without } from './skips.ts'

/** What one way may swallow before it is noticed that nobody reads: the buffers of the operating system, and of a proxy. */
const MOST_SWALLOWED_BYTES = 256 << 20

function frameBytes(context: MessagingContext): number {
  return Math.min(60_000, context.capabilities.maxFrameBytes)
}

/** Sends numbered frames until `send` says false; returns how many were taken. */
function fill(context: MessagingContext, from: Party, to: Party, first = 0): number {
  const bytes = frameBytes(context)
  for (let taken = 1; taken * bytes < MOST_SWALLOWED_BYTES; taken++) {
    if (!from.system.send(to.nodeId, context.frame(bytes, first + taken - 1))) {
      assert.ok(from.sees(to), `${to.nodeId} went down`)
      return taken
    }
  }
  assert.fail(`promise 5: ${MOST_SWALLOWED_BYTES} bytes were taken in one turn, and send never said false`)
}

export const flowCases: readonly MessagingCase[] = [
  {
    number: 5,
    title: 'send to a peer that is not up returns false, does not throw, and the frame is not taken',
    async run(context) {
      const [a, b] = await Promise.all([context.start('a'), context.start('b')])
      const frame = context.frame(100, 1)
      assert.equal(a.system.send('nobody', frame), false)
      assert.equal(a.system.send('b', frame), false)
      assert.equal(a.system.bufferedBytes('b'), 0)
      await context.connect(a, b)
      assert.equal(a.system.send('b', frame), false, 'the peer can not be up in the same turn')
      await context.bothUp(a, b)
      await context.exchange(a, b)
      assert.equal(b.frames().length, 1, 'a frame that was not taken arrived')
      a.system.disconnect('b')
      assert.equal(a.system.send('b', frame), false)
      await context.bothDown(a, b)
      assert.equal(a.system.send('b', frame), false)
      assert.equal(a.system.bufferedBytes('b'), 0)
    },
  },
  {
    number: 5,
    title: 'above the high-water mark send returns false, the frame is taken all the same, and onDrain follows',
    skip: without('cut'),
    async run(context) {
      const [a, b] = await context.pair()
      await context.harness.cut?.('a', 'b')
      const taken = fill(context, a, b)
      assert.equal(a.count('drain'), 0)
      await context.harness.restore?.('a', 'b')
      await context.eventually(2 * context.promptMs, () => assert.equal(a.count('drain', b), 1, 'no onDrain, or more than one'))
      await context.eventually(2 * context.promptMs, () => assert.equal(b.frameCount(a), taken))
      const numbers = new Set(b.frames().map((frame) => context.number(frame)))
      assert.equal(numbers.size, taken, 'the frame for which send said false did not arrive')
      assert.ok(a.system.send('b', context.frame(10, taken)), 'after onDrain there was no room')
    },
  },
  {
    number: 5,
    title: 'one that fills and waits for onDrain gets everything across',
    async run(context) {
      const [a, b] = await context.pair()
      b.keepFrames = false
      let arrivedInOrder = 0
      b.onEvent = (event) => {
        if (event.type === 'frame' && context.number(event.frame) === arrivedInOrder) arrivedInOrder++
      }
      let taken = 0
      for (let round = 0; round < 5; round++) {
        const drains = a.count('drain', b)
        taken += fill(context, a, b, taken)
        await context.eventually(2 * context.promptMs, () => assert.equal(a.count('drain', b), drains + 1))
      }
      await context.eventually(2 * context.promptMs, () => assert.equal(b.frameCount(a), taken))
      if (context.capabilities.ordered) assert.equal(arrivedInOrder, taken)
    },
  },
  {
    number: 5,
    title: 'send may be called from every handler',
    async run(context) {
      const [a, b] = await Promise.all([context.start('a'), context.start('b')])
      const outcomes: boolean[] = []
      const last = 20
      // Each greets on up; then a frame goes back and forth, always answered from within onFrame.
      b.onEvent = (event) => {
        if (event.type === 'up') outcomes.push(b.system.send('a', context.frame(8, 0)))
      }
      for (const [party, other] of [
        [a, 'b'],
        [b, 'a'],
      ] as const) {
        const before = party.onEvent
        party.onEvent = (event) => {
          before?.(event)
          if (event.type !== 'frame') return
          const number = context.number(event.frame)
          if (number < last) outcomes.push(party.system.send(other, context.frame(8, number + 1)))
        }
      }
      await context.connect(a, b)
      await context.eventually(context.promptMs, () => assert.equal(a.frameCount(b) + b.frameCount(a), last + 1))
      assert.ok(outcomes.every(Boolean))
      let refused: boolean | undefined
      a.onEvent = (event) => {
        if (event.type === 'down') refused = a.system.send('b', context.frame(8, 1))
      }
      await b.stop()
      await context.eventually(context.promptMs, () => assert.equal(refused, false))
    },
  },
  {
    number: 7,
    title: 'for one who heeds send, a slow peer costs the high-water mark and one frame',
    skip: without('cut'),
    async run(context) {
      const [a, b] = await context.pair()
      const limit = context.options.highWaterMarkBytes + frameBytes(context) + 64
      await context.harness.cut?.('a', 'b')
      let taken = 0
      let drains = -1
      for (let turn = 0; turn < 20; turn++) {
        // The buffers of the operating system may take what was buffered: then there is room again, and it is filled again.
        if (a.count('drain', b) > drains) {
          drains = a.count('drain', b)
          taken += fill(context, a, b, taken)
        }
        const buffered = a.system.bufferedBytes('b')
        assert.ok(buffered <= limit, `${buffered} bytes are buffered; ${limit} are allowed`)
        await context.sleep(2)
      }
      assert.ok(a.system.bufferedBytes('b') > 0, 'nothing is buffered although nobody reads')
      await context.harness.restore?.('a', 'b')
      await context.eventually(2 * context.promptMs, () => assert.equal(b.frameCount(a), taken))
      await context.eventually(context.promptMs, () => assert.equal(a.system.bufferedBytes('b'), 0))
    },
  },
  {
    number: 7,
    title: 'a dead peer costs nothing, however much is sent to it',
    async run(context) {
      const [a, b] = await context.pair()
      await b.stop()
      await context.bothDown(a, b)
      const frame = context.frame(frameBytes(context), 1)
      for (let i = 0; i < 1_000; i++) assert.equal(a.system.send('b', frame), false)
      assert.equal(a.system.bufferedBytes('b'), 0)
      assert.equal(a.system.bufferedBytes('nobody'), 0)
    },
  },
  {
    number: 7,
    title: 'what was buffered for a peer that went down is let go',
    skip: without('cut'),
    async run(context) {
      const [a, b] = await context.pair()
      await context.harness.cut?.('a', 'b')
      fill(context, a, b)
      a.system.disconnect('b')
      assert.equal(a.system.bufferedBytes('b'), 0)
      await context.harness.restore?.('a', 'b')
      await context.sleep(20)
      assert.equal(a.count('drain'), 0, 'onDrain for a peer that is down')
    },
  },
]
