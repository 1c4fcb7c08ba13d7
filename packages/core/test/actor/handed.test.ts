// A plain message for an idle actor is in its activation's hand and not in the mailbox: nobody may notice, whatever happens before its turn begins.

import { expect, test } from 'vitest'
import { type Cell, HANDED } from '../../src/actor/cell.ts'
import type { Context } from '../../src/actor/context.ts'
import type { DeadLetter } from '../../src/actor/dead-letter.ts'
import { type ActorOptions, defineActor } from '../../src/actor/definition.ts'
import type { Destination } from '../../src/actor/destination.ts'
import { ActorHost } from '../../src/actor/host.ts'
import { tellCell } from '../../src/actor/local-delivery.ts'
import type { ActorRef } from '../../src/actor/ref.ts'
import { ActorTable, type ActorTableOptions } from '../../src/actor/table.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'
import { FakeMessage, latch, openSystem, recordingLogger } from './support.ts'

/** Writes down what it handles; `ctx` is that of its last turn. */
function listing(options: ActorOptions<undefined> = {}) {
  const events: string[] = []
  const seen: { ctx?: Context<undefined> } = {}
  const definition = defineActor('listing', {
    ...options,
    messages: {
      note(ctx, what: string) {
        seen.ctx = ctx as Context<undefined>
        events.push(what)
      },
      keep: (ctx, what: string) => {
        if (events.includes(`kept ${what}`)) events.push(what)
        else {
          events.push(`kept ${what}`)
          ctx.stash()
        }
      },
    },
    schemas: {
      keep: { '~standard': { version: 1, vendor: 'test', validate: (value) => (typeof value === 'string' ? { value } : { issues: [] }) } },
    },
  })
  return { definition, events, seen }
}

/** An actor of a local system that has come to life and has nothing to do. */
async function openIdle(options: ActorOptions<undefined> = {}) {
  const { definition, events, seen } = listing(options)
  const opened = openSystem()
  const ref = opened.system.spawn(definition, 'a')
  ref.tell('note', 'first')
  await opened.runtime.settle()
  events.length = 0
  return { ...opened, ref, events, ctx: seen.ctx as Context<undefined> }
}

function hand(ref: ActorRef, what: string): void {
  expect(ref.tell('note', what)).toBe(true)
  const cell = ref.findCell() as Cell
  expect([cell.flags & HANDED, cell.mailbox]).toEqual([HANDED, undefined])
}

const reasons = (letters: readonly DeadLetter[]): string[] => letters.map(({ payload, reason }) => `${payload} ${reason}`)

test('it is the oldest of the queue, and counts as queued', async () => {
  await using t = await openIdle()
  hand(t.ref, 'x')
  t.ref.tell('note', 'y')
  const asked = t.ref.ask('note', 'z')
  expect(t.system.metrics().mailboxDepth).toBe(3)
  await t.runtime.settle()
  await asked
  expect(t.events).toEqual(['x', 'y', 'z'])
})

test('an actor that is stopped before the turn refuses it, and what came behind', async () => {
  await using t = await openIdle()
  hand(t.ref, 'x')
  t.ref.tell('note', 'y')
  await t.system.stop(t.ref)
  expect(reasons(t.letters)).toEqual(['x stopped', 'y stopped'])
  await t.runtime.settle()
  expect(t.events).toEqual([])
})

test('limit and high water count it', async () => {
  await using t = await openIdle({ mailbox: { limit: 3, highWater: 2 } })
  hand(t.ref, 'x')
  expect(t.ref.tell('note', 'y')).toBe(false)
  t.ref.tell('note', 'z')
  t.ref.tell('note', 'too many')
  expect(reasons(t.letters)).toEqual(['too many mailbox-full'])
  await t.runtime.settle()
  expect(t.events).toEqual(['x', 'y', 'z'])
})

test('a mailbox of one takes one', async () => {
  await using t = await openIdle({ mailbox: { limit: 1 } })
  expect(t.ref.tell('note', 'x')).toBe(false)
  expect(t.ref.tell('note', 'y')).toBe(false)
  expect(reasons(t.letters)).toEqual(['y mailbox-full'])
  await t.runtime.settle()
  expect(t.events).toEqual(['x'])
})

test('drop-oldest drops it', async () => {
  await using t = await openIdle({ mailbox: { limit: 2, highWater: 2, policy: 'drop-oldest' } })
  hand(t.ref, 'x')
  t.ref.tell('note', 'y')
  t.ref.tell('note', 'z')
  expect(reasons(t.letters)).toEqual(['x mailbox-full'])
  await t.runtime.settle()
  expect(t.events).toEqual(['y', 'z'])
})

test('what is refused leaves the hand', async () => {
  await using t = await openIdle()
  t.ref.tell('unheard of' as 'note', 'x')
  await t.runtime.settle()
  t.ref.tell('keep', 7 as never)
  await t.runtime.settle()
  expect(reasons(t.letters)).toEqual(['x unknown-message', '7 invalid-payload'])
  hand(t.ref, 'y')
  await t.runtime.settle()
  expect(t.events).toEqual(['y'])
})

test('the late part of an earlier turn does not see it', async () => {
  await using t = await openIdle()
  const seen: unknown[] = []
  const Other = defineActor('other', {
    messages: {
      pass(ctx) {
        ctx.ref('listing', 'a').tell('note', 'x')
        seen.push((t.ref.findCell() as Cell).flags & HANDED, t.ctx.sender)
        for (const use of [() => t.ctx.messageId, () => t.ctx.stash()]) expect(use).toThrow('no message is in hand')
        seen.push('nor its id')
      },
    },
  })
  t.system.spawn(Other, 'o').tell('pass')
  await t.runtime.settle()
  expect(seen).toEqual([HANDED, undefined, 'nor its id'])
  expect(t.events).toEqual(['x'])
})

