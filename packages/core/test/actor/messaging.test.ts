// Telling, sending, asking: order, replies, deadlines, signals, full mailboxes, cycles.

import { expect, test } from 'vitest'
import { defineActor } from '../../src/actor/definition.ts'
import type { ActorRef } from '../../src/actor/ref.ts'
import {
  ActorFailedError,
  AskCycleError,
  ClosedError,
  DeliveryUnknownError,
  DuplicateActorError,
  InvalidActorIdError,
  NotExecutedError,
  UnserialisablePayloadError,
} from '../../src/errors.ts'
import { latch, openSystem, outcome } from './support.ts'

const Log = defineActor('log', {
  state: () => ({ seen: [] as unknown[] }),
  messages: {
    note(ctx, what: unknown) {
      ctx.state.seen.push(what)
      return ctx.state.seen.length
    },
    read(ctx) {
      return [...ctx.state.seen]
    },
    sender(ctx) {
      return ctx.sender?.toString()
    },
    boom() {
      throw new RangeError('boom')
    },
  },
})

test('messages of one sender are handled in the order sent, tells, sends and asks alike', async () => {
  await using t = openSystem()
  const log = t.system.spawn(Log, 'a')
  for (let i = 0; i < 300; i += 3) {
    expect(log.tell('note', i)).toBe(true)
    log.send('note', i + 1)
    log.ask('note', i + 2)
  }
  const read = await outcome(t.runtime, log.ask('read'))
  expect(read.value).toEqual(Array.from({ length: 300 }, (_, i) => i))
})

test('an ask resolves with what the handler returns, awaited', async () => {
  await using t = openSystem()
  const Later = defineActor('later', { messages: { double: async (_ctx, n: number) => n * 2 } })
  const later = t.system.spawn(Later, 'a')
  expect((await outcome(t.runtime, later.ask('double', 21))).value).toBe(42)
})

test('the turns of one actor never overlap, and its messages wait for an asynchronous one', async () => {
  await using t = openSystem()
  const gate = latch()
  const events: string[] = []
  const Slow = defineActor('slow', {
    messages: {
      async work(_ctx, n: number) {
        events.push(`begin ${n}`)
        if (n === 1) await gate.promise
        events.push(`end ${n}`)
      },
    },
  })
  const slow = t.system.spawn(Slow, 'a')
  slow.tell('work', 1)
  slow.tell('work', 2)
  await t.runtime.settle()
  expect(events).toEqual(['begin 1'])
  gate.open()
  await t.runtime.settle()
  expect(events).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2'])
})

test('a handler that throws rejects the ask with ActorFailedError and its cause, and the actor goes on', async () => {
  await using t = openSystem()
  const log = t.system.spawn(Log, 'a')
  log.tell('note', 1)
  const { error } = await outcome(t.runtime, log.ask('boom'))
  expect(error).toBeInstanceOf(ActorFailedError)
  expect((error as ActorFailedError).cause).toBeInstanceOf(RangeError)
  expect((error as ActorFailedError).actor).toBe('log/a')
  expect((await outcome(t.runtime, log.ask('read'))).value).toEqual([1])
})

test('a tell whose handler throws becomes a dead letter with the error', async () => {
  await using t = openSystem()
  const log = t.system.spawn(Log, 'a')
  log.tell('boom')
  t.runtime.flush()
  expect(t.letters).toMatchObject([{ address: { kind: 'log', id: 'a' }, type: 'boom', reason: 'failed', error: new RangeError('boom') }])
})

test('send resolves when the turn has ended, not before', async () => {
  await using t = openSystem()
  const gate = latch()
  const Slow = defineActor('slow', { messages: { work: () => gate.promise } })
  const slow = t.system.spawn(Slow, 'a')
  let isDone = false
  slow.send('work').then(() => {
    isDone = true
  })
  await t.runtime.settle()
  expect(isDone).toBe(false)
  gate.open()
  await t.runtime.settle()
  expect(isDone).toBe(true)
})

test('what is sent to an actor that was not spawned is a dead letter; asks and sends reject as not executed', async () => {
  await using t = openSystem({ actors: [Log] })
  const nobody = t.system.ref(Log, 'nobody')
  expect(nobody.tell('note', 1)).toBe(false)
  expect(t.letters).toMatchObject([{ reason: 'stopped', type: 'note', address: { kind: 'log', id: 'nobody' } }])
  const { error } = await outcome(t.runtime, nobody.ask('read'))
  expect(error).toBeInstanceOf(NotExecutedError)
  expect((error as NotExecutedError).reason).toBe('stopped')
  expect((await outcome(t.runtime, nobody.send('note', 1))).error).toBeInstanceOf(NotExecutedError)
})

