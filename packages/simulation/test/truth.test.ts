// What the checkers take for true, from writes of a store made by hand.

import { expect, test } from 'vitest'
import { History } from '../src/history.ts'
import type { SimulatedProcess } from '../src/host.ts'
import { Marks } from '../src/marks.ts'
import type { SimulatedStore, StoreWrite } from '../src/store.ts'
import { Truth } from '../src/truth.ts'

class Store {
  readonly loop = { nowMs: 0 }
  onWrite: ((write: StoreWrite) => void) | undefined
  revision = 0
  readonly #processes = new Map<string, SimulatedProcess>()

  keepsSession(): boolean {
    return true
  }

  put(by: string, key: string, value: object): void {
    const process = this.#processes.get(by) ?? ({ name: by } as SimulatedProcess)
    this.#processes.set(by, process)
    const entry = { key: `cajun/default/${key}`, value: JSON.stringify(value), version: '1', session: 's' }
    this.onWrite?.({ timeMs: this.loop.nowMs, by: process, isAnswered: true, change: { type: 'put', entry } })
  }

  register(process: string): void {
    const record = { v: 1, node: process, process, incarnation: 'i', address: 'x', kinds: ['k'], capacity: 1, load: 0, draining: false }
    this.put(process, `nodes/${process}`, { ...record, protocol: [1, 1] })
  }

  end(process: string): void {
    const key = `cajun/default/nodes/${process}`
    this.onWrite?.({ timeMs: this.loop.nowMs, by: undefined, isAnswered: true, change: { type: 'delete', key } as StoreWrite['change'] })
  }

  place(owner: string, epoch: number): void {
    const document = { v: 1, kind: 'k', hash: 1, revision: ++this.revision, epoch, owners: [[owner, owner, 'i']], moves: [] }
    this.put('a', 'placement/k', { ...document, shards: [[0], [epoch], [epoch - 1]], pins: [[], [], [], []] })
  }

  /** The actor, away from its shard, which stays under `shardEpoch` where `owner` has it. */
  pin(owner: string, shardEpoch: number, pinned: string, epoch: number): void {
    const owners = [owner, pinned].map((name) => [name, name, 'i'])
    const document = { v: 1, kind: 'k', hash: 1, revision: ++this.revision, epoch, owners, moves: [] }
    this.put('a', 'placement/k', {
      ...document,
      shards: [[0], [shardEpoch], [shardEpoch - 1]],
      pins: [['x'], [1], [epoch], [epoch - 1]],
    })
  }
}

function open(): { readonly store: Store; readonly history: History; mayHaveLeft(atMs: number): string | undefined } {
  const store = new Store()
  const history = new History(() => store.loop.nowMs)
  const truth = new Truth(store as unknown as SimulatedStore, history, new Marks())
  for (const process of ['a', 'b']) store.register(process)
  store.put('a', 'leader', {})
  store.loop.nowMs = 10
  store.place('a', 1)
  // The turn ran at 20, under epoch 1.
  return { store, history, mayHaveLeft: (atMs) => truth.mayHaveLeft('k/x', 'a', 1, 20, atMs) }
}

/** Its owner lost its lease, and was appointed again before anybody else. */
function openResumed(): ReturnType<typeof open> {
  const world = open()
  world.store.loop.nowMs = 30
  world.store.end('a')
  world.store.loop.nowMs = 40
  world.store.register('a')
  world.store.place('a', 2)
  return world
}

test('what a turn sent may leave while its owner keeps its lease, and after it handed the actor over', () => {
  const { store, history, mayHaveLeft } = open()
  store.loop.nowMs = 40
  store.place('b', 2)
  expect(mayHaveLeft(50)).toBeUndefined()
  expect(history.findings).toEqual([])
})

test('what a turn sent may not leave when the lease was over and another was appointed', () => {
  const { store, mayHaveLeft } = open()
  store.loop.nowMs = 30
  store.end('a')
  store.loop.nowMs = 40
  store.place('b', 2)
  expect(mayHaveLeft(35)).toBeUndefined()
  expect(mayHaveLeft(50)).toBe('b was appointed under epoch 2 at 40.0, and the lease of a ended at 30.0')
})

test('an owner that lost its lease and was appointed again hands over all of its tenure; when it loses it once more, nothing of it may leave', () => {
  const { store, mayHaveLeft } = openResumed()
  store.loop.nowMs = 50
  store.place('b', 3)
  expect(mayHaveLeft(60)).toBeUndefined()
  const again = openResumed()
  again.store.loop.nowMs = 45
  again.store.end('a')
  again.store.loop.nowMs = 50
  again.store.place('b', 3)
  expect(again.mayHaveLeft(60)).toBe('b was appointed under epoch 3 at 50.0, and the lease of a ended at 45.0')
})

// Found by the simulation (seed 43883).
test('an actor that is pinned elsewhere after its shard went on takes what its turns sent along', () => {
  const { store, mayHaveLeft } = openResumed()
  store.loop.nowMs = 50
  store.pin('a', 2, 'b', 3)
  expect(mayHaveLeft(60)).toBeUndefined()
  const lost = open()
  lost.store.loop.nowMs = 30
  lost.store.end('a')
  lost.store.loop.nowMs = 40
  lost.store.place('b', 2)
  lost.store.loop.nowMs = 50
  lost.store.pin('b', 2, 'b', 3)
  expect(lost.mayHaveLeft(60)).toBe('b was appointed under epoch 2 at 40.0, and the lease of a ended at 30.0')
})
