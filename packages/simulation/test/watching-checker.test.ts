// The checker of watching is fed histories that break what `ctx.watch` promises, and ones beside them that do not.

import { expect, test } from 'vitest'
import { checkWatching } from '../src/checkers/watching.ts'
import { History, type TurnRecord, type WatchEvent } from '../src/history.ts'

const WATCHER = 'k/w'
const WATCHED = 'k/x'

/** An actor of each: the watcher on a.1 as life 1, the watched one on b.1 as life 2. Time is what each step says. */
class Story {
  nowMs = 0
  readonly history = new History(() => this.nowMs)

  constructor() {
    this.born(WATCHER, 'a.1')
    this.born(WATCHED, 'b.1')
    this.turn(WATCHER, 1)
    this.turn(WATCHED, 2)
  }

  at(ms: number): this {
    this.nowMs = ms
    return this
  }

  born(actor: string, process: string, excuse?: string): this {
    const record = this.history.lives.get(this.history.born(actor, process))
    if (record !== undefined && excuse !== undefined) record.excuse = excuse
    return this
  }

  turn(actor: string, life: number, process = actor === WATCHER ? 'a.1' : 'b.1'): this {
    this.#turn(actor, life, process)
    return this
  }

  #turn(actor: string, life: number, process: string, insideOf?: number): TurnRecord {
    const { message } = this.history.sent({
      source: process,
      actor,
      guarantee: 'exactly-once',
      form: 'ask',
      timeoutMs: 300,
      insideOf,
      isProbe: false,
    })
    return this.history.turn({ message, actor, process, life, count: 1, epoch: 1, problem: undefined })
  }

  /** `found`: the life that the question behind the watch was answered by. */
  watch(found?: number, life = 1): this {
    const { message } = this.#turn(WATCHED, found ?? 2, 'b.1')
    this.history.ended(
      message,
      found === undefined ? 'unknown' : 'ok',
      found === undefined ? {} : { reply: { message, life: found, count: 1 } },
    )
    return this.#note({ event: 'watch', life, question: message })
  }

  unwatch(): this {
    return this.#note({ event: 'unwatch', life: 1 })
  }

  told(reason: 'stopped' | 'failed' | 'passivated' | 'shutdown' | 'lost' | 'no-host', loss?: string, life = 1, placedMs = 0): this {
    return this.#note({ event: 'notice', life, reason, loss, placedMs })
  }

  #note(what: { life: number } & Record<string, unknown>): this {
    this.history.watching.push({ watcher: WATCHER, watched: WATCHED, process: 'a.1', atMs: this.nowMs, ...what } as WatchEvent)
    return this
  }

  ends(life: number, reason: string): this {
    this.history.gaveUp(life, reason)
    return this
  }

  /** What the watched one said to the watcher in its last turn, and when the watcher was given it. */
  lastWords(heardAtMs: number): this {
    const cause = this.#turn(WATCHED, 2, 'b.1').message
    const { message } = this.history.sent({
      source: 'b.1',
      actor: WATCHER,
      guarantee: 'exactly-once',
      form: 'tell',
      timeoutMs: 300,
      insideOf: cause,
      isProbe: false,
    })
    const now = this.nowMs
    this.nowMs = heardAtMs
    this.history.turn({ message, actor: WATCHER, process: 'a.1', life: 1, count: 1, epoch: 1, problem: undefined })
    this.nowMs = now
    return this
  }

  /** Everything was healed at 1,000; both answer then. */
  found(alive: readonly number[] = [1]): string[] {
    this.at(1_500)
    for (const life of alive) this.turn(this.history.lives.get(life)?.actor as string, life)
    return checkWatching(this.history, { settledMs: 1_000, untilMs: 9_000 }).map(({ invariant, what }) => `${invariant}: ${what}`)
  }
}

test('a watch, an end, one notice: nothing is wrong with that', () => {
  expect(new Story().at(10).watch(2).at(20).ends(2, 'stopped').at(30).told('stopped').found()).toEqual([])
  expect(new Story().at(10).watch(2).found([1, 2])).toEqual([])
})

test('a second notice for one watch', () => {
  const story = new Story().at(10).watch(2).at(20).ends(2, 'stopped').at(30).told('stopped').at(40).told('stopped')
  expect(story.found()).toEqual([expect.stringMatching(/without having asked for it, or a second time/)])
})

