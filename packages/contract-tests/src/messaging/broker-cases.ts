// Promises 3, 4, 8, 9 and 14 when everything leads through a broker, and the broker itself fails.

import assert from 'node:assert/strict'
import type { MessagingContext } from './context.ts'
import type { Party } from './party.ts'
import type { MessagingCase } from './run.ts'
import { without } from './skips.ts'

/** Up again by itself once the broker answers: attempts that hung, their time-outs, and waits. */
function backMs({ options, promptMs }: MessagingContext): number {
  return 3 * promptMs + 2 * options.maxReconnectDelayMs
}

/** Sends on and on, numbered, until told to end; resolves with how many were taken. */
async function stream(context: MessagingContext, from: Party, to: Party, running: () => boolean): Promise<number> {
  let number = 0
  while (running()) {
    for (let i = 0; i < 20; i++) if (from.sees(to) && from.system.send(to.nodeId, context.frame(200, number))) number++
    await context.sleep(1)
  }
  return number
}

export const brokerCases: readonly MessagingCase[] = [
  {
    number: 8,
    title: 'when the broker is killed in the middle of traffic both sides are told, and come back with it without being asked',
    skip: without('broker'),
    async run(context) {
      const [a, b] = await context.pair()
      let running = true
      const sending = stream(context, a, b, () => running)
      await context.eventually(context.promptMs, () => assert.ok(b.frameCount(a) > 100))
      await context.harness.broker?.kill()
      await context.bothDown(a, b)
      await context.harness.broker?.restart()
      await context.bothUp(a, b, backMs(context))
      const before = b.frameCount(a)
      await context.eventually(context.promptMs, () => assert.ok(b.frameCount(a) > before + 100))
      running = false
      await sending
      await context.exchange(a, b)
      assert.equal(a.count('up', b), 2)
      assert.equal(b.count('up', a), 2)
      if (!context.capabilities.ordered) return
      const numbers = b.frames(a).map((frame) => context.number(frame))
      // What was lost was the end of what the first connection carried; nothing came twice, and nothing late.
      for (const [i, number] of numbers.entries()) {
        if (i > 0 && number < 7_000) assert.ok(number > (numbers[i - 1] as number), `${number} came after ${numbers[i - 1]}`)
      }
    },
  },
  {
    number: 9,
    title: 'a frozen broker is found within the heartbeat time-out, and all is well when it goes on',
    skip: without('broker'),
    async run(context) {
      const [a, b] = await context.pair()
      await context.exchange(a, b)
      await context.harness.broker?.freeze()
      await context.bothDown(a, b, context.options.heartbeatTimeoutMs)
      await context.harness.broker?.thaw()
      await context.bothUp(a, b, backMs(context))
      await context.exchange(a, b)
      assert.equal(a.frames(b).length + b.frames(a).length, 4, 'a frame was repeated')
    },
  },
  {
    number: 14,
    title: 'stop is bounded when the broker is frozen, and when it is gone',
    skip: without('broker'),
    async run(context) {
      const [a, b] = await context.pair()
      await context.harness.broker?.freeze()
      a.system.send('b', context.frame(1_000, 1))
      await context.within(context.promptMs, 'stop with a frozen broker', a.stop())
      await context.harness.broker?.kill()
      await context.within(context.promptMs, 'stop without a broker', b.stop())
      await context.harness.broker?.restart()
    },
  },
]