test('an unknown kind is named together with the kinds that there are', async () => {
  await using t = openSystem({ actors: [Log] })
  const { error } = await outcome(t.runtime, t.system.ref<typeof Log>('log2' as 'log', 'x').ask('read'))
  expect((error as NotExecutedError).reason).toBe('unknown-kind')
  expect(String((error as Error).cause)).toContain("unknown actor kind 'log2'; registered are: log")
})

test('a message type that the actor does not know is a dead letter, and never calls something inherited', async () => {
  await using t = openSystem()
  const log = t.system.spawn(Log, 'a') as ActorRef
  for (const type of ['nonsense', 'constructor', '__proto__', 'toString']) log.tell(type)
  t.runtime.flush()
  expect(t.letters.map((letter) => letter.reason)).toEqual(Array(4).fill('unknown-message'))
  expect((await outcome(t.runtime, log.ask('nonsense'))).error).toMatchObject({ reason: 'unknown-message' })
})

test('spawning an id twice is an error, and the id is free again after a stop', async () => {
  await using t = openSystem()
  t.system.spawn(Log, 'a')
  expect(() => t.system.spawn(Log, 'a')).toThrow(DuplicateActorError)
  const stopped = t.system.stop(Log, 'a')
  await t.runtime.settle()
  await stopped
  t.system.spawn(Log, 'a')
})

test('ids are refused that no store or network could carry', () => {
  const t = openSystem()
  expect(() => t.system.spawn(Log, '')).toThrow(InvalidActorIdError)
  expect(() => t.system.ref(Log, 'x'.repeat(257))).toThrow(/257 bytes/)
})

test('a ref taken before the actor lived, and kept over its stop, reaches whoever has the id now', async () => {
  await using t = openSystem({ actors: [Log] })
  const early = t.system.ref(Log, 'a')
  expect(early.tell('note', 'lost')).toBe(false)
  t.system.spawn(Log, 'a')
  early.tell('note', 'first')
  expect((await outcome(t.runtime, early.ask('read'))).value).toEqual(['first'])
  await outcome(t.runtime, t.system.stop(early))
  expect(early.tell('note', 'lost too')).toBe(false)
  t.system.spawn(Log, 'a')
  early.tell('note', 'second')
  expect((await outcome(t.runtime, early.ask('read'))).value).toEqual(['second'])
})

test('an ask has a deadline of 10 s by default: not executed while it waits, unknown once its turn has begun', async () => {
  await using t = openSystem()
  const gate = latch()
  const Slow = defineActor('slow', { messages: { work: () => gate.promise } })
  const slow = t.system.spawn(Slow, 'a')
  const inHand = slow.ask('work')
  const queued = slow.ask('work')
  inHand.catch(() => {})
  queued.catch(() => {})
  await t.runtime.advanceAndSettle(9_900)
  let isSettled = false
  inHand
    .finally(() => {
      isSettled = true
    })
    .catch(() => {})
  await t.runtime.settle()
  expect(isSettled).toBe(false)
  await t.runtime.advanceAndSettle(200)
  const first = (await outcome(t.runtime, inHand)).error as DeliveryUnknownError
  expect(first).toBeInstanceOf(DeliveryUnknownError)
  expect(first.reason).toBe('deadline')
  expect(first.messageId).not.toBe('')
  const second = (await outcome(t.runtime, queued)).error
  expect(second).toBeInstanceOf(NotExecutedError)
  gate.open()
})

test('a message that expired in the mailbox never runs', async () => {
  await using t = openSystem()
  const gate = latch()
  const handled: string[] = []
  const Slow = defineActor('slow', {
    turnTimeoutMs: Number.POSITIVE_INFINITY,
    messages: {
      async wait() {
        await gate.promise
      },
      note(_ctx, what: string) {
        handled.push(what)
      },
    },
  })
  const slow = t.system.spawn(Slow, 'a')
  slow.tell('wait')
  slow.tell('note', 'short', { timeoutMs: 50 })
  slow.tell('note', 'default')
  const asked = slow.ask('note', 'asked', { timeoutMs: 50 })
  asked.catch(() => {})
  await t.runtime.advanceAndSettle(61_000)
  slow.tell('note', 'fresh')
  gate.open()
  await t.runtime.settle()
  expect(handled).toEqual(['fresh'])
  expect(t.letters.map((letter) => [letter.reason, letter.payload])).toEqual([
    ['deadline', 'short'],
    ['deadline', 'default'],
  ])
})

