// Hooks, supervision, retries, turn time-outs, children, watching, timers, stash, behaviours, idle time-outs.

import { expect, test } from 'vitest'
import type { Context } from '../../src/actor/context.ts'
import { defineActor } from '../../src/actor/definition.ts'
import type { ActorRef } from '../../src/actor/ref.ts'
import type { Terminated } from '../../src/actor/stop-reason.ts'
import type { SupervisionOptions, SupervisionStrategy } from '../../src/actor/supervision.ts'
import { ClosedError, ConfigError, DeliveryUnknownError, DuplicateActorError } from '../../src/errors.ts'
import { latch, openSystem, outcome } from './support.ts'

function failing(events: string[], supervision: SupervisionStrategy | SupervisionOptions) {
  return defineActor('failing', {
    state: () => ({ n: 0 }),
    supervision,
    onStart: () => void events.push('start'),
    onStop: (_ctx, reason) => void events.push(`stop ${reason}`),
    messages: {
      add: (ctx) => ++ctx.state.n,
      boom(ctx) {
        ctx.state.n += 100
        throw new Error('boom')
      },
    },
  })
}

test('resume keeps the state', async () => {
  await using t = openSystem()
  const events: string[] = []
  const ref = t.system.spawn(failing(events, 'resume'), 'a')
  ref.tell('boom')
  expect((await outcome(t.runtime, ref.ask('add'))).value).toBe(101)
  expect(events).toEqual(['start'])
})

test('restart gives fresh state, runs the hooks and keeps the order of the mailbox', async () => {
  await using t = openSystem()
  const events: string[] = []
  const ref = t.system.spawn(failing(events, 'restart'), 'a')
  ref.tell('add')
  ref.tell('boom')
  const replies = [ref.ask('add'), ref.ask('add'), ref.ask('add')]
  await t.runtime.settle()
  expect(await Promise.all(replies)).toEqual([1, 2, 3])
  expect(events).toEqual(['start', 'stop restarted', 'start'])
})

test('more restarts than the limit within the window stop the actor; after the window they count anew', async () => {
  await using t = openSystem()
  const ref = t.system.spawn(failing([], { strategy: 'restart', maxRestarts: 2, withinMs: 1_000 }), 'a')
  for (let i = 0; i < 4; i++) {
    ref.tell('boom')
    await t.runtime.advanceAndSettle(600)
  }
  expect(t.system.has('failing', 'a')).toBe(true)
  for (let i = 0; i < 3; i++) ref.tell('boom')
  await t.runtime.settle()
  expect(t.system.has('failing', 'a')).toBe(false)
})

test('the back-off of a restart holds the mailbox back, longer each time', async () => {
  await using t = openSystem()
  const ref = t.system.spawn(failing([], { strategy: 'restart', backoff: { initialMs: 100, jitter: 0 } }), 'a')
  ref.tell('boom')
  const first = ref.ask('add')
  let isAnswered = false
  first.then(() => {
    isAnswered = true
  })
  await t.runtime.advanceAndSettle(90)
  expect(isAnswered).toBe(false)
  await t.runtime.advanceAndSettle(20)
  expect(isAnswered).toBe(true)
  ref.tell('boom')
  isAnswered = false
  ref.ask('add').then(() => {
    isAnswered = true
  })
  await t.runtime.advanceAndSettle(190)
  expect(isAnswered).toBe(false)
  await t.runtime.advanceAndSettle(20)
  expect(isAnswered).toBe(true)
})

test('stop ends the actor, and what waits is refused', async () => {
  await using t = openSystem()
  const events: string[] = []
  const ref = t.system.spawn(failing(events, 'stop'), 'a')
  ref.tell('boom')
  const waiting = ref.ask('add')
  expect((await outcome(t.runtime, waiting)).error).toMatchObject({ code: 'NOT_EXECUTED', reason: 'stopped' })
  expect(events).toEqual(['start', 'stop failed'])
  expect(t.logs.some((line) => line.level === 'error')).toBe(true)
})

