// Promises 3, 4, 6, 10 and 15: what happens to frames, and which bytes never become one.

import assert from 'node:assert/strict'
import { type MessagingContext, sameBytes } from './context.ts'
import type { Party } from './party.ts'
import type { MessagingCase } from './run.ts'
import { without } from './skips.ts'

const unordered = ({ capabilities }: MessagingContext): string | undefined =>
  capabilities.ordered ? undefined : 'the transport does not claim order (capability ordered)'

/** Sends without heeding anything but that the buffer has room; resolves when all were accepted. */
async function sendAll(context: MessagingContext, from: Party, to: Party, frames: Iterable<Uint8Array>): Promise<void> {
  for (const frame of frames) {
    if (from.system.send(to.nodeId, frame)) continue
    assert.ok(from.sees(to), `${to.nodeId} went down`)
    const drains = from.count('drain', to)
    await context.eventually(context.promptMs, () => {
      const drained = from.count('drain', to) > drains || from.system.bufferedBytes(to.nodeId) < context.options.highWaterMarkBytes / 2
      assert.ok(drained, 'no onDrain')
    })
  }
}

function* numbered(context: MessagingContext, count: number, sizeOf: (number: number) => number): Generator<Uint8Array> {
  for (let number = 0; number < count; number++) yield context.frame(sizeOf(number), number)
}

/** Of the frames that the other side takes this for: it must not come up, nor get anything. */
async function staysOut(context: MessagingContext, from: Party, to: Party): Promise<void> {
  const untilMs = context.runtime.monotonicMs() + 3 * context.options.maxReconnectDelayMs
  while (context.runtime.monotonicMs() < untilMs) {
    from.system.send(to.nodeId, context.frame(50, 1))
    await context.sleep(5)
  }
  assert.equal(to.frames().length, 0, 'a frame reached a process that it was not for')
  assert.equal(from.count('up'), 0, 'the wrong process was announced as up')
  assert.equal(to.count('up'), 0, 'a process that wanted somebody else was announced as up')
}

