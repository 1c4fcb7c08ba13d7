// What both halves of a watch say to each other when their actors live under different owners. Between nodes: test/cluster/watching.test.ts.

import { expect, test } from 'vitest'
import type { Activation } from '../../src/actor/activation.ts'
import { defineActor } from '../../src/actor/definition.ts'
import type { Destination } from '../../src/actor/destination.ts'
import { ActorHost } from '../../src/actor/host.ts'
import type { Terminated } from '../../src/actor/stop-reason.ts'
import { ActorTable } from '../../src/actor/table.ts'
import { ConfigError, DeliveryUnknownError, NotExecutedError } from '../../src/errors.ts'
import type { ActorAddress } from '../../src/messaging/address.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'
import { FakeMessage, recordingLogger } from './support.ts'

interface Said {
  readonly to: string
  readonly type: string
  readonly payload: { readonly token: string; readonly known?: boolean }
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

function open() {
  const runtime = new ManualRuntime()
  const said: Said[] = []
  const say = (to: ActorAddress, type: string, payload: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => said.push({ to: `${to.kind}/${to.id}`, type, payload: payload as Said['payload'], resolve, reject }))
  const refs: Destination = { tell: () => true, ready: async () => {}, send: say as Destination['send'], ask: say }
  const where = new Map<string, string>()
  const host = new ActorHost({
    runtime,
    refs,
    logger: recordingLogger([]),
    whereabouts: (kind, id) => where.get(`${kind}/${id}`) ?? '1 here',
  })
  const heard: Terminated[] = []
  let ctx!: Activation
  let slowly = false
  let finishStop: () => void = () => {}
  const Actor = defineActor('actor', {
    onStart: (context) => {
      ctx = context as never
    },
    messages: {
      watch: (context, id: string) => context.watch(context.ref('other', id), 'gone'),
      gone: (_context, what: Terminated) => void heard.push(what),
      stop: (context) => context.stop(),
      touch: () => undefined,
      passivateSlowly(context) {
        slowly = true
        context.setIdleTimeout(100)
      },
      stopSlowly(context) {
        slowly = true
        context.stop()
      },
    },
    onStop: () => (slowly ? new Promise<void>((resolve) => (finishStop = resolve)) : undefined),
  })
  const table = new ActorTable(host, Actor, { activateOnMessage: true })
  const deliver = async (type: string, payload: unknown, sender?: string): Promise<FakeMessage> => {
    const message = new FakeMessage(type, payload)
    if (sender !== undefined) message.sender = { kind: 'other', id: sender }

    table.deliver('me', undefined, message)
    await runtime.settle()
    return message
  }
  return {
    runtime,
    host,
    table,
    said,
    heard,
    where,
    finishStop: () => finishStop(),
    watchers: () => Array.from(ctx.cell.extras?.watchers?.values() ?? [], ({ other, token }) => `${other.id} ${token}`),
    tell: (type: string, payload?: unknown) => deliver(type, payload),
    watchMessage: (type: string, id: string, payload: unknown) => deliver(type, payload, id),
    async answer(value: unknown, isError = false): Promise<void> {
      const last = said.at(-1) as Said
      if (isError) last.reject(value)
      else last.resolve(value)
      await runtime.settle()
    },
  }
}

test('a watch is registered with the watched actor, and asked for again only when that has another owner', async () => {
  const t = open()
  await t.tell('watch', 'x')
  expect(t.said.map(({ to, type, payload }) => [to, type, payload.known])).toEqual([['other/x', 'cajun:watch', undefined]])
  t.where.set('other/x', '2 elsewhere')
  t.host.placementChanged('other')
  // One question is enough: it follows the placement by itself. The answer is held against where it was asked.
  expect(t.said).toHaveLength(1)
  await t.answer(true)
  expect(t.said).toHaveLength(2)
  expect(t.said[1]?.payload).toEqual({ token: t.said[0]?.payload.token, known: true })
  await t.answer(true)
  t.host.placementChanged('other')
  t.host.placementChanged(undefined)
  expect(t.said).toHaveLength(2)
  t.where.set('other/x', '3 elsewhere')
  t.host.placementChanged('another')
  expect(t.said).toHaveLength(2)
  t.host.placementChanged('other')
  expect(t.said).toHaveLength(3)
  await t.answer(false)
  expect(t.heard).toEqual([{ kind: 'other', id: 'x', path: undefined, reason: 'lost' }])
})

test('a notice counts for the very watch that it names, and once', async () => {
  const t = open()
  await t.tell('watch', 'x')
  const { token } = (t.said[0] as Said).payload
  await t.answer(true)
  for (const [id, named] of [
    ['x', 'of an earlier watch'],
    ['y', token],
  ] as const) {
    const stale = await t.watchMessage('cajun:terminated', id, { token: named, reason: 'stopped' })
    expect(stale.events).toEqual(['begin', 'handled'])
  }
  expect(t.heard).toEqual([])
  for (let i = 0; i < 2; i++) await t.watchMessage('cajun:terminated', 'x', { token, reason: 'failed' })
  expect(t.heard.map(({ reason }) => reason)).toEqual(['failed'])
})

test('what keeps a question from being answered: it is asked again, given up, or says itself that the other one is gone', async () => {
  for (const [error, reason] of [
    [new NotExecutedError('stopped', 'x'), 'stopped'],
    [new NotExecutedError('stopped', 'x', { cause: new Error('why') }), 'failed'],
    [new NotExecutedError('no-host', 'x'), 'no-host'],
    [new DeliveryUnknownError('no-host', 'x', 'id'), 'no-host'],
    [new NotExecutedError('unknown-kind', 'x'), 'no-host'],
    [new DeliveryUnknownError('poison', 'x', 'id'), 'failed'],
    [new DeliveryUnknownError('deadline', 'x', 'id'), 'again'],
    [new DeliveryUnknownError('stopped', 'x', 'id'), 'again'],
    [new NotExecutedError('circuit-open', 'x'), 'again'],
    [new NotExecutedError('fenced', 'x'), 'nothing'],
    [new NotExecutedError('shutdown', 'x'), 'nothing'],
  ] as const) {
    const t = open()
    await t.tell('watch', 'x')
    await t.answer(error, true)
    await t.runtime.advanceAndSettle(1_100)
    expect([t.heard[0]?.reason ?? (t.said.length > 1 ? 'again' : 'nothing'), t.heard.length]).toEqual([
      reason,
      reason === 'again' || reason === 'nothing' ? 0 : 1,
    ])
  }
})

test('that a registered actor has just stopped is left to its own notice, which says why', async () => {
  const t = open()
  await t.tell('watch', 'x')
  const { token } = (t.said[0] as Said).payload
  await t.answer(true)
  t.where.set('other/x', '2 elsewhere')
  t.host.placementChanged('other')
  await t.answer(new NotExecutedError('stopped', 'x'), true)
  expect(t.heard).toEqual([])
  await t.watchMessage('cajun:terminated', 'x', { token, reason: 'passivated' })
  expect(t.heard.map(({ reason }) => reason)).toEqual(['passivated'])
  await t.runtime.advanceAndSettle(1_100)
  expect(t.said).toHaveLength(2)
})

test('that an actor which is a stranger by now has just stopped is no end of the one that was watched: it is asked again, and is lost', async () => {
  const t = open()
  await t.tell('watch', 'x')
  await t.answer(true)
  t.where.set('other/x', '2 elsewhere')
  t.host.placementChanged('other')
  await t.answer(new NotExecutedError('stopped', 'x'), true)
  await t.runtime.advanceAndSettle(1_100)
  expect(t.said).toHaveLength(3)
  await t.answer(false)
  expect(t.heard.map(({ reason }) => reason)).toEqual(['lost'])
})

test('the watched actor tells until it is heard, and knows its watchers for as long as they want it', async () => {
  const t = open()
  expect((await t.watchMessage('cajun:watch', 'w', { token: 't1' })).reply).toBe(true)
  expect((await t.watchMessage('cajun:watch', 'w', { token: 't1', known: true })).reply).toBe(true)
  expect((await t.watchMessage('cajun:watch', 'v', { token: 't2', known: true })).reply).toBe(false)
  await t.watchMessage('cajun:watch', 'u', { token: 't3' })
  await t.watchMessage('cajun:unwatch', 'u', { token: 'of an earlier watch' })
  expect(t.watchers()).toEqual(['w t1', 'u t3'])
  await t.watchMessage('cajun:unwatch', 'u', { token: 't3' })
  expect(t.watchers()).toEqual(['w t1'])
  t.where.set('other/w', '2 elsewhere')
  t.host.placementChanged('other')
  expect(t.said.map(({ to, type, payload }) => [to, type, payload])).toEqual([['other/w', 'cajun:watcher', { token: 't1' }]])
  await t.answer(true)
  await t.tell('stop')
  expect(t.said[1]).toMatchObject({ to: 'other/w', type: 'cajun:terminated', payload: { token: 't1', reason: 'stopped' } })
  await t.answer(new DeliveryUnknownError('deadline', 'x', 'id'), true)
  await t.runtime.advanceAndSettle(1_100)
  expect(t.said).toHaveLength(3)
  await t.answer(undefined)
  await t.runtime.advanceAndSettle(120_000)
  expect(t.said).toHaveLength(3)
  expect(t.host.watching.size).toBe(0)
})

// Found by the simulation (seed 29733): it brought the next life to life, which had asked for nothing.
test('what is told to a life that is being passivated is not told to the next one', async () => {
  const t = open()
  await t.tell('watch', 'w')
  await t.answer(true)
  await t.tell('passivateSlowly')
  await t.runtime.advanceAndSettle(300)
  t.where.set('other/w', '2 elsewhere')
  t.host.placementChanged('other')
  await t.answer(false)
  t.finishStop()
  await t.runtime.settle()
  expect(t.heard).toEqual([])
  expect(t.host.counters).toMatchObject({ activations: 1, passivations: 1 })
  // Messages start another.
  await t.tell('touch')
  expect(t.heard).toEqual([])
  expect(t.host.counters.activations).toBe(2)
})

// Found by the simulation (seed 19379): the watcher had moved, and what it had sent before arrived after what it sent from there.
test('a watch that was withdrawn, and is heard of only after the one that took its place, does not displace that', async () => {
  const t = open()
  await t.watchMessage('cajun:watch', 'w', { token: 't1' })
  await t.watchMessage('cajun:unwatch', 'w', { token: 't1' })
  await t.watchMessage('cajun:watch', 'w', { token: 't2' })
  await t.watchMessage('cajun:watch', 'w', { token: 't1' })
  expect(t.watchers()).toEqual(['w t2', 'w t1'])
  // It is forgotten when its watcher is asked for it, and until then the watcher takes no notice of it.
  t.where.set('other/w', '2 elsewhere')
  t.host.placementChanged('other')
  for (const { payload, resolve } of t.said) resolve(payload.token === 't2')
  await t.runtime.settle()
  expect(t.watchers()).toEqual(['w t2'])
  await t.tell('stop')
  expect(t.said.slice(2).map(({ type, payload }) => [type, payload.token])).toEqual([['cajun:terminated', 't2']])
})

// Found by the simulation (seed 68, with ten watches): the watcher was told `lost` of an actor that had failed, because the answer of its successor was there first.
test('while its notice is under way nobody who asks is told that the watch is not known', async () => {
  const t = open()
  await t.watchMessage('cajun:watch', 'w', { token: 't1' })
  await t.tell('stop')
  const notice = t.said.at(-1) as Said
  expect(notice.type).toBe('cajun:terminated')
  // Nobody is there; then another life is. A first question that comes again brings nobody to life, and registers nothing.
  expect((await t.watchMessage('cajun:watch', 'w', { token: 't1', known: true })).reply).toBe(true)
  expect((await t.watchMessage('cajun:watch', 'w', { token: 't1' })).reply).toBe(true)
  expect(t.host.counters.activations).toBe(1)
  await t.watchMessage('cajun:watch', 'v', { token: 't2' })
  expect((await t.watchMessage('cajun:watch', 'w', { token: 't1' })).reply).toBe(true)
  expect((await t.watchMessage('cajun:watch', 'w', { token: 't1', known: true })).reply).toBe(true)
  expect(t.watchers()).toEqual(['v t2'])
  notice.resolve(undefined)
  await t.runtime.settle()
  expect((await t.watchMessage('cajun:watch', 'w', { token: 't1', known: true })).reply).toBe(false)
})

// Found by the simulation (seed 99, with ten watches): its refusal came before what the watched one had sent at its end.
test('a watch that finds an actor which is about to stop is registered, and told of the end with the others', async () => {
  const t = open()
  await t.tell('touch')
  const late = ['w', 'v'].map((id) => {
    const message = new FakeMessage('cajun:watch', { token: `t-${id}` })
    message.sender = { kind: 'other', id }
    return message
  })
  const stop = new FakeMessage('stopSlowly', undefined)
  t.table.deliver('me', undefined, stop)
  t.table.deliver('me', undefined, late[0] as FakeMessage)
  await t.runtime.settle()
  // The stop hook is running.
  t.table.deliver('me', undefined, late[1] as FakeMessage)
  t.finishStop()
  await t.runtime.settle()
  expect(late.map(({ reply }) => reply)).toEqual([true, true])
  expect(t.said.map(({ to, type, payload }) => [to, type, payload])).toEqual([
    ['other/v', 'cajun:terminated', { token: 't-v', reason: 'stopped' }],
    ['other/w', 'cajun:terminated', { token: 't-w', reason: 'stopped' }],
  ])
  expect(t.host.watching.size).toBe(0)
})

test('nobody is brought to life by anything but a new watch', async () => {
  const t = open()
  for (const [type, payload] of [
    ['cajun:watch', { token: 't', known: true }],
    ['cajun:watcher', { token: 't' }],
    ['cajun:unwatch', { token: 't' }],
    ['cajun:terminated', { token: 't', reason: 'stopped' }],
  ] as const) {
    const message = await t.watchMessage(type, 'w', payload)
    expect(message.events).toEqual(['begin', 'handled'])
    expect(message.reply).toBe(false)
  }
  expect(t.host.counters.activations).toBe(0)
  await t.watchMessage('cajun:watch', 'w', { token: 't' })
  expect(t.host.counters.activations).toBe(1)
})

test('names of the system are refused to definitions', () => {
  expect(() => defineActor('actor', { messages: { 'cajun:watch': () => {} } })).toThrow(ConfigError)
  expect(() => defineActor('actor', { messages: {}, behaviours: { b: { 'cajun:x': () => {} } as never } })).toThrow(/begin with 'cajun:'/)
})
