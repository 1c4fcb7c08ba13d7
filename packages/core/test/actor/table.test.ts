// The table as the cluster uses it: delivery, the gate, sealing, shipping, discarding.

import { expect, test } from 'vitest'
import type { Cell } from '../../src/actor/cell.ts'
import { currentTurn } from '../../src/actor/current-turn.ts'
import { type ActorDefinition, defineActor } from '../../src/actor/definition.ts'
import type { Destination } from '../../src/actor/destination.ts'
import { ActorHost } from '../../src/actor/host.ts'
import { tellCell } from '../../src/actor/local-delivery.ts'
import { ActorTable, type ActorTableOptions } from '../../src/actor/table.ts'
import { AskCycleError } from '../../src/errors.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'
import { FakeMessage, type LogLine, latch, recordingLogger } from './support.ts'

const nowhere: Destination = { tell: () => false, send: async () => {}, ask: async () => undefined, ready: async () => {} }

function openTable(definition: ActorDefinition, options: ActorTableOptions = {}) {
  const runtime = new ManualRuntime()
  const logs: LogLine[] = []
  const letters: unknown[] = []
  const host = new ActorHost({
    runtime,
    refs: nowhere,
    logger: recordingLogger(logs),
    strict: true,
    onDeadLetter: (letter) => letters.push(letter),
  })
  const newTable = (): ActorTable => new ActorTable(host, definition, { activateOnMessage: true, ...options })
  return { runtime, host, logs, letters, newTable, table: newTable() }
}

const events: string[] = []
const Child = defineActor('child', { state: () => ({ n: 0 }), messages: { add: (ctx) => ++ctx.state.n } })
const Actor = defineActor('actor', {
  state: (id: string) => ({ id, n: 0, bad: undefined as unknown }),
  children: [Child],
  mailbox: { limit: 2 },
  onStart: () => void events.push('start'),
  onStop: (_ctx, reason) => void events.push(`stop ${reason}`),
  messages: {
    add: (ctx) => ++ctx.state.n,
    wait: (ctx, gate: { promise: Promise<void> }) => gate.promise.then(() => ++ctx.state.n),
    keep: (ctx) => ctx.stash(),
    release: (ctx) => ctx.unstash(),
    spawn: (ctx) => void ctx.spawn(Child, 'kid'),
    later: (ctx) => ctx.timers.once('add', 1_000),
    close: (ctx) => ctx.become('closed'),
    spoil(ctx) {
      ctx.state.bad = () => {}
    },
    boom: () => Promise.reject(new Error('boom')),
  },
  behaviours: { closed: { add: () => -1 } },
})

test('the first message brings an actor to life, and begins before it is handled', async () => {
  const t = openTable(Actor)
  const message = new FakeMessage('add')
  message.isAsk = true
  expect(t.table.deliver('a', undefined, message)).toBe(true)
  await t.runtime.settle()
  expect(message.events).toEqual(['begin', 'handled'])
  expect(message.reply).toBe(1)
  expect(t.table.ids(undefined, 10)).toEqual(['a'])
})

test('without activateOnMessage a message for nobody is refused', () => {
  const t = openTable(Actor, { activateOnMessage: false })
  const message = new FakeMessage('add')
  t.table.deliver('a', undefined, message)
  expect(message.events).toEqual(['refused stopped'])
})

test('a message whose begin says no is skipped', async () => {
  const t = openTable(Actor)
  const skipped = new FakeMessage('add')
  skipped.beginsAs = false
  const counted = new FakeMessage('add')
  t.table.deliver('a', undefined, skipped)
  t.table.deliver('a', undefined, counted)
  await t.runtime.settle()
  expect(skipped.events).toEqual(['begin'])
  expect(counted.reply).toBe(1)
})

test('a full mailbox does not take reliable messages, and says once when there is room', async () => {
  const rooms: string[] = []
  const t = openTable(Actor, { onRoom: (id) => rooms.push(id) })
  const taken = [1, 2, 3, 4].map(() => t.table.deliver('a', undefined, new FakeMessage('add')))
  expect(taken).toEqual([true, true, false, false])
  const unreliable = new FakeMessage('add')
  unreliable.isReliable = false
  expect(t.table.deliver('a', undefined, unreliable)).toBe(true)
  expect(unreliable.events).toEqual(['refused mailbox-full'])
  await t.runtime.settle()
  expect(rooms).toEqual(['a'])
})

test('a run of turns that the gate ends leaves none behind', async () => {
  let isOpen = true
  const Closing = defineActor('closing', {
    messages: {
      close() {
        isOpen = false
      },
    },
  })
  const t = openTable(Closing, { gate: { mayRun: () => isOpen } })
  t.table.start('a')
  await t.runtime.settle()
  const cell = t.table.find('a', undefined) as Cell
  tellCell(cell, 'close', undefined, undefined)
  tellCell(cell, 'close', undefined, undefined)
  await t.runtime.settle()
  expect([cell.queued, currentTurn.activation]).toEqual([1, undefined])
})