test('an AbortSignal ends a message early, and leaves no listener behind when it ended otherwise', async () => {
  await using t = openSystem()
  const gate = latch()
  const Slow = defineActor('slow', { messages: { work: () => gate.promise, quick: () => 1 } })
  const slow = t.system.spawn(Slow, 'a')
  const controller = new AbortController()
  let listeners = 0
  const { signal } = controller
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = ((...args: Parameters<typeof add>) => {
    listeners++
    add(...args)
  }) as typeof add
  signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
    listeners--
    remove(...args)
  }) as typeof remove
  expect((await outcome(t.runtime, slow.ask('quick', undefined, { signal }))).value).toBe(1)
  expect(listeners).toBe(0)
  const inHand = slow.ask('work', undefined, { signal })
  const queued = slow.ask('work', undefined, { signal })
  inHand.catch(() => {})
  queued.catch(() => {})
  await t.runtime.settle()
  controller.abort(new Error('enough'))
  expect((await outcome(t.runtime, inHand)).error).toMatchObject({ code: 'DELIVERY_UNKNOWN', reason: 'aborted' })
  expect((await outcome(t.runtime, queued)).error).toMatchObject({ code: 'NOT_EXECUTED', reason: 'aborted' })
  expect((await outcome(t.runtime, slow.ask('quick', undefined, { signal }))).error).toMatchObject({ reason: 'aborted' })
  gate.open()
})

test('with() presets options that single messages may override', async () => {
  await using t = openSystem()
  const gate = latch()
  const Slow = defineActor('slow', { messages: { work: () => gate.promise } })
  const impatient = t.system.spawn(Slow, 'a').with({ timeoutMs: 20 })
  const asked = impatient.ask('work')
  const patient = impatient.ask('work', undefined, { timeoutMs: 5_000 })
  asked.catch(() => {})
  patient.catch(() => {})
  await t.runtime.advanceAndSettle(30)
  expect((await outcome(t.runtime, asked)).error).toMatchObject({ reason: 'deadline' })
  gate.open()
  expect((await outcome(t.runtime, patient)).error).toBeUndefined()
})

test('an impossible time-out is a TypeError', async () => {
  await using t = openSystem()
  const log = t.system.spawn(Log, 'a')
  expect(() => log.tell('note', 1, { timeoutMs: -1 })).toThrow(/timeoutMs is -1/)
  expect((await outcome(t.runtime, log.ask('read', undefined, { timeoutMs: Number.NaN }))).error).toBeInstanceOf(TypeError)
})

test('refs know their sender in the synchronous part of a handler, wherever they come from; those of ctx after an await too', async () => {
  await using t = openSystem()
  const log = t.system.spawn(Log, 'log')
  const Asker = defineActor('asker', {
    messages: {
      async who(ctx) {
        const fromModule = log.ask('sender')
        await fromModule
        const afterAwait = await log.ask('sender')
        const throughContext = await ctx.ref(Log, 'log').ask('sender')
        return [await fromModule, afterAwait, throughContext]
      },
    },
  })
  const asker = t.system.spawn(Asker, 'a')
  expect((await outcome(t.runtime, asker.ask('who'))).value).toEqual(['asker/a', undefined, 'asker/a'])
  expect((await outcome(t.runtime, log.ask('sender'))).value).toBeUndefined()
})

