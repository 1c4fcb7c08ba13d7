// Which remembered actors come to life, and from which reading: a shard may open while an older list of it is still on its way.

import { describe, expect, it } from 'vitest'
import { ClusterKeys } from '../../src/cluster/cluster-keys.ts'
import type { HeldUnit } from '../../src/cluster/held-unit.ts'
import { RegistryKeeper } from '../../src/cluster/registry-keeper.ts'
import { PROTOCOL } from '../../src/messaging/protocol-version.ts'
import type { Entry, WriteResult } from '../../src/metadata/metadata-store.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

const KIND = 'counter'
const SHARD = 3
const keys = new ClusterKeys('default')

/** Answers when the test says so, with what is there at the time of the call. */
class SlowStore {
  ids: string[] = []
  version = 1
  readonly #answers: (() => void)[] = []

  list(prefix: string): Promise<readonly Entry[]> {
    const value = JSON.stringify({ v: 1, epoch: 1, ids: this.ids })
    const entries = this.ids.length === 0 ? [] : [{ key: `${prefix}0`, value, version: `v${this.version}` }]
    return new Promise((resolve) => this.#answers.push(() => resolve(entries)))
  }

  put(_key: string, value: string): Promise<WriteResult> {
    return new Promise((resolve) =>
      this.#answers.push(() => {
        this.ids = (JSON.parse(value) as { ids: string[] }).ids
        resolve({ ok: true, version: `v${++this.version}` })
      }),
    )
  }

  delete(): Promise<WriteResult> {
    throw new Error('nothing is deleted here')
  }

  get outstanding(): number {
    return this.#answers.length
  }

  answer(): void {
    this.#answers.shift()?.()
  }
}

function newKeeper() {
  const runtime = new ManualRuntime()
  const store = new SlowStore()
  const started: string[] = []
  const errors: unknown[] = []
  const held = (pin?: string): HeldUnit =>
    ({
      unit: { kind: KIND, shard: SHARD, pin },
      epoch: 5,
      discarded: false,
      table: { start: (id: string) => started.push(id) },
    }) as unknown as HeldUnit
  let owned: HeldUnit | undefined
  const keeper = new RegistryKeeper({
    runtime,
    store,
    keys,
    guard: () => ({ key: 'node', version: 'v' }),
    protocol: PROTOCOL,
    version: () => PROTOCOL.max,
    isPinned: () => false,
    ownedShard: () => owned,
    onError: (error) => errors.push(error),
  })
  const open = (unit: HeldUnit): void => {
    if (unit.unit.pin === undefined) owned = unit
    keeper.opened(unit)
  }
  return { runtime, store, keeper, started, errors, held, open }
}

describe('the registry keeper', () => {
  it('starts what is remembered when the shard opens', async () => {
    const { runtime, store, started, held, open } = newKeeper()
    store.ids = ['a', 'b']
    open(held())
    await runtime.settle()
    store.answer()
    await runtime.settle()
    expect(started).toEqual(['a', 'b'])
  })

  it('reads again when the shard opens while an older list of it is on its way', async () => {
    const { runtime, store, started, errors, held, open } = newKeeper()
    // A pin of the shard lives here; the shard's owner elsewhere remembers one more, and hands the shard over.
    open(held('p'))
    await runtime.settle()
    store.ids = ['late']
    open(held())
    store.answer()
    await runtime.settle()
    expect(store.outstanding).toBe(1)
    store.answer()
    await runtime.settle()
    expect(started).toEqual(['late'])
    expect(errors).toEqual([])
  })

  // Found by the simulation (seed 29050): it was confirmed with the write that was under way, and never written.
  it('writes what is registered while another is being written', async () => {
    const { runtime, store, keeper, started, held, open } = newKeeper()
    open(held())
    await runtime.settle()
    store.answer()
    await runtime.settle()
    const confirmed: string[] = []
    void keeper.change(KIND, SHARD, 'a', true).then(() => confirmed.push('a'))
    await runtime.settle()
    store.answer()
    await runtime.settle()
    expect(store.outstanding).toBe(1)
    void keeper.change(KIND, SHARD, 'b', true).then(() => confirmed.push('b'))
    store.answer()
    await runtime.settle()
    expect({ confirmed, written: store.ids }).toEqual({ confirmed: ['a'], written: ['a'] })
    for (let i = 0; i < 3; i++) {
      store.answer()
      await runtime.settle()
    }
    expect({ confirmed, written: store.ids, started }).toEqual({ confirmed: ['a', 'b'], written: ['a', 'b'], started: ['a', 'b'] })
  })

  it('starts what is remembered when the shard opens while it is being written', async () => {
    const { runtime, store, keeper, started, errors, held, open } = newKeeper()
    store.ids = ['a']
    open(held())
    await runtime.settle()
    store.answer()
    await runtime.settle()
    const changed = keeper.change(KIND, SHARD, 'b', true)
    await runtime.settle()
    store.answer()
    await runtime.settle()
    // The write is on its way; the shard is lost, and got back under a later epoch. Its owner in between remembered one more.
    open(held())
    store.answer()
    store.ids = [...store.ids, 'c']
    await runtime.settle()
    store.answer()
    await runtime.settle()
    await changed
    expect(started).toEqual(['a', 'b', 'a', 'b', 'c'])
    expect(errors).toEqual([])
  })
})
