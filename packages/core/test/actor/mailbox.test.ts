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

test('the queue behaves as an array does, whatever is pushed at either end and taken in between, across its segments', () => {
  const operation = fc.record({
    do: fc.oneof(
      { weight: 4, arbitrary: fc.constant('push' as const) },
      { weight: 1, arbitrary: fc.constant('front' as const) },
      { weight: 3, arbitrary: fc.constant('drop' as const) },
    ),
    times: fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 3_000 }) }),
  })
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 100 }), (operations) => {
      const mailbox = new Mailbox()
      const model: number[] = []
      let next = 0
      for (const { do: what, times } of operations) {
        for (let i = 0; i < times; i++) {
          if (what === 'push') {
            mailbox.push(`h${next}`, next, { from: next }, next)
            model.push(next++)
          } else if (what === 'front') {
            mailbox.pushFront(`h${next}`, next, { from: next }, next)
            model.unshift(next++)
          } else if (model.length > 0) {
            expectOldest(mailbox, model.shift() as number)
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
    { numRuns: 50 },
  )
})

/** Thousands of entries: the assertion, which is slow, is made where they differ. */
function expectOldest(mailbox: Mailbox, n: number): void {
  const sender = mailbox.sender() as { from: number } | undefined
  if (mailbox.head() === `h${n}` && mailbox.payload() === n && sender?.from === n && mailbox.deadlineTick() === n) return
  expect([mailbox.head(), mailbox.payload(), sender, mailbox.deadlineTick()]).toEqual([`h${n}`, n, { from: n }, n])
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
    expect(mailbox.capacity, `with at most ${most + 1} entries`).toBeLessThanOrEqual(16)
  }
})

test('a handled message is not kept alive by the queue', async () => {
  const mailbox = new Mailbox()
  const kept: WeakRef<object>[] = []
  for (let i = 0; i < 3; i++) {
    const message = { i }
    kept.push(new WeakRef(message))
    mailbox.push(message, message, message, 0)
  }
  const gc = collector()
  mailbox.drop()
  mailbox.drop()
  // A WeakRef lets go only after the task that made or read it.
  await new Promise((resolve) => setImmediate(resolve))
  gc()
  expect(kept.map((ref) => ref.deref() !== undefined)).toEqual([false, false, true])
})

/** Node's own collector, whatever flags the process was started with. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

test('an empty mailbox keeps its largest segment, and no other', () => {
  const mailbox = new Mailbox()
  expect(mailbox.capacity).toBe(4)
  for (let i = 0; i < 50_000; i++) mailbox.push('type', i, undefined, 0)
  for (let i = 0; i < 50_000; i++) mailbox.drop()
  expect(mailbox.capacity).toBe(1_024)
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
  const pool = new MailboxPool(10)
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