test('a message begins and ends in no turn, also when a plain one was before it', async () => {
  const t = openTable(Actor)
  t.table.start('a')
  await t.runtime.settle()
  const cell = t.table.find('a', undefined) as Cell
  const turns: unknown[] = []
  class Watched extends FakeMessage {
    override begin(): boolean {
      turns.push(currentTurn.activation)
      return super.begin()
    }
    override handled(reply: unknown): void {
      turns.push(currentTurn.activation)
      super.handled(reply)
    }
  }
  tellCell(cell, 'add', undefined, undefined)
  t.table.deliver('a', undefined, new Watched('add'))
  await t.runtime.settle()
  expect(turns).toEqual([undefined, undefined])
})

test('nothing runs while the gate is closed, timers and hooks included; wake goes on in order', async () => {
  let isOpen = true
  const t = openTable(Actor, { gate: { mayRun: () => isOpen } })
  t.table.deliver('a', undefined, new FakeMessage('later'))
  await t.runtime.settle()
  events.length = 0
  isOpen = false
  const message = new FakeMessage('add')
  t.table.deliver('a', undefined, message)
  t.table.start('b')
  await t.runtime.advanceAndSettle(2_000)
  expect(message.events).toEqual([])
  expect(events).toEqual([])
  isOpen = true
  t.table.wake()
  await t.runtime.settle()
  expect(message.reply).toBe(1)
  expect(events).toEqual(['start'])
  const after = new FakeMessage('add')
  t.table.deliver('a', undefined, after)
  await t.runtime.settle()
  expect(after.reply).toBe(3)
})

test('sealing waits for the turn in hand, returns what is queued and starts nothing more', async () => {
  const t = openTable(defineActor('waits', { messages: { wait: async () => gate.promise, add: () => 1 } }))
  const gate = latch()
  const inHand = new FakeMessage('wait')
  const queued = new FakeMessage('add')
  t.table.deliver('a', undefined, inHand)
  await t.runtime.settle()
  t.table.deliver('a', undefined, queued)
  let isSealed = false
  t.table.seal().then(() => {
    isSealed = true
  })
  await t.runtime.settle()
  expect([isSealed, queued.events]).toEqual([false, []])
  const late = new FakeMessage('add')
  t.table.deliver('a', undefined, late)
  expect(late.events).toEqual(['returned'])
  gate.open()
  await t.runtime.settle()
  expect(isSealed).toBe(true)
  expect(inHand.events).toEqual(['begin', 'handled'])
  expect(queued.events).toEqual(['returned'])
})

test('a shipped actor goes on where it was: state, stash, timers, behaviour and children, without hooks', async () => {
  const t = openTable(Actor)
  for (const type of ['add', 'keep', 'spawn', 'later', 'close']) {
    t.table.deliver('a', undefined, new FakeMessage(type))
    await t.runtime.settle()
  }
  t.table.deliver('a', 'kid', new FakeMessage('add'))
  await t.runtime.advanceAndSettle(400)
  events.length = 0
  await t.table.seal()
  const shipped = structuredClone([...t.table.export()])
  t.table.discard('moved')
  expect(t.table.size).toBe(0)
  const target = t.newTable()
  const revived: FakeMessage[] = []
  for (const snapshot of shipped) {
    target.install(snapshot, (data) => {
      const message = new FakeMessage((data as { type: string }).type)
      revived.push(message)
      return message
    })
  }
  expect(shipped[0]).toMatchObject({ state: { n: 1 }, behaviour: 'closed', timers: [{ type: 'add', remainingMs: 600 }] })
  const add = new FakeMessage('add')
  add.isAsk = true
  target.deliver('a', undefined, add)
  const kid = new FakeMessage('add')
  target.deliver('a', 'kid', kid)
  await t.runtime.settle()
  expect([add.reply, kid.reply]).toEqual([-1, 2])
  expect(events).toEqual([])
  target.deliver('a', undefined, new FakeMessage('release'))
  await t.runtime.settle()
  // It began on the other side, and is kept again by the same handler.
  expect(revived.map((message) => message.events)).toEqual([[]])
  await t.runtime.advanceAndSettle(1_000)
  expect(t.host.counters.turns).toBeGreaterThan(8)
})

