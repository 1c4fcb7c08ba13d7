// What `ctx` and definitions promise at their edges.

import { expect, test } from 'vitest'
import { defineActor } from '../../src/actor/definition.ts'
import type { ActorRef } from '../../src/actor/ref.ts'
import { latch, openSystem, outcome } from './support.ts'

const Echo = defineActor('echo', { messages: { say: (_ctx, what: unknown) => what } })

test('as() takes a ref for what it is, and no other', async () => {
  await using t = openSystem()
  const seen: unknown[] = []
  const Asked = defineActor('asked', {
    messages: {
      who(ctx) {
        seen.push(ctx.sender?.as(Asker).kind)
        ctx.sender?.as(Echo)
      },
    },
  })
  const Asker = defineActor('asker', { messages: { go: (ctx): Promise<void> => ctx.ref(Asked, 'a').ask('who') } })
  t.system.spawn(Asked, 'a')
  const { error } = await outcome(t.runtime, t.system.spawn(Asker, 'b').ask('go'))
  expect(seen).toEqual(['asker'])
  expect(String((error as Error).message)).toMatch(/asker\/b is not of kind 'echo'/)
})

test('a signal that is asked for by the late part of an abandoned turn is aborted already', async () => {
  await using t = openSystem()
  const gate = latch()
  let signal: AbortSignal | undefined
  const Slow = defineActor('slow', {
    turnTimeoutMs: 50,
    messages: {
      async work(ctx) {
        await gate.promise
        signal = ctx.signal
      },
    },
  })
  t.system.spawn(Slow, 's').tell('work')
  await t.runtime.advanceAndSettle(100)
  gate.open()
  await t.runtime.settle()
  expect(signal?.aborted).toBe(true)
})

test('unstash takes back as many as it is told, the oldest first; a stash is bounded as the mailbox is', async () => {
  await using t = openSystem()
  const handled: number[] = []
  const Keeper = defineActor('keeper', {
    state: () => ({ keeps: true }),
    mailbox: { limit: 4 },
    messages: {
      note(ctx, n: number) {
        if (ctx.state.keeps) ctx.stash()
        else handled.push(n)
      },
      release(ctx, count?: number) {
        ctx.state.keeps = false
        ctx.unstash(count)
      },
    },
  })
  const keeper = t.system.spawn(Keeper, 'k')
  const results: Promise<unknown>[] = []
  for (let n = 1; n <= 4; n++) {
    results.push(keeper.send('note', n))
    await t.runtime.settle()
  }
  // Kept as state, and so handled.
  await Promise.all(results)
  const { error } = await outcome(t.runtime, keeper.ask('note', 5))
  expect(String((error as Error).message)).toMatch(/the stash of keeper\/k is full \(4 messages/)
  keeper.tell('release', 2)
  await t.runtime.settle()
  expect(handled).toEqual([1, 2])
  keeper.tell('release')
  await t.runtime.settle()
  expect(handled).toEqual([1, 2, 3, 4])
})

test('become names the behaviours that there are when it is told another', async () => {
  await using t = openSystem()
  const Moody = defineActor('moody', { behaviours: { sad: {}, glad: {} }, messages: { be: (ctx, name: string) => ctx.become(name) } })
  const { error } = await outcome(t.runtime, t.system.spawn(Moody, 'm').ask('be', 'mad'))
  expect(String((error as Error).message)).toMatch(/'moody' has no behaviour 'mad'; it has: sad, glad/)
})

test('at the limit of restarts an actor may escalate', async () => {
  await using t = openSystem()
  const failures: unknown[] = []
  const Child = defineActor('child', {
    supervision: { strategy: 'restart', maxRestarts: 1, onLimit: 'escalate' },
    messages: {
      fail() {
        throw new Error('again')
      },
    },
  })
  const Parent = defineActor('parent', {
    children: [Child],
    supervision: (error) => {
      failures.push((error as Error).message)
      return 'resume'
    },
    messages: {
      spawn: (ctx): void => void ctx.spawn(Child, 'c'),
      fail: (ctx): void => void (ctx.children.get('c') as ActorRef).tell('fail'),
      count: (ctx) => ctx.children.size,
    },
  })
  const parent = t.system.spawn(Parent, 'p')
  parent.tell('spawn')
  for (let i = 0; i < 2; i++) {
    parent.tell('fail')
    await t.runtime.settle()
  }
  expect(failures).toEqual(['again'])
  expect((await outcome(t.runtime, parent.ask('count'))).value).toBe(1)
})

test('a hook that takes too long is given up: its activation ends, and supervision decides', async () => {
  await using t = openSystem()
  const gate = latch()
  let late: unknown
  let starts = 0
  const Slow = defineActor('slow', {
    turnTimeoutMs: 50,
    supervision: 'restart',
    state: () => ({ value: 0 }),
    async onStart(ctx) {
      if (++starts > 1) return
      const echo = ctx.ref(Echo, 'e')
      await gate.promise
      echo.tell('say', 'too late')
      try {
        ctx.state.value = 7
      } catch (error) {
        late = error
      }
    },
    messages: { read: (ctx) => ctx.state.value },
  })
  const reading = t.system.spawn(Slow, 's').ask('read')
  await t.runtime.advanceAndSettle(200)
  gate.open()
  expect((await outcome(t.runtime, reading)).value).toBe(0)
  expect(starts).toBe(2)
  expect(late).toMatchObject({ code: 'CLOSED' })
  expect(t.letters.map(({ reason }) => reason)).toEqual(['fenced'])
})

test('in strict mode replies pass through the codec too', async () => {
  await using t = openSystem({ strict: true })
  const shared = { list: [1] }
  const Holder = defineActor('holder', { messages: { get: () => shared, method: () => () => {} } })
  const holder = t.system.spawn(Holder, 'h')
  const { value } = await outcome(t.runtime, holder.ask('get'))
  expect(value).toEqual(shared)
  expect(value).not.toBe(shared)
  expect((await outcome(t.runtime, holder.ask('method'))).error).toBeDefined()
})

test('a schema that throws refuses the payload', async () => {
  await using t = openSystem()
  const Checked = defineActor('checked', {
    schemas: {
      take: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (): never => {
            throw new Error('broken')
          },
        },
      },
    },
    messages: { take: (_ctx, _n: number) => 'taken' },
  })
  const { error } = await outcome(t.runtime, t.system.spawn(Checked, 'c').ask('take', 1))
  expect(error).toMatchObject({ code: 'INVALID_PAYLOAD', message: expect.stringMatching(/its schema threw/) })
})