test('what the late part of an earlier turn unstashes goes before it', async () => {
  await using t = await openIdle()
  t.ref.tell('keep', 'x')
  await t.runtime.settle()
  hand(t.ref, 'y')
  t.ctx.unstash()
  await t.runtime.settle()
  expect(t.events).toEqual(['kept x', 'x', 'y'])
})

test('it survives a restart that a child escalates, behind the stash', async () => {
  const failure = latch()
  const events: string[] = []
  const Child = defineActor('child', { supervision: 'escalate', messages: { fail: () => failure.promise } })
  const Parent = defineActor('parent', {
    supervision: 'restart',
    onStop: (_ctx, reason) => void events.push(reason),
    messages: {
      begin(ctx) {
        ctx.spawn(Child, 'c').tell('fail')
      },
      note: (_ctx, what: string) => void events.push(what),
      keep(ctx, what: string) {
        if (events.includes('restarted')) events.push(what)
        else ctx.stash()
      },
    },
  })
  await using t = openSystem()
  const parent = t.system.spawn(Parent, 'p')
  parent.tell('begin')
  parent.tell('keep', 'stashed')
  await t.runtime.settle()
  failure.fail(new Error('boom'))
  hand(parent, 'x')
  // The child's turn ends, which takes promises alone: the run queue does not go on meanwhile.
  for (let i = 0; i < 10; i++) await Promise.resolve()
  expect(events).toEqual(['restarted'])
  await t.runtime.settle()
  expect(events.slice(0, 3)).toEqual(['restarted', 'stashed', 'x'])
})

test('what an actor is told when its system closes becomes a dead letter', async () => {
  const t = await openIdle()
  hand(t.ref, 'x')
  await t[Symbol.asyncDispose]()
  expect(reasons(t.letters)).toEqual(['x shutdown'])
})

// ---- in a table with a gate ----

const nowhere: Destination = { tell: () => false, send: async () => {}, ask: async () => undefined, ready: async () => {} }

/** An idle actor behind a gate that has closed, and a message for it. */
async function openGated(options: ActorOptions<undefined> = {}) {
  const { definition, events } = listing(options)
  const runtime = new ManualRuntime()
  const letters: DeadLetter[] = []
  const gate = { isOpen: true, mayRun: (): boolean => gate.isOpen }
  const host = new ActorHost({
    runtime,
    refs: nowhere,
    logger: recordingLogger([]),
    strict: true,
    onDeadLetter: (letter) => letters.push(letter),
  })
  const newTable = (more: ActorTableOptions = {}): ActorTable => new ActorTable(host, definition, { activateOnMessage: true, ...more })
  const table = newTable({ gate })
  table.deliver('a', undefined, new FakeMessage('note', 'first'))
  await runtime.settle()
  events.length = 0
  gate.isOpen = false
  const cell = table.find('a', undefined) as Cell
  tellCell(cell, 'note', 'x', undefined)
  expect(cell.flags & HANDED).toBe(HANDED)
  await runtime.settle()
  expect(events).toEqual([])
  return { runtime, letters, gate, table, newTable, cell, events }
}

test('it waits for the gate', async () => {
  const t = await openGated()
  tellCell(t.cell, 'note', 'y', undefined)
  t.gate.isOpen = true
  t.table.wake()
  await t.runtime.settle()
  expect(t.events).toEqual(['x', 'y'])
})

test('it has its deadline', async () => {
  const t = await openGated()
  await t.runtime.advanceAndSettle(60_002)
  t.gate.isOpen = true
  t.table.wake()
  await t.runtime.settle()
  expect(t.events).toEqual([])
  expect(reasons(t.letters)).toEqual(['x deadline'])
})

test('its actor is not idle', async () => {
  const t = await openGated({ idleTimeoutMs: 1_000 })
  await t.runtime.advanceAndSettle(10_000)
  t.gate.isOpen = true
  t.table.wake()
  await t.runtime.settle()
  expect(t.events).toEqual(['x'])
})

for (const how of ['seal', 'extract'] as const) {
  test(`${how} ships it`, async () => {
    const t = await openGated()
    const shipped = how === 'extract' ? await t.table.extract('a') : await t.table.seal().then(() => [...t.table.export()][0])
    t.table.discard('moved')
    expect(t.letters).toEqual([])
    const there = t.newTable()
    if (shipped !== undefined) there.install(shipped, () => new FakeMessage(''))
    await t.runtime.settle()
    expect(t.events).toEqual(['x'])
  })
}

test('what is handed over after the seal is shipped too, and is then the other side’s', async () => {
  const t = await openGated()
  t.gate.isOpen = true
  t.table.wake()
  await t.runtime.settle()
  await t.table.seal()
  tellCell(t.cell, 'note', 'y', undefined)
  expect(t.cell.flags & HANDED).toBe(HANDED)
  const [shipped] = [...t.table.export()]
  expect(shipped?.waiting).toEqual([{ type: 'note', payload: 'y' }])
  t.table.discard('moved')
  expect(t.letters).toEqual([])
})

test('a table that goes on after its handoff was aborted runs it', async () => {
  const t = await openGated()
  await t.table.seal()
  t.gate.isOpen = true
  await t.table.unseal()
  await t.runtime.settle()
  expect(t.events).toEqual(['x'])
})

test('an ownership that is lost makes a dead letter of it', async () => {
  const t = await openGated()
  t.table.discard('lost')
  expect(reasons(t.letters)).toEqual(['x fenced'])
})