test('state that the codec refuses is reported, and the actor starts afresh on the other side', async () => {
  const refused: string[] = []
  const t = openTable(Actor, { onStateRefused: (id) => refused.push(id) })
  t.table.deliver('a', undefined, new FakeMessage('spoil'))
  t.table.deliver('a', undefined, new FakeMessage('add'))
  await t.runtime.settle()
  await t.table.seal()
  const [snapshot] = [...t.table.export()]
  expect(refused).toEqual(['a'])
  expect(snapshot).toMatchObject({ id: 'a', fresh: true })
  const target = t.newTable()
  target.install(structuredClone(snapshot) as never, () => new FakeMessage('never'))
  const add = new FakeMessage('add')
  target.deliver('a', undefined, add)
  await t.runtime.settle()
  expect(add.reply).toBe(1)
})

// Found by the simulation (seed 118 of a schedule of pauses, with sixty watches): a local message was in nobody's hands any more until its deadline.
test('what is discarded while a turn in hand holds up its sealing gives back every message, and ends what was stashed: nothing of it was shipped', async () => {
  const t = openTable(Actor)
  const [stashed, inHand, queued] = [new FakeMessage('keep'), new FakeMessage('wait', latch()), new FakeMessage('add')]
  for (const message of [stashed, inHand]) t.table.deliver('a', undefined, message)
  await t.runtime.settle()
  t.table.deliver('a', undefined, queued)
  void t.table.seal()
  await t.runtime.settle()
  t.table.discard('another owner was named')
  await t.runtime.settle()
  expect(queued.events).toEqual(['returned'])
  expect(inHand.events.at(-1)).toBe('returned')
  expect(stashed.events.at(-1)).toBe('failed')
})

test('unsealing goes on where it was, timers included', async () => {
  const t = openTable(Actor)
  for (const type of ['add', 'later', 'spoil']) {
    t.table.deliver('a', undefined, new FakeMessage(type))
    await t.runtime.settle()
  }
  await t.table.seal()
  await t.runtime.advanceAndSettle(2_000)
  await t.table.unseal()
  await t.runtime.settle()
  const add = new FakeMessage('add')
  t.table.deliver('a', undefined, add)
  await t.runtime.settle()
  expect(add.reply).toBe(3)
})

// Found by the simulation (seed 3442 with its faults chosen): what had fired was dropped, and a periodic timer never fired again.
test('unsealing goes on with timers that had fired and not been handled', async () => {
  const gate = latch()
  const ticks: number[] = []
  const Ticking = defineActor('ticking', {
    onStart(ctx) {
      ctx.timers.once('tick', 1_000, 1, 'once')
      ctx.timers.every('tick', 1_000, 2, 'every')
    },
    messages: { tick: (_ctx, which: number) => void ticks.push(which), wait: () => gate.promise },
  })
  const t = openTable(Ticking)
  t.table.deliver('a', undefined, new FakeMessage('wait'))
  await t.runtime.advanceAndSettle(1_500)
  const sealed = t.table.seal()
  gate.open()
  await sealed
  const [snapshot] = t.table.export()
  expect(snapshot?.timers.map(({ key, remainingMs }) => [key, remainingMs])).toEqual([
    ['once', 0],
    ['every', 0],
  ])
  expect(snapshot?.waiting).toEqual([])
  await t.table.unseal()
  await t.runtime.settle()
  expect(ticks).toEqual([1, 2])
  await t.runtime.advanceAndSettle(500)
  expect(ticks).toEqual([1, 2, 2])
})

test('discarding runs no hooks, returns everything, the message in hand too, and ignores late results', async () => {
  const gate = latch()
  let isAborted = false
  const t = openTable(
    defineActor('waits', {
      onStop: () => void events.push('never'),
      messages: {
        wait(ctx) {
          ctx.signal.addEventListener('abort', () => {
            isAborted = true
          })
          return gate.promise
        },
        add: () => 1,
      },
    }),
  )
  events.length = 0
  const inHand = new FakeMessage('wait')
  const queued = new FakeMessage('add')
  t.table.deliver('a', undefined, inHand)
  await t.runtime.settle()
  t.table.deliver('a', undefined, queued)
  t.table.discard('superseded')
  expect([inHand.events, queued.events, isAborted, t.table.size]).toEqual([['begin', 'returned'], ['returned'], true, 0])
  gate.open()
  await t.runtime.settle()
  expect(inHand.events).toEqual(['begin', 'returned'])
  expect(events).toEqual([])
  expect(t.host.counters.actors).toBe(0)
})

test('one actor can be taken out while its neighbours go on', async () => {
  const t = openTable(Actor)
  const message = new FakeMessage('add')
  t.table.deliver('a', undefined, message)
  t.table.deliver('b', undefined, new FakeMessage('add'))
  await t.runtime.settle()
  const extracted = t.table.extract('a')
  expect(t.table.deliver('a', undefined, new FakeMessage('add'))).toBe(false)
  const neighbour = new FakeMessage('add')
  t.table.deliver('b', undefined, neighbour)
  await t.runtime.settle()
  expect(await extracted).toMatchObject({ id: 'a', fresh: false, state: { n: 1 } })
  expect(neighbour.reply).toBe(2)
  expect(t.table.has('a')).toBe(false)
  expect(await t.table.extract('nobody')).toBeUndefined()
})