test('the idle time-out may be set by the actor itself, and spares what has a stash or children', async () => {
  await using t = openSystem()
  const Idle = defineActor('idle', {
    messages: {
      set: (ctx, ms: number) => ctx.setIdleTimeout(ms),
      stash: (ctx) => ctx.stash(),
      unstash: (ctx) => ctx.become('open'),
      spawn: (ctx): void => void ctx.spawn(Echo, 'kid'),
    },
    behaviours: { open: {} },
  })
  const [plain, stashed, parent] = ['plain', 'stashed', 'parent'].map((id) => t.system.spawn(Idle, id))
  for (const ref of [plain, stashed, parent]) ref?.tell('set', 100)
  stashed?.tell('stash')
  parent?.tell('spawn')
  await t.runtime.advanceAndSettle(1_000)
  expect(['plain', 'stashed', 'parent'].map((id) => t.system.has(Idle, id))).toEqual([false, true, true])
})

test('a kind has one definition, and a child is stopped by its parent alone', async () => {
  await using t = openSystem()
  t.system.spawn(Echo, 'e')
  expect(() => t.system.spawn(defineActor('echo', { messages: {} }), 'x')).toThrow(/two definitions of kind 'echo'/)
  let child: ActorRef | undefined
  const Parent = defineActor('parent', {
    messages: {
      spawn(ctx): void {
        child = ctx.spawn(Echo, 'kid')
      },
    },
  })
  t.system.spawn(Parent, 'p').tell('spawn')
  await t.runtime.settle()
  await expect(t.system.stop(child as ActorRef)).rejects.toThrow(/parent\/p\/kid is a child: its parent stops it/)
})

test('what is sent between the turns of an actor is not sent by it, and what is sent in one is', async () => {
  await using t = openSystem()
  const heard: string[] = []
  const Listener = defineActor('listener', {
    messages: { hear: (ctx, from: string) => void heard.push(`${from}: ${ctx.sender?.id ?? 'nobody'}`) },
  })
  const listener = t.system.spawn(Listener, 'l')
  const say = (from: string): void => void listener.tell('hear', from)
  t.system.onDeadLetter(({ reason }) => say(reason))
  const then = 'then'
  const Actor = defineActor('actor', {
    supervision: () => {
      say('supervision')
      return 'resume'
    },
    messages: {
      plain: () => say('turn'),
      checked: (_ctx, _payload: string) => say('checked turn'),
      thenable: () => ({
        [then](resolve: (value: unknown) => void) {
          say('then')
          resolve(undefined)
        },
      }),
      throws() {
        throw new Error('boom')
      },
    },
    schemas: {
      checked: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate(value: unknown) {
            say('schema')
            return { value: String(value) }
          },
        },
      },
    },
  })
  const New = defineActor('new', {
    state() {
      say('state')
      return undefined
    },
    messages: { go() {} },
  })
  const actor = t.system.spawn(Actor, 'a')
  for (const type of ['plain', 'plain', 'unheard of', 'plain', 'checked', 'plain', 'throws', 'plain', 'thenable'] as const) {
    actor.tell(type as 'plain')
  }
  await t.runtime.settle()
  // More than it may have in one go: another actor begins in between.
  for (let i = 0; i < 70; i++) actor.tell('plain')
  t.system.spawn(New, 'n').tell('go')
  await t.runtime.settle()
  say('outside')
  await t.runtime.settle()
  expect(new Set(heard)).toEqual(
    new Set([
      'turn: a',
      'checked turn: a',
      'unknown-message: nobody',
      'schema: nobody',
      'failed: nobody',
      'supervision: nobody',
      'then: nobody',
      'state: nobody',
      'outside: nobody',
    ]),
  )
  expect(heard.filter((line) => line === 'turn: a')).toHaveLength(75)
})