test('a supervision function decides by the error; one that throws or answers nonsense stops the actor', async () => {
  await using t = openSystem()
  const seen: unknown[] = []
  const ref = t.system.spawn(
    failing([], (error, failure) => {
      seen.push([(error as Error).message, failure.failures, failure.messageType])
      return 'resume'
    }),
    'a',
  )
  ref.tell('boom')
  ref.tell('boom')
  await t.runtime.settle()
  expect(seen).toEqual([
    ['boom', 1, 'boom'],
    ['boom', 2, 'boom'],
  ])
  const other = openSystem()
  const bad = other.system.spawn(
    failing([], () => 'nonsense' as 'resume'),
    'a',
  )
  bad.tell('boom')
  await other.runtime.settle()
  expect(other.system.has('failing', 'a')).toBe(false)
})

for (const directive of ['resume', 'restart', 'stop', 'escalate'] as const) {
  test(`escalate asks the parent, which answers ${directive}`, async () => {
    await using t = openSystem()
    const Child = defineActor('child', {
      supervision: 'escalate',
      state: () => ({ n: 0 }),
      messages: { add: (ctx) => ++ctx.state.n, boom: () => Promise.reject(new Error('boom')) },
    })
    const Parent = defineActor('parent', {
      supervision: directive,
      onStart: (ctx) => void ctx.spawn(Child, 'kid'),
      messages: {
        tell: (ctx, type: string) => void ctx.children.get('kid')?.tell(type),
        ask: (ctx) => ctx.children.get('kid')?.ask('add'),
      },
    })
    const parent = t.system.spawn(Parent, 'p')
    await t.runtime.settle()
    for (const type of ['add', 'boom']) parent.tell('tell', type)
    await t.runtime.settle()
    const asked = await outcome(t.runtime, parent.ask('ask'))
    if (directive === 'resume') expect(asked.value).toBe(2)
    else if (directive === 'restart') expect(asked.value).toBe(1)
    else expect(asked.error).toMatchObject({ reason: 'stopped' })
  })
}

test('a failing onStart refuses what waits, with the cause; with restart it is tried again', async () => {
  await using t = openSystem()
  let attempts = 0
  const Flaky = (supervision: SupervisionStrategy) =>
    defineActor('flaky', {
      supervision,
      async onStart() {
        await Promise.resolve()
        if (++attempts < 3) throw new Error('not yet')
      },
      messages: { read: () => attempts },
    })
  const stopped = t.system.spawn(Flaky('resume'), 'a')
  const { error } = await outcome(t.runtime, stopped.ask('read'))
  expect(error).toMatchObject({ reason: 'stopped', cause: new Error('not yet') })
  const other = openSystem()
  attempts = 0
  const restarted = other.system.spawn(Flaky('restart'), 'a')
  expect((await outcome(other.runtime, restarted.ask('read'))).value).toBe(3)
})

test('hooks that throw or reject never break anything, and are logged', async () => {
  await using t = openSystem()
  const Bad = defineActor('bad', {
    onPassivate: () => Promise.reject(new Error('passivate')),
    onStop: () => {
      throw new Error('stop')
    },
    idleTimeoutMs: 100,
    messages: { read: () => 1 },
  })
  t.system.spawn(Bad, 'a').tell('read')
  await t.runtime.advanceAndSettle(300)
  expect(t.system.has(Bad, 'a')).toBe(false)
  expect(t.logs.filter((line) => line.level === 'error').map((line) => line.message)).toEqual(['onPassivate failed', 'onStop failed'])
})