test('a message for a child waits for the activation of its parent, and keeps its place', async () => {
  const Parent = defineActor('parent', {
    async onStart(ctx) {
      await Promise.resolve()
      ctx.spawn(Child, 'kid')
    },
    messages: { read: () => 1 },
  })
  const t = openTable(Parent)
  const messages = [1, 2, 3].map(() => new FakeMessage('add'))
  for (const message of messages) t.table.deliver('p', 'kid', message)
  const nobody = new FakeMessage('add')
  t.table.deliver('p', 'nobody', nobody)
  await t.runtime.settle()
  expect(messages.map((message) => message.reply)).toEqual([1, 2, 3])
  expect(nobody.events).toEqual(['refused stopped'])
})

test('an ask whose chain names the running turn is refused as a cycle', async () => {
  const asked: { chain?: readonly string[] | undefined }[] = []
  const gate = latch()
  const refs: Destination = { ...nowhere, ask: async (_address, _type, _payload, options) => void asked.push(options ?? {}) }
  const runtime = new ManualRuntime()
  const host = new ActorHost({ runtime, refs, strict: true })
  const definition = defineActor('asks', {
    messages: {
      async go(ctx) {
        await ctx.ref('other', 'x').ask('y')
        await gate.promise
      },
      back: () => 1,
    },
  })
  const table = new ActorTable(host, definition, { activateOnMessage: true })
  const outer = new FakeMessage('go')
  outer.chain = ['elsewhere/1#z']
  table.deliver('a', undefined, outer)
  await runtime.settle()
  const chain = asked[0]?.chain ?? []
  expect(chain[0]).toBe('elsewhere/1#z')
  expect(chain[1]).toMatch(/^asks\/a#/)
  const back = new FakeMessage('back')
  back.chain = chain
  table.deliver('a', undefined, back)
  expect(back.events).toEqual(['refused ask-cycle'])
  expect(back.error).toBeInstanceOf(AskCycleError)
  gate.open()
})

test('after passivation the next message starts a new activation', async () => {
  const Idle = defineActor('idle', { idleTimeoutMs: 100, state: () => ({ n: 0 }), messages: { add: (ctx) => ++ctx.state.n } })
  const t = openTable(Idle)
  t.table.deliver('a', undefined, new FakeMessage('add'))
  await t.runtime.advanceAndSettle(300)
  expect(t.table.size).toBe(0)
  const again = new FakeMessage('add')
  t.table.deliver('a', undefined, again)
  await t.runtime.settle()
  expect(again.reply).toBe(1)
})

test('ids are paged in the order of activation, each once', () => {
  const t = openTable(Actor, { gate: { mayRun: () => false } })
  const all = Array.from({ length: 25 }, (_, i) => `id-${i}`)
  for (const id of all) t.table.start(id)
  const paged: string[] = []
  for (let page = t.table.ids(undefined, 10); page.length > 0; page = t.table.ids(page.at(-1), 10)) paged.push(...page)
  expect(paged).toEqual(all)
  expect(t.table.ids('id-3', 2)).toEqual(['id-4', 'id-5'])
})

test('a failing message gets an ActorFailedError with its cause', async () => {
  const t = openTable(Actor)
  const boom = new FakeMessage('boom')
  t.table.deliver('a', undefined, boom)
  await t.runtime.settle()
  expect(boom.events).toEqual(['begin', 'failed'])
  expect(boom.error).toMatchObject({ code: 'ACTOR_FAILED', actor: 'actor/a', cause: new Error('boom') })
})

// Found by the simulation (seed 594): the actor ran no turn any more after the aborted handoff.
test('an actor whose idle time passes while its table is sealed goes on after unsealing, and is passivated later', async () => {
  const hooks: string[] = []
  const Idle = defineActor('idle', {
    state: () => ({ n: 0 }),
    idleTimeoutMs: 100,
    onPassivate: () => void hooks.push('passivate'),
    messages: { add: (ctx) => ++ctx.state.n },
  })
  const t = openTable(Idle)
  const deliver = async (): Promise<unknown> => {
    const message = new FakeMessage('add')
    message.isAsk = true
    expect(t.table.deliver('a', undefined, message)).toBe(true)
    await t.runtime.settle()
    return message.reply
  }
  expect(await deliver()).toBe(1)
  await t.table.seal()
  await t.runtime.advanceAndSettle(500)
  await t.table.unseal()
  expect(await deliver()).toBe(2)
  expect(hooks).toEqual([])
  await t.runtime.advanceAndSettle(500)
  expect(hooks).toEqual(['passivate'])
})
