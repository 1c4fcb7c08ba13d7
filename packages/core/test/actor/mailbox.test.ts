import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Cell } from '../../src/actor/cell.ts'
import { defineActor } from '../../src/actor/definition.ts'
import type { Destination } from '../../src/actor/destination.ts'
import { ActorHost } from '../../src/actor/host.ts'
import { Mailbox } from '../../src/actor/mailbox.ts'
import { MailboxPool } from '../../src/actor/mailbox-pool.ts'
import { RunQueue } from '../../src/actor/run-queue.ts'
import { FailureHistory, resolveSupervision } from '../../src/actor/supervision.ts'
import { ActorTable } from '../../src/actor/table.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'
import { openSystem } from './support.ts'

interface Entry {
  readonly head: unknown
  readonly payload: unknown
  readonly sender: unknown
  readonly deadlineTick: number
}

const senders = [undefined, { id: 'a' }, { id: 'b' }]

/** Most follow others of the same type, sender and tick; some are objects that carry everything. */
const entry: fc.Arbitrary<(n: number) => Entry> = fc.oneof(
  { weight: 6, arbitrary: fc.constant((n: number): Entry => ({ head: 'type', payload: n, sender: undefined, deadlineTick: 7 })) },
  {
    weight: 3,
    arbitrary: fc
      .record({ head: fc.constantFrom('type', 'other'), sender: fc.constantFrom(...senders), deadlineTick: fc.integer({ min: 0, max: 2 }) })
      .map(
        (fields) =>
          (n: number): Entry => ({ ...fields, payload: n % 5 === 0 ? undefined : { n } }),
      ),
  },
  { weight: 2, arbitrary: fc.constant((n: number): Entry => ({ head: { n }, payload: undefined, sender: undefined, deadlineTick: 0 })) },
)

test('the queue behaves as an array does, whatever is pushed at either end and taken in between, across its segments', () => {
  const operation = fc.record({
    do: fc.oneof(
      { weight: 4, arbitrary: fc.constant('push' as const) },
      { weight: 1, arbitrary: fc.constant('front' as const) },
      { weight: 3, arbitrary: fc.constant('drop' as const) },
      { weight: 1, arbitrary: fc.constant('all but one' as const) },
    ),
    entry,
    times: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 1, max: 3 }) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 3_000 }) }),
  })
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 100 }), (operations) => {
      const mailbox = new Mailbox()
      const model: Entry[] = []
      let next = 0
      for (const { do: what, entry: make, times } of operations) {
        for (let i = 0; i < times; i++) {
          const made = make(next++)
          if (what === 'push') {
            mailbox.push(made.head, made.payload, made.sender, made.deadlineTick)
            model.push(made)
          } else if (what === 'front') {
            mailbox.pushFront(made.head, made.payload, made.sender, made.deadlineTick)
            model.unshift(made)
          }
          for (let left = what === 'drop' ? 1 : what === 'all but one' ? model.length - 1 : 0; left > 0 && model.length > 0; left--) {
            expectOldest(mailbox, model.shift() as Entry)
            mailbox.drop()
          }
          if (mailbox.count !== model.length) expect(mailbox.count).toBe(model.length)
        }
      }
      for (const expected of model) {
        expectOldest(mailbox, expected)
        mailbox.drop()
      }
    }),
    { numRuns: 200 },
  )
})

/** Thousands of entries: the assertion, which is slow, is made where they differ. */
function expectOldest(mailbox: Mailbox, expected: Entry): void {
  const head = mailbox.head()
  const isPlain = typeof head === 'string'
  const found: Entry = isPlain
    ? { head, payload: mailbox.payload(), sender: mailbox.sender(), deadlineTick: mailbox.deadlineTick() }
    : { head, payload: undefined, sender: undefined, deadlineTick: 0 }
  const fields = ['head', 'payload', 'sender', 'deadlineTick'] as const
  if (fields.some((field) => found[field] !== expected[field])) expect(found).toEqual(expected)
}

test('a queue that is short but never empty stays small, however much passes through it', () => {
  for (const most of [1, 2, 4]) {
    const mailbox = new Mailbox()
    mailbox.push('h', 0, undefined, 0)
    for (let next = 1, oldest = 0; next < 5_000; next++) {
      mailbox.push('h', next, undefined, next)
      while (mailbox.count > most) {
        expect(mailbox.payload()).toBe(oldest++)
        mailbox.drop()
      }
    }
    expect(mailbox.capacity, `with at most ${most + 1} entries`).toBeLessThanOrEqual(68)
  }
})

test('a handled message is not kept alive by the queue, nor its sender', async () => {
  const kept: WeakRef<object>[] = []
  const made = (what: string): object => {
    const object = { what }
    kept.push(new WeakRef(object))
    return object
  }
  const [carriers, envelopes, emptied, sliding] = [new Mailbox(), new Mailbox(), new Mailbox(), new Mailbox()]
  carriers.push(made('carrier'), undefined, undefined, 0)
  carriers.push('type', 'last', undefined, 0)
  for (let i = 0; i < 2; i++) envelopes.push('type', made('payload'), made('sender'), 0)
  envelopes.push('type', 'last', undefined, 0)
  for (let i = 0; i < 2; i++) emptied.push('type', made('payload'), made('sender'), 0)
  emptied.pushFront('type', made('payload'), made('sender'), 0)
  // Long enough to be moved to the start of its segment.
  for (let i = 0; i < 11; i++) sliding.push('type', made('payload'), undefined, 0)
  for (let i = 0; i < 10; i++) sliding.drop()
  sliding.push('type', 'last', undefined, 0)
  for (const mailbox of [carriers, envelopes, sliding]) while (mailbox.count > 1) mailbox.drop()
  while (emptied.count > 0) emptied.drop()
  const gc = collector()
  // A WeakRef lets go only after the task that made or read it.
  await new Promise((resolve) => setImmediate(resolve))
  gc()
  expect(kept.map((ref) => ref.deref())).toEqual(kept.map(() => undefined))
  expect([carriers, envelopes, sliding].map((mailbox) => mailbox.payload())).toEqual(['last', 'last', 'last'])
})