test('an ask that leads back to a waiting turn is refused at once, naming the chain', async () => {
  await using t = openSystem()
  const A = defineActor('a', {
    messages: {
      start: (ctx): Promise<unknown> => (ctx.ref('b', '1') as ActorRef).ask('onward'),
      end: () => 'never reached',
    },
  })
  const B = defineActor('b', { messages: { onward: (ctx): Promise<unknown> => (ctx.ref('a', '1') as ActorRef).ask('end') } })
  const a = t.system.spawn(A, '1')
  t.system.spawn(B, '1')
  const { error } = await outcome(t.runtime, a.ask('start'))
  let cause: unknown = error
  while (cause instanceof ActorFailedError) cause = cause.cause
  expect(cause).toBeInstanceOf(AskCycleError)
  const chain = (cause as AskCycleError).chain.map((turn) => turn.replace(/#.*/, ''))
  expect(chain).toEqual(['a/1', 'b/1', 'a/1'])
})

test('an actor that asks itself is told so instead of waiting for ever', async () => {
  await using t = openSystem()
  const Self = defineActor('self', { messages: { go: (ctx): Promise<unknown> => ctx.self.ask('reply'), reply: () => 1 } })
  const { error } = await outcome(t.runtime, t.system.spawn(Self, '1').ask('go'))
  expect((error as ActorFailedError).cause).toBeInstanceOf(AskCycleError)
})

test('an ask back to an actor whose turn does not wait any more is no cycle', async () => {
  await using t = openSystem()
  const answers: unknown[] = []
  const A = defineActor('a', {
    messages: {
      start(ctx) {
        ;(ctx.ref('b', '1') as ActorRef).tell('onward')
      },
      end: () => 'reached',
    },
  })
  const B = defineActor('b', {
    messages: {
      async onward(ctx) {
        answers.push(await (ctx.ref('a', '1') as ActorRef).ask('end'))
      },
    },
  })
  const a = t.system.spawn(A, '1')
  t.system.spawn(B, '1')
  a.tell('start')
  await t.runtime.settle()
  expect(answers).toEqual(['reached'])
})

test('a full mailbox drops the newest by default, to dead letters; nothing is lost silently', async () => {
  await using t = openSystem()
  const Small = defineActor('small', {
    mailbox: { limit: 4 },
    state: () => [] as number[],
    messages: { note: (ctx, n: number) => void ctx.state.push(n), read: (ctx) => ctx.state },
  })
  const small = t.system.spawn(Small, 'a')
  const taken = [1, 2, 3, 4, 5, 6].map((n) => small.tell('note', n))
  expect(taken).toEqual([true, false, false, false, false, false])
  t.runtime.flush()
  expect(t.letters.map((letter) => [letter.reason, letter.payload])).toEqual([
    ['mailbox-full', 5],
    ['mailbox-full', 6],
  ])
  expect((await outcome(t.runtime, small.ask('read'))).value).toEqual([1, 2, 3, 4])
})

test('drop-oldest makes room by dropping what waited longest', async () => {
  await using t = openSystem()
  const Small = defineActor('small', {
    mailbox: { limit: 2, policy: 'drop-oldest' },
    state: () => [] as number[],
    messages: { note: (ctx, n: number) => void ctx.state.push(n), read: (ctx) => ctx.state },
  })
  const small = t.system.spawn(Small, 'a')
  for (const n of [1, 2, 3]) small.tell('note', n)
  t.runtime.flush()
  expect(t.letters.map((letter) => letter.payload)).toEqual([1])
  expect((await outcome(t.runtime, small.ask('read'))).value).toEqual([2, 3])
})

test('sends and asks wait for room in order, and tells do not overtake them; reject refuses them at once', async () => {
  await using t = openSystem()
  const Small = defineActor('small', {
    mailbox: { limit: 2 },
    state: () => [] as number[],
    messages: { note: (ctx, n: number) => void ctx.state.push(n), read: (ctx) => ctx.state },
  })
  const small = t.system.spawn(Small, 'a')
  small.tell('note', 1)
  small.tell('note', 2)
  const sends = [3, 4, 5].map((n) => small.send('note', n))
  expect(small.tell('note', 6)).toBe(false)
  await t.runtime.settle()
  await Promise.all(sends)
  expect((await outcome(t.runtime, small.ask('read'))).value).toEqual([1, 2, 3, 4, 5])

  const Strict = defineActor('strict', { mailbox: { limit: 1, policy: 'reject' }, messages: { note: () => {} } })
  const strict = t.system.spawn(Strict, 'a')
  strict.tell('note')
  expect((await outcome(t.runtime, strict.send('note'))).error).toMatchObject({ code: 'NOT_EXECUTED', reason: 'mailbox-full' })
})

test('a send that waits for room ends at its deadline', async () => {
  await using t = openSystem()
  const gate = latch()
  const Small = defineActor('small', { mailbox: { limit: 1 }, messages: { work: () => gate.promise } })
  const small = t.system.spawn(Small, 'a')
  small.tell('work')
  await t.runtime.settle()
  small.tell('work')
  const waiting = small.send('work', undefined, { timeoutMs: 100 })
  waiting.catch(() => {})
  await t.runtime.advanceAndSettle(120)
  expect((await outcome(t.runtime, waiting)).error).toMatchObject({ code: 'NOT_EXECUTED', reason: 'deadline' })
  gate.open()
})

test('ready resolves when the mailbox has drained to half its high-water mark', async () => {
  await using t = openSystem()
  const log = t.system.spawn(Log, 'a')
  let told = 0
  while (log.tell('note', told++)) {
    // Until it says: slow down.
  }
  expect(told).toBe(8_192)
  let isReady = false
  const ready = log.ready().then(() => {
    isReady = true
  })
  await Promise.resolve()
  expect(isReady).toBe(false)
  await t.runtime.settle()
  await ready
  expect(log.tell('note', 0)).toBe(true)
})

test('strict mode finds at the call what would not survive the network, and shares nothing', async () => {
  await using t = openSystem({ strict: true })
  const log = t.system.spawn(Log, 'a') as ActorRef
  expect(() => log.tell('note', { items: [1, { callback: () => {} }] })).toThrow(UnserialisablePayloadError)
  expect(() => log.tell('note', { items: [1, { callback: () => {} }] })).toThrow('payload.items[1].callback')
  const shared = { n: 1 }
  log.tell('note', shared)
  shared.n = 2
  expect((await outcome(t.runtime, log.ask('read'))).value).toEqual([{ n: 1 }])
})

test('without strict mode payloads go by reference', async () => {
  await using t = openSystem({ strict: false })
  const log = t.system.spawn(Log, 'a')
  const shared = { n: 1 }
  log.tell('note', shared)
  expect(((await outcome(t.runtime, log.ask('read'))).value as unknown[])[0]).toBe(shared)
})

test('a payload that fails its schema never reaches the handler; one that passes reaches it as the schema puts it out', async () => {
  await using t = openSystem()
  const numeric = {
    '~standard': {
      version: 1 as const,
      vendor: 'test',
      validate: (value: unknown) =>
        typeof value === 'number' ? { value: value + 1 } : { issues: [{ message: 'expected a number', path: ['n', 3] }] },
    },
  }
  const later = { '~standard': { version: 1 as const, vendor: 'test', validate: async (value: unknown) => ({ value: value as number }) } }
  const Checked = defineActor('checked', {
    schemas: { note: numeric, later },
    messages: { note: (_ctx, n: number) => n, later: (_ctx, n: number) => n },
  })
  const checked = t.system.spawn(Checked, 'a')
  expect((await outcome(t.runtime, checked.ask('note', 1))).value).toBe(2)
  const { error } = await outcome(t.runtime, (checked as ActorRef).ask('note', 'x'))
  expect(error).toMatchObject({ code: 'INVALID_PAYLOAD' })
  expect(String(error)).toContain('payload.n[3]: expected a number')
  ;(checked as ActorRef).tell('note', 'x')
  t.runtime.flush()
  expect(t.letters).toMatchObject([{ reason: 'invalid-payload' }])
  expect(String((await outcome(t.runtime, checked.ask('later', 1))).error)).toContain('asynchronous')
})

test('after close everything is refused as shutdown, and spawning is an error', async () => {
  await using t = openSystem()
  const log = t.system.spawn(Log, 'a')
  await outcome(t.runtime, t.system.close())
  expect(log.tell('note', 1)).toBe(false)
  expect(t.letters).toMatchObject([{ reason: 'shutdown' }])
  expect((await outcome(t.runtime, log.ask('read'))).error).toMatchObject({ reason: 'shutdown' })
  expect(() => t.system.spawn(Log, 'b')).toThrow(ClosedError)
  expect(t.runtime.pendingTimers).toBe(0)
})

test('a dead-letter subscriber that throws breaks nothing and is logged', async () => {
  await using t = openSystem({ actors: [Log] })
  t.system.onDeadLetter(() => {
    throw new Error('bad subscriber')
  })
  const heard: string[] = []
  t.system.onDeadLetter((letter) => heard.push(letter.reason))
  t.system.ref(Log, 'nobody').tell('read')
  expect(heard).toEqual(['stopped'])
  expect(t.logs.some((line) => line.level === 'error' && line.message.includes('subscriber'))).toBe(true)
  expect(t.system.metrics().deadLetters).toEqual({ stopped: 1 })
})

test('what comes while others wait for room waits behind them, although there is room by then', async () => {
  await using t = openSystem()
  const gates = Array.from({ length: 9 }, () => latch())
  const seen: number[] = []
  const Small = defineActor('small', {
    mailbox: { limit: 4 },
    messages: {
      async work(_ctx, n: number) {
        seen.push(n)
        await gates[n]?.promise
      },
    },
  })
  const small = t.system.spawn(Small, 'a')
  small.tell('work', 0)
  await t.runtime.settle()
  for (const n of [1, 2, 3, 4]) small.tell('work', n)
  const waiting = [small.send('work', 5)]
  for (const n of [0, 1]) {
    gates[n]?.open()
    await t.runtime.settle()
  }
  waiting.push(small.send('work', 6))
  for (const gate of gates) gate.open()
  await t.runtime.settle()
  await Promise.all(waiting)
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6])
})
