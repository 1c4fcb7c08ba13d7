import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_CHUNK_BYTES, type RegistryBatch, RegistryShard, type RegistryWrite } from '../../src/cluster/registry-document.ts'
import { ManagementError, ProtocolError } from '../../src/errors.ts'
import type { Entry } from '../../src/metadata/metadata-store.ts'

const PREFIX = 'cajun/default/registry/counter/7/'

/** What the writes do to a store, one by one: conditional, and ending where the test says that the writer crashed. */
class Store {
  readonly entries = new Map<string, Entry>()
  #versions = 0

  list(): Entry[] {
    return [...this.entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  open(maxChunkBytes?: number): RegistryShard {
    return new RegistryShard(PREFIX, this.list(), maxChunkBytes === undefined ? {} : { maxChunkBytes })
  }

  /** Returns whether all of them were done. */
  write(shard: RegistryShard, writes: readonly RegistryWrite[], crashAfter = Number.POSITIVE_INFINITY): boolean {
    for (const [done, write] of writes.entries()) {
      if (done >= crashAfter) return false
      const present = this.entries.get(write.key)?.version ?? null
      expect(present).toBe(write.ifVersion)
      if (write.type === 'delete') {
        this.entries.delete(write.key)
        continue
      }
      const version = `v${++this.#versions}`
      this.entries.set(write.key, { key: write.key, value: write.value, version })
      shard.written(write.key, version)
    }
    return true
  }

  remember(batch: RegistryBatch, maxChunkBytes?: number): RegistryWrite[] {
    const shard = this.open(maxChunkBytes)
    const writes = shard.change(1, batch)
    this.write(shard, writes)
    return writes
  }
}

const idsOf = (shard: RegistryShard): string[] => [...shard.ids()].sort()
const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `actor-${from + i}`)

describe('the stored form of remembered actors', () => {
  it('is this one: other releases read it', () => {
    const [write] = new Store().remember({ add: ['b', 'a'] })
    expect(write).toEqual({ type: 'put', key: `${PREFIX}0`, value: '{"v":1,"epoch":1,"ids":["b","a"]}', ifVersion: null })
  })

  it('may hold fields that this release does not know', () => {
    const entry = { key: `${PREFIX}0`, value: '{"v":1,"epoch":3,"ids":["a"],"colour":"blue"}', version: 'x' }
    const shard = new RegistryShard(PREFIX, [entry])
    expect(idsOf(shard)).toEqual(['a'])
    expect(shard.epoch).toBe(3)
  })

  it('that is damaged is refused with its key', () => {
    const read = (value: string, key = `${PREFIX}0`): RegistryShard => new RegistryShard(PREFIX, [{ key, value, version: 'x' }])
    expect(() => read('nonsense')).toThrow(ProtocolError)
    expect(() => read('nonsense')).toThrow(`${PREFIX}0: 8 characters that are not JSON`)
    expect(() => read('{"v":2}')).toThrow('form 2')
    expect(() => read('{"v":1,"epoch":1,"ids":[""]}')).toThrow('ids[0] is empty')
    expect(() => read('{"v":1,"epoch":1,"ids":[7]}')).toThrow('ids[0] is 7, not a string')
    expect(() => read(JSON.stringify({ v: 1, epoch: 1, ids: ['x'.repeat(257)] }))).toThrow('ids[0] takes over 256 bytes')
    for (const suffix of ['', 'x', '01', '-1', '1024', '0/1']) {
      expect(() => read('{"v":1,"epoch":1,"ids":[]}', PREFIX + suffix)).toThrow('not a chunk of')
    }
  })
})

describe('a batch', () => {
  it('that changes nothing writes nothing', () => {
    const store = new Store()
    store.remember({ add: ['a'] })
    expect(store.remember({ add: ['a'], remove: ['b'] })).toEqual([])
    expect(store.remember({})).toEqual([])
  })

  it('of thousands of actors is one write', () => {
    const store = new Store()
    expect(store.remember({ add: numbered(5_000) }).length).toBe(1)
    expect(store.remember({ add: numbered(3_000, 5_000), remove: numbered(2_500) }).length).toBe(1)
    expect(store.open().size).toBe(5_500)
  })

  it('removes before it adds', () => {
    const store = new Store()
    store.remember({ add: ['a'], remove: ['a'] })
    expect(idsOf(store.open())).toEqual(['a'])
  })

  it('that leaves nothing deletes the key', () => {
    const store = new Store()
    store.remember({ add: ['a', 'b'] })
    expect(store.remember({ remove: ['a', 'b'] })).toEqual([{ type: 'delete', key: `${PREFIX}0`, ifVersion: 'v1' }])
    expect(store.entries.size).toBe(0)
  })

  it('opens further chunks when one is full, none of them above 256 KiB', () => {
    const store = new Store()
    const ids = Array.from({ length: 2_000 }, (_, i) => `${i}-`.padEnd(256, 'x'))
    store.remember({ add: ids })
    expect(store.entries.size).toBe(2)
    for (const { value } of store.entries.values()) expect(Buffer.byteLength(value)).toBeLessThanOrEqual(MAX_CHUNK_BYTES)
    expect(idsOf(store.open())).toEqual([...ids].sort())
  })

  it('merges chunks that became small', () => {
    const store = new Store()
    const ids = numbered(100)
    store.remember({ add: ids }, 500)
    const before = store.entries.size
    expect(before).toBe(3)
    // A few are left in each.
    const left = ids.filter((_, i) => i % 20 === 0)
    store.remember({ remove: ids.filter((id) => !left.includes(id)) }, 500)
    expect(store.entries.size).toBe(1)
    expect(idsOf(store.open(500))).toEqual(left.sort())
  })

  it('that merges chunks loses nothing when the writer crashes in between', () => {
    const store = new Store()
    const ids = numbered(100)
    const left = ids.filter((_, i) => i % 20 === 0)
    store.remember({ add: ids }, 500)
    const before = new Map(store.entries)
    const writes = store.open(500).change(1, { remove: ids.filter((id) => !left.includes(id)) })
    expect(writes.map(({ type }) => type)).toEqual(['put', 'delete', 'delete'])
    for (let crashAfter = 1; crashAfter < writes.length; crashAfter++) {
      store.entries.clear()
      for (const [key, entry] of before) store.entries.set(key, entry)
      const shard = store.open(500)
      store.write(shard, writes, crashAfter)
      for (const id of left) expect(store.open(500).has(id)).toBe(true)
      // The next batch cleans up, whatever it is about.
      store.remember({ add: ['another'] }, 500)
      const stored = store.list().flatMap(({ value }) => (JSON.parse(value) as { ids: string[] }).ids)
      expect(new Set(stored).size).toBe(stored.length)
    }
  })

  it('after a merge still knows how full a chunk is', () => {
    const store = new Store()
    const ids = numbered(100)
    store.remember({ add: ids }, 500)
    const shard = store.open(500)
    store.write(shard, shard.change(1, { remove: ids.filter((_, i) => i % 8 !== 0) }))
    store.write(shard, shard.change(1, { add: numbered(100, 1_000) }))
    for (const { value } of store.entries.values()) expect(Buffer.byteLength(value)).toBeLessThanOrEqual(500)
  })

  it('of an owner that was superseded is refused', () => {
    const store = new Store()
    const shard = store.open()
    store.write(shard, shard.change(7, { add: ['a'] }))
    expect(() => store.open().change(6, { add: ['b'] })).toThrow(ManagementError)
    expect(() => store.open().change(6, { add: ['b'] })).toThrow('written under epoch 7; epoch 6 has been superseded')
  })

  it('that does not fit is refused', () => {
    // Chunks that hold one id each.
    const shard = new Store().open(80)
    expect(() => shard.change(1, { add: numbered(2_000) })).toThrow(/is full: 1024 remembered actors in 1024 chunks/)
  })
})

describe('over any batches and crashes', () => {
  // Ids that need escaping take more bytes stored than in memory.
  const id = fc.oneof(
    fc.nat(200).map((n) => `actor-${n}`),
    fc.nat(9).map((n) => `"\u0001${'é'.repeat(n)}"`),
  )
  const batches = fc.array(
    fc.record({
      add: fc.array(id, { maxLength: 20 }),
      remove: fc.array(id, { maxLength: 20 }),
      crashAfter: fc.option(fc.nat(4), { freq: 4 }),
    }),
    { minLength: 1, maxLength: 30, size: 'max' },
  )

  it('what was confirmed is remembered, what was removed is forgotten, and no chunk outgrows its limit', () => {
    fc.assert(
      fc.property(batches, fc.constantFrom(120, 400, 600, 1_000, MAX_CHUNK_BYTES), (sequence, maxChunkBytes) => {
        const store = new Store()
        let shard = store.open(maxChunkBytes)
        // Of an id in a batch that crashed either may be true until the next one that names it.
        const state = new Map<string, 'remembered' | 'forgotten' | 'either'>()
        sequence.forEach(({ add, remove, crashAfter }, i) => {
          const isDone = store.write(shard, shard.change(i, { add, remove }), crashAfter ?? undefined)
          for (const gone of remove) state.set(gone, isDone || state.get(gone) === 'forgotten' ? 'forgotten' : 'either')
          for (const added of add) state.set(added, isDone || state.get(added) === 'remembered' ? 'remembered' : 'either')
          // An id that the batch both removes and adds was there or not before.
          if (!isDone) for (const both of add.filter((other) => remove.includes(other))) state.set(both, 'either')
          if (!isDone) shard = store.open(maxChunkBytes)

          const ids = idsOf(shard)
          expect(new Set(ids).size).toBe(ids.length)
          expect(shard.size).toBe(ids.length)
          for (const [known, expected] of state) {
            if (expected !== 'either') expect([known, shard.has(known)]).toEqual([known, expected === 'remembered'])
          }
          expect(idsOf(store.open(maxChunkBytes))).toEqual(ids)
          for (const { value } of store.entries.values()) expect(Buffer.byteLength(value)).toBeLessThanOrEqual(maxChunkBytes)
        })
      }),
      { numRuns: 200 },
    )
  })

  it('a complete batch leaves no id in two chunks', () => {
    fc.assert(
      fc.property(batches, (sequence) => {
        const store = new Store()
        sequence.forEach(({ add, remove, crashAfter }, i) => {
          const shard = store.open(600)
          if (!store.write(shard, shard.change(i, { add, remove }), crashAfter ?? undefined)) return
          const stored = store.list().flatMap(({ value }) => (JSON.parse(value) as { ids: string[] }).ids)
          expect(new Set(stored).size).toBe(stored.length)
        })
      }),
      { numRuns: 200 },
    )
  })

  it('chunks stay few: no more than four times what the ids need', () => {
    fc.assert(
      fc.property(batches, (sequence) => {
        const store = new Store()
        const shard = store.open(400)
        for (const [i, { add, remove }] of sequence.entries()) store.write(shard, shard.change(i, { add, remove }))
        const bytes = [...shard.ids()].reduce((sum, each) => sum + Buffer.byteLength(JSON.stringify(each)) + 1, 0)
        expect(store.entries.size).toBeLessThanOrEqual(1 + (4 * bytes) / (400 - 64))
      }),
    )
  })
})