test('retries run the same message again, the actor waiting in between, so that order holds', async () => {
  await using t = openSystem()
  const events: string[] = []
  const Retry = defineActor('retry', {
    retry: { attempts: 3, backoff: 100 },
    messages: {
      work(ctx, n: number) {
        events.push(`${n} ${ctx.messageId.slice(-1)}`)
        if (n === 1 && events.length < 3) throw new Error('again')
        return n
      },
      hopeless(): number {
        events.push('hopeless')
        throw new Error('never')
      },
    },
  })
  const ref = t.system.spawn(Retry, 'a')
  const first = ref.ask('work', 1)
  const second = ref.ask('work', 2)
  await t.runtime.advanceAndSettle(90)
  expect(events).toEqual(['1 1'])
  await t.runtime.advanceAndSettle(300)
  expect(events).toEqual(['1 1', '1 1', '1 1', '2 2'])
  expect(await Promise.all([first, second])).toEqual([1, 2])
  events.length = 0
  const hopeless = ref.ask('hopeless')
  hopeless.catch(() => {})
  await t.runtime.advanceAndSettle(300)
  expect((await outcome(t.runtime, hopeless)).error).toMatchObject({ code: 'ACTOR_FAILED', cause: new Error('never') })
  expect(events).toHaveLength(3)
})

test('a turn that takes too long is abandoned with its activation; the mailbox goes on in a fresh one', async () => {
  await using t = openSystem()
  const gate = latch()
  let late: Context<{ n: number }> | undefined
  let isAborted = false
  let lateError: unknown
  const Slow = defineActor('slow', {
    turnTimeoutMs: 1_000,
    state: () => ({ n: 0 }),
    messages: {
      async work(ctx) {
        late = ctx as unknown as Context<{ n: number }>
        ctx.state.n = 100
        ctx.signal.addEventListener('abort', () => {
          isAborted = true
        })
        await gate.promise
        try {
          ctx.state.n = 200
        } catch (error) {
          lateError = error
        }
        return 'late'
      },
      read: (ctx) => ctx.state.n,
    },
  })
  const slow = t.system.spawn(Slow, 'a')
  const worked = slow.ask('work')
  const read = slow.ask('read')
  worked.catch(() => {})
  await t.runtime.advanceAndSettle(900)
  expect(isAborted).toBe(false)
  await t.runtime.advanceAndSettle(200)
  expect(isAborted).toBe(true)
  expect((await outcome(t.runtime, worked)).error).toMatchObject({ code: 'ACTOR_FAILED' })
  expect((await outcome(t.runtime, read)).value).toBe(0)
  gate.open()
  await t.runtime.settle()
  expect(lateError).toBeInstanceOf(ClosedError)
  expect(() => late?.state).toThrow(ClosedError)
  expect((await outcome(t.runtime, slow.ask('read'))).value).toBe(0)
  expect(t.system.metrics().turnTimeouts).toBe(1)
})

test('what the late part of an abandoned turn sends does not leave', async () => {
  await using t = openSystem()
  const gate = latch()
  const handled: string[] = []
  const Sink = defineActor('sink', { messages: { note: (_ctx, what: string) => void handled.push(what) } })
  const Slow = defineActor('slow', {
    turnTimeoutMs: 100,
    messages: {
      async work(ctx) {
        const sink = ctx.ref(Sink, 's')
        sink.tell('note', 'early')
        await gate.promise
        sink.tell('note', 'late')
        await expect(sink.ask('note', 'later')).rejects.toMatchObject({ reason: 'fenced' })
      },
    },
  })
  t.system.spawn(Sink, 's')
  t.system.spawn(Slow, 'a').tell('work')
  await t.runtime.advanceAndSettle(200)
  gate.open()
  await t.runtime.settle()
  expect(handled).toEqual(['early'])
  expect(t.letters.map((letter) => letter.reason)).toEqual(['failed', 'fenced'])
})