/** Node's own collector, whatever flags the process was started with. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

test('messages of one type, sender and millisecond take one slot each', () => {
  const mailbox = new Mailbox()
  for (let i = 0; i < 11; i++) mailbox.push('type', i, undefined, 7)
  expect(mailbox.capacity).toBe(17)
  mailbox.push('type', 11, undefined, 7)
  expect(mailbox.capacity).toBe(34)
})

test('an empty mailbox keeps its largest segment, and no other', () => {
  const mailbox = new Mailbox()
  expect(mailbox.capacity).toBe(17)
  for (let i = 0; i < 50_000; i++) mailbox.push('type', i, undefined, 0)
  for (let i = 0; i < 50_000; i++) mailbox.drop()
  expect(mailbox.capacity).toBe(4_096)
})

/** Actors that have had a message each; their mailboxes are empty. */
function emptied(count: number): Cell[] {
  const host = new ActorHost({ runtime: new ManualRuntime(), refs: {} as Destination })
  const table = new ActorTable(host, defineActor('actor', { messages: {} }))
  return Array.from({ length: count }, (_, i) => {
    const cell = new Cell(table.cohort, `${i}`)
    cell.mailbox = new Mailbox()
    return cell
  })
}

test('the pool is bounded', () => {
  const pool = new MailboxPool(40)
  const cells = emptied(3)
  const mailboxes = cells.map((cell) => cell.mailbox)
  for (const cell of cells) pool.release(cell)
  expect(cells.map((cell) => cell.mailbox)).toEqual([undefined, undefined, undefined])
  expect([pool.take(), pool.take()]).toEqual([mailboxes[1], mailboxes[0]])
  expect(mailboxes).not.toContain(pool.take())
})

test('no idle actor of a system has a mailbox, whether it had one turn or several, asynchronous or not', async () => {
  await using test = openSystem()
  const Actor = defineActor('actor', { messages: { sync() {}, async async() {} } })
  const refs = ['sync', 'async'].flatMap((type) =>
    [1, 2, 3].map((messages) => {
      const ref = test.system.spawn(Actor, `${type}-${messages}`)
      for (let i = 0; i < messages; i++) ref.tell(type as 'sync')
      return ref
    }),
  )
  await test.runtime.settle()
  expect(test.system.metrics().turns).toBe(12)
  expect(refs.filter((ref) => ref.findCell()?.mailbox !== undefined)).toEqual([])
})

test('the run queue gives every item its turn, in rounds, and lets the event loop turn in between', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }), (work) => {
      const runtime = new ManualRuntime()
      const left = [...work]
      const order: number[] = []
      const items = work.map((_, i) => ({ i }))
      const queue: RunQueue<{ i: number }> = new RunQueue(runtime, (item) => {
        order.push(item.i)
        left[item.i] = (left[item.i] as number) - 1
        if ((left[item.i] as number) > 0) queue.add(item)
        return 64
      })
      for (const item of items) queue.add(item)
      runtime.flush()
      expect(left.every((n) => n === 0)).toBe(true)
      // Nobody runs a second time while another who was waiting has not run.
      const counts = work.map(() => 0)
      for (const i of order) {
        counts[i] = (counts[i] as number) + 1
        for (let other = 0; other < work.length; other++) {
          const fair = Math.min(work[other] as number, (counts[i] as number) - 1)
          expect(counts[other] as number).toBeGreaterThanOrEqual(fair)
        }
      }
    }),
    { numRuns: 50 },
  )
})

test('actors that keep each other busy let the event loop turn after a few milliseconds', () => {
  const runtime = new ManualRuntime()
  let turnsBeforeIo = 0
  let isIoDone = false
  const queue: RunQueue<object> = new RunQueue(runtime, (item) => {
    runtime.nowMs += 0.01
    if (!isIoDone) {
      turnsBeforeIo++
      queue.add(item)
    }
    return 1
  })
  queue.add({})
  runtime.nextTurn(() => {
    isIoDone = true
  })
  runtime.flush()
  expect(turnsBeforeIo).toBeLessThan(2_000)
})

test('restarts are counted within the window only', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 60 }), fc.integer({ min: 0, max: 5 }), (gaps, maxRestarts) => {
      const supervision = resolveSupervision('x', { strategy: 'restart', maxRestarts, withinMs: 1_000, onLimit: 'stop' })
      const history = new FailureHistory()
      const restarts: number[] = []
      let now = 0
      for (const gap of gaps) {
        now += gap
        const within = restarts.filter((at) => at > now - 1_000).length
        const decision = history.decide(supervision, new Error('x'), undefined, now)
        expect(decision.directive).toBe(within >= maxRestarts ? 'stop' : 'restart')
        if (decision.directive === 'restart') {
          expect(decision.attempt).toBe(within)
          restarts.push(now)
        }
      }
    }),
  )
})
