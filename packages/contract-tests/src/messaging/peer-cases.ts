// Promises 1, 2, 11, 12, 16 and 17: being reached, and by whom.

import assert from 'node:assert/strict'
import { newIdentity } from '@cajun/core/adapter'
import type { MessagingContext } from './context.ts'
import type { Party } from './party.ts'
import type { MessagingCase } from './run.ts'
import { without } from './skips.ts'

/** Long enough for several attempts to connect, if somebody made them. */
function severalAttempts(context: MessagingContext): Promise<void> {
  return context.sleep(3 * context.options.maxReconnectDelayMs)
}

export const peerCases: readonly MessagingCase[] = [
  {
    number: 1,
    title: 'start resolves with an address under which peers reach this process',
    async run(context) {
      const [a, b] = await context.pair()
      assert.ok(a.address.length > 0 && b.address.length > 0)
      assert.notEqual(a.address, b.address)
      await context.exchange(a, b)
    },
  },
  {
    number: 1,
    title: 'start rejects with a TransportError that names the address when it is taken',
    skip: without('fixedAddresses'),
    async run(context) {
      const a = await context.start('a')
      const b = context.create('b', { sameAddressAs: a.address })
      const error = await context.rejection(context.promptMs, 'start on a taken address', b.start())
      assert.equal(error.code, 'TRANSPORT')
      assert.ok(error.message.includes(a.address), `the error does not name ${a.address}: ${error.message}`)
      // The one that had it is not disturbed.
      const c = await context.start('c')
      await context.connect(c, a)
      await context.bothUp(a, c)
    },
  },
  {
    number: 2,
    title: 'after connect on one side both get onPeerUp with the exact node and process id of the other',
    async run(context) {
      const [a, b] = await context.pair()
      for (const [party, other] of [
        [a, b],
        [b, a],
      ] as const) {
        const [first] = party.events
        assert.equal(first?.type, 'up')
        assert.equal(first.peer.nodeId, other.identity.nodeId)
        assert.equal(first.peer.processId, other.identity.processId)
        assert.equal(party.count('up'), 1)
      }
      await context.exchange(a, b)
    },
  },
  {
    number: 2,
    title: 'nobody is up before somebody is there',
    async run(context) {
      const a = await context.start('a')
      const b = context.create('b')
      await b.start()
      await b.stop()
      await context.connect(a, b)
      await severalAttempts(context)
      assert.equal(a.count('up'), 0)
    },
  },
  {
    number: 2,
    title: 'connect is idempotent, and a process may have many peers',
    async run(context) {
      const hub = await context.start('hub')
      const others = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((nodeId) => context.start(nodeId)))
      for (const other of others) {
        await context.connect(other, hub)
        await context.connect(other, hub)
      }
      for (const other of others) await context.bothUp(hub, other)
      for (const other of others) await context.connect(other, hub)
      for (const other of others) await context.exchange(hub, other)
      for (const other of others) assert.equal(other.count('up'), 1)
    },
  },
  {
    number: 11,
    title: 'when both sides connect at once, both see the other up and frames arrive once',
    async run(context) {
      const [a, b] = await Promise.all([context.start('a'), context.start('b')])
      for (let round = 1; round <= 10; round++) {
        await Promise.all([context.connect(a, b), context.connect(b, a)])
        await context.bothUp(a, b)
        await context.turn()
        await context.bothUp(a, b)
        const number = 100 * round
        assert.ok(a.system.send('b', context.frame(100, number)))
        assert.ok(b.system.send('a', context.frame(100, number)))
        await context.eventually(context.promptMs, () => {
          for (const party of [a, b]) {
            const copies = party.frames().filter((frame) => context.number(frame) === number).length
            assert.equal(copies, 1, `${copies} copies of a frame in round ${round}`)
          }
        })
        a.system.disconnect('b')
        b.system.disconnect('a')
        await context.bothDown(a, b)
      }
      for (const party of [a, b]) {
        const numbers = party.frames().map((frame) => context.number(frame))
        assert.equal(new Set(numbers).size, numbers.length, 'a frame was repeated')
      }
    },
  },
  {
    number: 11,
    title: 'when both sides connect at once, one connection remains, and it lasts',
    skip: without('connections'),
    async run(context) {
      const [a, b] = await Promise.all([context.start('a'), context.start('b')])
      await Promise.all([context.connect(a, b), context.connect(b, a)])
      await context.bothUp(a, b)
      await context.eventually(context.promptMs, () => assert.equal(context.harness.connections?.('a', 'b'), 1))
      const news = a.events.length + b.events.length
      await severalAttempts(context)
      assert.equal(a.events.length + b.events.length, news, 'the connection did not last')
      assert.equal(context.harness.connections?.('a', 'b'), 1)
    },
  },
  {
    number: 12,
    title: 'disconnect ends the connection for both, and the attempts of both',
    async run(context) {
      const [a, b] = await context.pair()
      a.system.disconnect('b')
      await context.bothDown(a, b)
      assert.equal(a.system.send('b', context.frame(10, 1)), false)
      await severalAttempts(context)
      assert.ok(!a.sees(b) && !b.sees(a))
      assert.equal(a.count('down', b), 1)
      assert.equal(b.count('down', a), 1)
    },
  },
  {
    number: 12,
    title: "a disconnected process's own attempts are refused until connect names it again",
    async run(context) {
      const [a, b] = await context.pair()
      // a wants b; b puts a out.
      b.system.disconnect('a')
      await context.bothDown(a, b)
      await severalAttempts(context)
      assert.ok(!a.sees(b) && !b.sees(a), 'the process came back although it had been disconnected')
      await context.connect(b, a)
      await context.bothUp(a, b)
      await context.exchange(a, b)
    },
  },
  {
    number: 12,
    title: 'disconnect of an unknown node, and twice, does nothing',
    async run(context) {
      const [a, b] = await context.pair()
      a.system.disconnect('nobody')
      await context.exchange(a, b)
      a.system.disconnect('b')
      a.system.disconnect('b')
      await context.bothDown(a, b)
      assert.equal(a.count('down', b), 1)
    },
  },
  ...(['a', 'b'] as const).map(
    (wanting): MessagingCase => ({
      number: 16,
      title: `a new process of a node gives down for the old and up for the new (${wanting === 'a' ? 'this side' : 'the other side'} had connected)`,
      async run(context) {
        const [a, old] = await Promise.all([context.start('a'), context.start('b')])
        if (wanting === 'a') await context.connect(a, old)
        else await context.connect(old, a)
        await context.bothUp(a, old)
        await old.stop()
        const young = await context.start('b')
        await context.connect(young, a)
        await context.bothUp(a, young)
        assert.deepEqual(news(a), [`up ${old.identity.processId}`, `down ${old.identity.processId}`, `up ${young.identity.processId}`])
        await context.exchange(a, young)
      },
    }),
  ),
  {
    number: 16,
    title: 'connect with a new process id replaces the old process, which stays out',
    async run(context) {
      const [a, old] = await context.pair()
      await context.connect(old, a)
      const young = await context.start('b')
      await context.connect(a, young)
      await context.bothUp(a, young)
      await context.bothDown(a, old)
      await severalAttempts(context)
      assert.deepEqual(news(a), [`up ${old.identity.processId}`, `down ${old.identity.processId}`, `up ${young.identity.processId}`])
      await context.exchange(a, young)
    },
  },
  {
    number: 16,
    title: 'while the process that connect named is up, no other one of its node takes its place',
    async run(context) {
      const [a, named] = await context.pair()
      const stranger = await context.start('b')
      await context.connect(stranger, a)
      await severalAttempts(context)
      assert.equal(stranger.count('up'), 0)
      assert.deepEqual(news(a), [`up ${named.identity.processId}`])
      await context.exchange(a, named)
    },
  },
  ...(['a', 'b'] as const).map(
    (wanting): MessagingCase => ({
      number: 17,
      title: `a process that takes a new process id is another one to its peers (${wanting === 'a' ? 'it connects to them' : 'they connect to it'})`,
      async run(context) {
        const [a, b] = await context.pair()
        const former = a.identity.processId
        a.system.disconnect(b.nodeId)
        await context.bothDown(a, b)
        a.identity.processId = newIdentity(context.runtime)
        // Also where the peer dials, it is let in only once it is named again.
        if (wanting === 'a') await context.connect(a, b)
        else await Promise.all([context.connect(a, b), context.connect(b, a)])
        await context.bothUp(a, b)
        assert.deepEqual(news(b), [`up ${former}`, `down ${former}`, `up ${a.identity.processId}`])
        await context.exchange(a, b)
      },
    }),
  ),
]

function news(party: Party): string[] {
  return party.events.flatMap((event) => (event.type === 'up' || event.type === 'down' ? [`${event.type} ${event.peer.processId}`] : []))
}