test('stopping waits for the turn in hand, stops children first, and tells the watchers', async () => {
  await using t = openSystem()
  const gate = latch()
  const events: string[] = []
  const Node = defineActor('node', {
    onStop: (ctx, reason) => void events.push(`${ctx.self.toString()} ${reason}`),
    messages: {
      spawn(ctx, name: string) {
        ctx.spawn(Node as never, name)
      },
      deeper: (ctx): Promise<unknown> | undefined => ctx.children.get('kid')?.ask('spawn', 'grandkid'),
      work: () => gate.promise,
    },
  })
  const Watcher = defineActor('watcher', {
    messages: {
      watch: (ctx, id: string) => ctx.watch(ctx.ref(Node, id), 'gone'),
      gone: (_ctx, what: Terminated) => void events.push(`gone ${what.id} ${what.reason}`),
    },
  })
  const watcher = t.system.spawn(Watcher, 'w')
  const node = t.system.spawn(Node, 'n')
  node.tell('spawn', 'kid')
  node.tell('deeper')
  watcher.tell('watch', 'n')
  await t.runtime.settle()
  node.tell('work')
  await t.runtime.settle()
  const stopped = t.system.stop(node)
  const refused = node.ask('work')
  refused.catch(() => {})
  await t.runtime.settle()
  expect(events).toEqual([])
  gate.open()
  await outcome(t.runtime, stopped)
  expect(events).toEqual(['node/n/kid/grandkid stopped', 'node/n/kid stopped', 'node/n stopped', 'gone n stopped'])
  expect((await outcome(t.runtime, refused)).error).toMatchObject({ reason: 'stopped' })
  watcher.tell('watch', 'n')
  await t.runtime.settle()
  expect(events.at(-1)).toBe('gone n stopped')
  expect(t.system.metrics().actors).toBe(1)
})

test('children are named, unique and addressed through their parent; ctx.stop stops one, or the actor itself', async () => {
  await using t = openSystem()
  const Child = defineActor('child', { messages: { who: (ctx) => ctx.self.toString() } })
  let error: unknown
  const Parent = defineActor('parent', {
    messages: {
      async go(ctx) {
        const child = ctx.spawn(Child, 'one')
        try {
          ctx.spawn(Child, 'one')
        } catch (caught) {
          error = caught
        }
        expect(() => ctx.spawn(Child, 'a/b')).toThrow(TypeError)
        const who = await child.ask('who')
        ctx.stop(child)
        return [who, [...ctx.children.keys()]]
      },
      end: (ctx) => ctx.stop(),
    },
  })
  const parent = t.system.spawn(Parent, 'p')
  expect((await outcome(t.runtime, parent.ask('go'))).value).toEqual(['parent/p/one', []])
  expect(error).toBeInstanceOf(DuplicateActorError)
  parent.tell('end')
  await t.runtime.settle()
  expect(t.system.has(Parent, 'p')).toBe(false)
})

test('timers arrive as messages, are replaced by key, can be cancelled after they fired, and die with the activation', async () => {
  await using t = openSystem()
  const ticks: string[] = []
  const Ticker = defineActor('ticker', {
    supervision: 'restart',
    onStart(ctx) {
      if (ticks.length === 0) {
        ctx.timers.every('tick', 100, 'beat')
        ctx.timers.once('tick', 250, 'once', 'single')
        ctx.timers.once('tick', 50, 'replaced', 'again')
        ctx.timers.once('tick', 60, 'again', 'again')
        ctx.timers.once('tick', 55, 'cancelled', 'gone')
        ctx.timers.cancel('gone')
      }
    },
    messages: {
      tick: (_ctx, what: string) => void ticks.push(what),
      boom: () => Promise.reject(new Error('boom')),
    },
  })
  const ticker = t.system.spawn(Ticker, 'a')
  await t.runtime.advanceAndSettle(305)
  expect(ticks).toEqual(['again', 'beat', 'beat', 'once', 'beat'])
  ticker.tell('boom')
  await t.runtime.advanceAndSettle(1_000)
  expect(ticks).toHaveLength(5)
})