export const frameCases: readonly MessagingCase[] = [
  {
    number: 3,
    title: 'frames of every size from 1 byte to the limit arrive whole and unaltered, both ways',
    async run(context) {
      const [a, b] = await context.pair()
      const { maxFrameBytes } = context.capabilities
      const sizes = [
        1, 2, 3, 4, 5, 31, 127, 128, 129, 255, 256, 257, 1_000, 4_095, 4_096, 4_097, 16_384, 65_531, 65_532, 65_535, 65_536, 65_537,
        131_072, 200_003,
      ]
      const used = [...sizes.filter((size) => size < maxFrameBytes), maxFrameBytes - 1, maxFrameBytes]
      const frames = used.map((size, i) => context.frame(size, i))
      await Promise.all([sendAll(context, a, b, frames), sendAll(context, b, a, frames)])
      await context.eventually(4 * context.promptMs, () => {
        assert.equal(a.frames().length, frames.length)
        assert.equal(b.frames().length, frames.length)
      })
      for (const party of [a, b]) {
        for (const frame of frames) {
          assert.ok(
            party.frames().some((arrived) => sameBytes(arrived, frame)),
            `a frame of ${frame.byteLength} bytes did not arrive as it was sent`,
          )
        }
      }
    },
  },
  {
    number: 3,
    title: 'the limit itself arrives many times in a row',
    async run(context) {
      const [a, b] = await context.pair()
      const frames = Array.from({ length: 8 }, (_, i) => context.frame(context.capabilities.maxFrameBytes, i))
      await sendAll(context, a, b, frames)
      await context.eventually(4 * context.promptMs, () => assert.equal(b.frameCount(a), frames.length))
      for (const frame of frames) assert.ok(b.frames().some((arrived) => sameBytes(arrived, frame)))
    },
  },
  {
    number: 3,
    title: 'no frame disappears while the peer stays up',
    async run(context) {
      const [a, b] = await context.pair()
      const count = 5_000
      await sendAll(
        context,
        a,
        b,
        numbered(context, count, (number) => 8 + ((number * 37) % 700)),
      )
      await context.eventually(2 * context.promptMs, () => assert.equal(b.frameCount(a), count))
      const numbers = new Set(b.frames().map((frame) => context.number(frame)))
      assert.equal(numbers.size, count, 'some frames came twice, and others not at all')
      assert.ok(b.sees(a))
    },
  },
  {
    number: 3,
    title: 'the bytes belong to who received them, and the sender’s stay as they are',
    async run(context) {
      const [a, b] = await context.pair()
      const { maxFrameBytes } = context.capabilities
      const sizes = [20, 300, 5_000, Math.min(70_000, maxFrameBytes)]
      const sent = sizes.map((size, i) => context.frame(size, i))
      b.onEvent = (event) => {
        // Writing to a frame must not reach the next one, nor the sender.
        if (event.type === 'frame' && event.frame.byteLength === 20) event.frame.fill(0xee)
      }
      await sendAll(context, a, b, sent)
      await context.eventually(context.promptMs, () => assert.equal(b.frames().length, sizes.length))
      const received = b.frames().map((frame) => frame.slice())
      await sendAll(
        context,
        a,
        b,
        numbered(context, 200, () => 3_000),
      )
      await context.eventually(context.promptMs, () => assert.equal(b.frames().length, sizes.length + 200))
      for (const [i, size] of sizes.entries()) {
        assert.ok(sameBytes(sent[i] as Uint8Array, context.frame(size, i)), 'the transport wrote to a frame of the sender')
        assert.ok(
          sameBytes(b.frames()[i] as Uint8Array, received[i] as Uint8Array),
          'the transport wrote to a frame that had been received',
        )
        if (size !== 20) assert.ok(received.some((frame) => sameBytes(frame, sent[i] as Uint8Array)))
      }
    },
  },
  {
    number: 3,
    title: 'what a lost connection took with it was its end: nothing is missing in between, nothing comes later',
    skip: (context) => without('drop')(context) ?? unordered(context),
    async run(context) {
      const [a, b] = await context.pair()
      /** What was accepted, by the connection that it was accepted for. */
      const accepted: number[][] = []
      a.onEvent = (event) => {
        if (event.type === 'up') accepted.push([])
      }
      accepted.push([])
      let number = 0
      for (let round = 0; round < 4; round++) {
        await context.bothUp(a, b)
        for (let turn = 0; turn < 12; turn++) {
          for (let i = 0; i < 40; i++) {
            if (!a.sees(b)) break
            a.system.send('b', context.frame(8 + ((number * 131) % 2_000), number))
            accepted.at(-1)?.push(number++)
          }
          if (turn === 6) await context.harness.drop?.('a', 'b')
          await context.turn()
        }
        await context.sleep(5)
      }
      await context.bothUp(a, b)
      await context.exchange(a, b)
      for (const run of runs(context, b)) {
        const whole = accepted.find((numbers) => numbers[0] === run[0])
        assert.ok(whole !== undefined, `frame ${run[0]} came first, but was not the first that was accepted for a connection`)
        assert.deepEqual(run, whole.slice(0, run.length))
      }
    },
  },
  {
    number: 4,
    title: 'frames arrive in the order sent and once, in bursts and over many turns of the event loop',
    skip: unordered,
    async run(context) {
      const [a, b] = await context.pair()
      let number = 0
      for (let burst = 0; burst < 100; burst++) {
        const frames = []
        for (let i = 0; i < burst % 50; i++) frames.push(context.frame(4 + ((number * 101) % (burst % 10 === 0 ? 20_000 : 300)), number++))
        await sendAll(context, a, b, frames)
        if (burst % 3 === 0) await context.turn()
      }
      await context.eventually(2 * context.promptMs, () => assert.ok(b.frameCount(a) >= number, `${b.frameCount(a)} of ${number} frames`))
      await context.turn()
      const numbers = b.frames().map((frame) => context.number(frame))
      assert.deepEqual(
        numbers,
        Array.from({ length: number }, (_, i) => i),
      )
    },
  },
  {
    number: 4,
    title: 'without order, frames arrive all the same',
    skip: ({ capabilities }) => (capabilities.ordered ? 'the transport claims order: see the case before' : undefined),
    async run(context) {
      const [a, b] = await context.pair()
      await sendAll(
        context,
        a,
        b,
        numbered(context, 1_000, () => 100),
      )
      await context.eventually(2 * context.promptMs, () => {
        assert.equal(new Set(b.frames().map((frame) => context.number(frame))).size, 1_000)
      })
    },
  },
  {
    number: 6,
    title: 'send of a frame over the limit, or an empty one, throws a TypeError that names both sizes, and harms nothing',
    async run(context) {
      const [a, b] = await context.pair()
      const { maxFrameBytes } = context.capabilities
      for (const bytes of [maxFrameBytes + 1, 0]) {
        assert.throws(
          () => a.system.send('b', new Uint8Array(bytes)),
          (error: unknown) => {
            assert.ok(error instanceof TypeError, `${String(error)} is not a TypeError`)
            for (const size of [bytes, maxFrameBytes]) {
              assert.ok(new RegExp(`\\b${size}\\b`).test(error.message), `the error does not name ${size}: ${error.message}`)
            }
            return true
          },
        )
      }
      await context.exchange(a, b)
    },
  },
  {
    number: 10,
    title: 'a frame for another process of the node reaches nobody',
    async run(context) {
      const [a, b] = await Promise.all([context.start('a'), context.start('b')])
      await context.connect(a, b, { processId: 'a-process-that-is-gone' })
      await staysOut(context, a, b)
      await context.connect(a, b)
      await context.bothUp(a, b)
      await context.exchange(a, b)
    },
  },
  {
    number: 10,
    title: 'a frame from another cluster reaches nobody',
    async run(context) {
      const [a, b] = await Promise.all([context.start('a', { clusterId: 'another-cluster' }), context.start('b')])
      await context.connect(a, b)
      await staysOut(context, a, b)
    },
  },
  {
    number: 10,
    title: 'a later process at the same address gets nothing of what was meant for the one before it',
    async run(context) {
      const [a, old] = await context.pair()
      let number = 0
      const flood = () => {
        for (let i = 0; i < 50; i++) a.system.send('b', context.frame(200, number++))
      }
      flood()
      const stopped = old.stop()
      flood()
      await stopped
      const young = context.create('b', { sameAddressAs: old.address })
      await young.start()
      const untilMs = context.runtime.monotonicMs() + 3 * context.options.maxReconnectDelayMs
      while (context.runtime.monotonicMs() < untilMs) {
        flood()
        await context.sleep(5)
      }
      assert.equal(young.frames().length, 0, 'the later process got frames of the earlier one')
      await context.connect(a, young)
      await context.bothUp(a, young)
      await context.exchange(a, young)
    },
  },
  {
    number: 15,
    title: 'bytes of a stranger that are not the protocol crash nothing and become no event but a ProtocolError',
    skip: without('intrude'),
    async run(context) {
      const a = await context.start('a')
      const garbage = [
        Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
        new Uint8Array(8_192),
        new Uint8Array(8_192).fill(0xff),
        Uint8Array.of(1, 0, 0, 4, 67, 65, 74, 78),
        ...Array.from({ length: 20 }, (_, i) => context.frame(1 + i * 53, i)),
      ]
      for (const bytes of garbage) await context.harness.intrude?.(a.address, bytes)
      await context.eventually(context.promptMs, () => {
        assert.ok(
          a.errors().some((error) => (error as { code?: string }).code === 'PROTOCOL'),
          'no ProtocolError was reported',
        )
      })
      assert.equal(a.frames().length + a.count('up') + a.count('down'), 0)
      const b = await context.start('b')
      await context.connect(b, a)
      await context.bothUp(a, b)
      await context.exchange(a, b)
    },
  },
  {
    number: 15,
    title: 'malformed bytes on a connection close it with a ProtocolError, and a new one is made',
    skip: without('garble'),
    async run(context) {
      const [a, b] = await context.pair()
      await context.exchange(a, b)
      await context.harness.garble?.('a', 'b')
      await context.eventually(context.promptMs, () => {
        assert.ok(
          b.errors().some((error) => (error as { code?: string }).code === 'PROTOCOL'),
          'no ProtocolError was reported',
        )
        assert.equal(a.count('down', b), 1)
        assert.equal(b.count('down', a), 1)
      })
      await context.bothUp(a, b)
      assert.equal(b.frames().length, 1, 'garbage became a frame')
      await context.exchange(a, b)
    },
  },
]

/** The numbers that arrived between one news of the peer and the next. */
function runs(context: MessagingContext, party: Party): number[][] {
  const result: number[][] = [[]]
  for (const event of party.events) {
    if (event.type === 'up' || event.type === 'down') result.push([])
    else if (event.type === 'frame' && context.number(event.frame) < 7_000) result.at(-1)?.push(context.number(event.frame))
  }
  return result.filter((run) => run.length > 0)
}