test('a notice that nobody asked for, and one to the successor of who did; a restart is no successor', () => {
  expect(new Story().at(20).ends(2, 'stopped').at(30).told('stopped').found()).toEqual([expect.stringMatching(/without having asked/)])
  const successor = new Story()
    .at(10)
    .watch(2)
    .at(15)
    .born(WATCHER, 'c.1', 'a.1 crashed')
    .at(20)
    .ends(2, 'stopped')
    .at(30)
    .told('stopped', undefined, 3)
  expect(successor.found([3])).toEqual([expect.stringMatching(/without having asked/)])
  const restarted = new Story()
    .at(10)
    .watch(2)
    .at(15)
    .ends(1, 'restarted')
    .born(WATCHER, 'a.1')
    .at(20)
    .ends(2, 'stopped')
    .at(30)
    .told('stopped', undefined, 3)
  expect(restarted.found([3])).toEqual([])
})

test('after unwatch one that waited already may still come, and no other', () => {
  const story = () => new Story().at(10).watch(2).at(20).ends(2, 'stopped').at(25).unwatch().at(30).told('stopped')
  expect(story().found()).toEqual([])
  expect(story().at(40).told('stopped').found()).toEqual([expect.stringMatching(/a second time/)])
})

test('a notice although the watched one lives on', () => {
  const story = new Story().at(10).watch(2).at(30).told('lost', 'b.1 lost it at 20')
  expect(story.found([1, 2])).toEqual([expect.stringMatching(/although it has lived since 0\.0 and still has turns at 1500/)])
})

test('a restart of the watched one is no end of it', () => {
  const story = new Story().at(10).watch(2).at(20).ends(2, 'restarted').born(WATCHED, 'b.1').at(30).told('failed')
  expect(story.found([1, 3])).toEqual([expect.stringMatching(/although it has lived/)])
})

test('a reason that is not true: no such end, and nothing that cost it its memory', () => {
  const story = () => new Story().at(10).watch(2).at(20).ends(2, 'passivated').at(30)
  expect(story().told('passivated').found()).toEqual([])
  expect(story().told('stopped').found()).toEqual([expect.stringMatching(/\(stopped\), and no life of it has ended so since 10\.0/)])
  expect(story().told('lost').found()).toEqual([expect.stringMatching(/\(lost\), although nothing has cost it its memory since 10\.0/)])
  expect(story().told('lost', 'b.1 lost it at 20').found()).toEqual([])
  expect(new Story().at(10).watch(2).at(30).told('no-host').found()).toEqual([expect.stringMatching(/\(no-host\), and no life/)])
})

test('lost is said of one that has ended, too, when it has moved on since; not when it had moved before', () => {
  const story = (placedMs: number) => new Story().at(10).watch(2).at(20).ends(2, 'stopped').at(30).told('lost', undefined, 1, placedMs)
  expect(story(25).found()).toEqual([])
  expect(story(15).found()).toEqual([expect.stringMatching(/nothing has cost it its memory/)])
})

test('an end of before the watch is none of it', () => {
  const story = new Story().at(5).ends(2, 'stopped').at(10).born(WATCHED, 'b.1').at(20).watch(3).at(30).told('stopped')
  expect(story.found([1, 3])).toEqual([expect.stringMatching(/although it has lived since 10/)])
})

test('the notice before what was said at the end', () => {
  const story = (heardAtMs: number) => new Story().at(10).watch(2).at(20).lastWords(heardAtMs).ends(2, 'stopped').at(30).told('stopped')
  expect(story(25).found()).toEqual([])
  expect(story(35).found()).toEqual([expect.stringMatching(/before it was given message \d+, which the other had sent it at its end/)])
})

test('no notice, although the life that was found is over, in whatever way', () => {
  expect(new Story().at(10).watch(2).at(20).ends(2, 'stopped').found()).toEqual([
    expect.stringMatching(/k\/w has watched k\/x since 10\.0 and was never told of its end at 20\.0/),
  ])
  const lost = new Story().at(10).watch(2).at(20).born(WATCHED, 'c.1', 'b.1 crashed')
  expect(lost.found([1, 3])).toEqual([expect.stringMatching(/never told of its end at 20/)])
})

test('where it does not show which life was found, one that lives on may be it', () => {
  const story = () => new Story().at(10).watch().at(20).born(WATCHED, 'c.1', 'b.1 crashed')
  expect(story().found([1, 3])).toEqual([])
  expect(story().at(1_200).ends(3, 'stopped').found()).toEqual([expect.stringMatching(/never told of its end at 1200/)])
})

test('nobody is owed a notice who is gone himself, or does not want it any more, or who was told just before the run ended', () => {
  const gone = new Story().at(10).watch(2).at(20).ends(2, 'stopped').at(30).ends(1, 'passivated')
  expect(gone.found([])).toEqual([])
  expect(new Story().at(10).watch(2).at(15).unwatch().at(20).ends(2, 'stopped').found()).toEqual([])
  expect(new Story().at(10).watch(2).at(8_900).ends(2, 'stopped').found()).toEqual([])
})