test('ticks that an actor is too slow for do not pile up', async () => {
  await using t = openSystem()
  let ticks = 0
  const gate = latch()
  const Slow = defineActor('slow', {
    turnTimeoutMs: 1e9,
    onStart: (ctx) => ctx.timers.every('tick', 10),
    messages: { tick: () => void ticks++, work: () => gate.promise },
  })
  t.system.spawn(Slow, 'a').tell('work')
  await t.runtime.advanceAndSettle(1_000)
  gate.open()
  await t.runtime.settle()
  expect(ticks).toBe(1)
})

test('stashed messages wait until they are unstashed, keep their order, and their asks are answered then', async () => {
  await using t = openSystem()
  const events: string[] = []
  const Door = defineActor('door', {
    state: () => ({ isOpen: false }),
    messages: {
      open(ctx) {
        ctx.state.isOpen = true
        ctx.unstash()
      },
      enter(ctx, who: string) {
        if (!ctx.state.isOpen) return ctx.stash()
        events.push(who)
        return who.toUpperCase()
      },
    },
  })
  const door = t.system.spawn(Door, 'a') as ActorRef
  const ann = door.ask('enter', 'ann')
  door.tell('enter', 'bob')
  await t.runtime.settle()
  door.tell('open')
  door.tell('enter', 'cid')
  await t.runtime.settle()
  expect(events).toEqual(['ann', 'bob', 'cid'])
  expect(await ann).toBe('ANN')
})

test('a stash outlives a restart at the head of the mailbox; with the actor it is lost, and its asks are told so', async () => {
  await using t = openSystem()
  const events: string[] = []
  const Stasher = defineActor('stasher', {
    supervision: 'restart',
    state: () => ({ n: 0 }),
    messages: {
      work(ctx, what: string) {
        if (ctx.state.n++ === 0 && events.length === 0) ctx.stash()
        else events.push(what)
      },
      boom: () => Promise.reject(events.push('boom')),
      keep: (ctx) => ctx.stash(),
    },
  })
  const ref = t.system.spawn(Stasher, 'a')
  ref.tell('work', 'first')
  ref.tell('boom')
  ref.tell('work', 'second')
  await t.runtime.settle()
  expect(events).toEqual(['boom', 'first', 'second'])
  const kept = ref.ask('keep')
  kept.catch(() => {})
  await t.runtime.settle()
  await outcome(t.runtime, t.system.stop(ref))
  expect((await outcome(t.runtime, kept)).error).toBeInstanceOf(DeliveryUnknownError)
})

test('become puts named handlers before the others', async () => {
  await using t = openSystem()
  const Lamp = defineActor('lamp', {
    messages: {
      toggle(ctx) {
        ctx.become('on')
        return 'on'
      },
      read: () => 'off',
      name: () => 'lamp',
    },
    behaviours: {
      on: {
        toggle(ctx) {
          ctx.become()
          return 'off'
        },
        read: () => 'on',
      },
    },
  })
  const lamp = t.system.spawn(Lamp, 'a')
  const answers = ['read', 'toggle', 'read', 'name', 'toggle', 'read'].map((type) => lamp.ask(type as 'read'))
  await t.runtime.settle()
  expect(await Promise.all(answers)).toEqual(['off', 'on', 'on', 'lamp', 'off', 'off'])
})

test('forward passes the original sender on, and the answer back', async () => {
  await using t = openSystem()
  const Worker = defineActor('worker', {
    messages: { work: (ctx, n: number) => `${ctx.sender?.toString()} ${n}`, fail: () => Promise.reject(new Error('no')) },
  })
  const Boss = defineActor('boss', {
    messages: {
      work: (ctx, _n: number): unknown => ctx.forward(ctx.ref(Worker, 'w')),
      other: (ctx, _n: number): unknown => ctx.forward(ctx.ref(Worker, 'w'), 'fail'),
    },
  })
  const Client = defineActor('client', { messages: { go: (ctx): Promise<unknown> => ctx.ref(Boss, 'b').ask('work', 7) } })
  t.system.spawn(Worker, 'w')
  const boss = t.system.spawn(Boss, 'b')
  const client = t.system.spawn(Client, 'c')
  expect((await outcome(t.runtime, client.ask('go'))).value).toBe('client/c 7')
  expect((await outcome(t.runtime, boss.ask('other', 1))).error).toMatchObject({ code: 'ACTOR_FAILED', actor: 'worker/w' })
})

test('the idle time-out counts from the last message, and hooks run in order', async () => {
  await using t = openSystem()
  const events: string[] = []
  const Idle = defineActor('idle', {
    idleTimeoutMs: 1_000,
    onPassivate: () => void events.push('passivate'),
    onStop: (_ctx, reason) => void events.push(reason),
    messages: { touch: () => {} },
  })
  const idle = t.system.spawn(Idle, 'a')
  for (let i = 0; i < 5; i++) {
    idle.tell('touch')
    await t.runtime.advanceAndSettle(800)
  }
  expect(events).toEqual([])
  await t.runtime.advanceAndSettle(500)
  expect(events).toEqual(['passivate', 'passivated'])
  expect(t.system.has(Idle, 'a')).toBe(false)
})

test('impossible definitions are refused, naming the option and what would be right', () => {
  const messages = {}
  expect(() => defineActor('', { messages })).toThrow(ConfigError)
  expect(() => defineActor('a/b', { messages })).toThrow(/'a\/b'/)
  expect(() => defineActor('a', { messages, mailbox: { limit: 0 } })).toThrow(/mailbox.limit of 'a' is 0/)
  expect(() => defineActor('a', { messages, turnTimeoutMs: 0 })).toThrow(/turnTimeoutMs of 'a' is 0/)
  expect(() => defineActor('a', { messages, retry: { attempts: 1 } })).toThrow(/retry.attempts/)
  expect(() => defineActor('a', { messages, durable: true })).toThrow(/durable/)
  expect(() => defineActor('a', { messages, supervision: 'never' as 'stop' })).toThrow(/resume, restart, stop, escalate/)
  expect(() => defineActor('a', { messages: { x: 1 as never } })).toThrow(/messages.x of 'a' is number/)
})

test('the parent waits for the asynchronous onStop of its children', async () => {
  await using t = openSystem()
  const gate = latch()
  const events: string[] = []
  const Child = defineActor('child', {
    async onStop() {
      await gate.promise
      events.push('child')
    },
    messages: {},
  })
  const Parent = defineActor('parent', {
    onStart: (ctx) => void ctx.spawn(Child, 'kid'),
    onStop: () => void events.push('parent'),
    messages: {},
  })
  const parent = t.system.spawn(Parent, 'p')
  await t.runtime.settle()
  const stopped = t.system.stop(parent)
  await t.runtime.settle()
  expect(events).toEqual([])
  gate.open()
  await outcome(t.runtime, stopped)
  expect(events).toEqual(['child', 'parent'])
})

test('the late end of an abandoned turn does not let turns of its successor overlap', async () => {
  await using t = openSystem()
  const gates = [latch(), latch(), latch()]
  const events: string[] = []
  const Slow = defineActor('slow', {
    turnTimeoutMs: 100,
    messages: {
      async work(_ctx, n: number) {
        events.push(`begin ${n}`)
        await gates[n]?.promise
        events.push(`end ${n}`)
      },
    },
  })
  const slow = t.system.spawn(Slow, 'a')
  for (const n of [0, 1, 2]) slow.tell('work', n)
  await t.runtime.advanceAndSettle(110)
  expect(events).toEqual(['begin 0', 'begin 1'])
  gates[0]?.open()
  await t.runtime.settle()
  expect(events).toEqual(['begin 0', 'begin 1', 'end 0'])
  gates[1]?.open()
  gates[2]?.open()
  await t.runtime.settle()
  expect(events.slice(3)).toEqual(['end 1', 'begin 2', 'end 2'])
})
