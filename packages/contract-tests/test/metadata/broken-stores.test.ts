// The suite itself is tested: a right store passes every case, and each of these broken ones fails the case of the promise that it breaks.

import { describe, expect, test } from 'vitest'
import { ManualRuntime } from '../../../core/test/support/manual-runtime.ts'
import { EmbeddedDatabase, LinkFaults, MemoryMetadataStore, memoryCapabilities } from '../../../metadata-memory/src/index.ts'
import { type ClientOptions, caseName, type MetadataStoreContractOptions, metadataStoreCases, runStoreCase } from '../../src/index.ts'
import { type BrokenStore, brokenStores } from '../support/broken-stores.ts'

function contractOf(broken: Pick<BrokenStore, 'make' | 'wrap'>): MetadataStoreContractOptions {
  return {
    name: 'broken',
    capabilities: memoryCapabilities,
    harness: () => {
      const runtime = new ManualRuntime()
      const database = new EmbeddedDatabase({ runtime })
      const faults = new LinkFaults()
      const client = (options: ClientOptions, own?: LinkFaults) => {
        const all = { ...options, runtime, database, ...(own === undefined ? {} : { faults: own }) }
        const store = broken.make?.(all) ?? new MemoryMetadataStore(all)
        return broken.wrap?.(store, { runtime, faults, onError: options.onError }) ?? store
      }
      return {
        runtime,
        advance: (ms) => runtime.advanceAndSettle(ms),
        store: (options) => client(options, faults),
        peer: (options) => client(options),
        isolate: (direction) => faults.isolate(direction),
        heal: () => faults.heal(),
        delayAnswers: (delayMs) => faults.delayAnswers(delayMs),
        interruptions: ['frozen'],
        interrupt: () => database.faults.isolate('both'),
        restore: () => database.faults.heal(),
        [Symbol.asyncDispose]: async () => {},
      }
    },
  }
}

/** The names of the cases of these numbers that fail. */
async function failing(broken: Pick<BrokenStore, 'make' | 'wrap'>, number: number): Promise<string[]> {
  const options = contractOf(broken)
  const failed: string[] = []
  for (const storeCase of metadataStoreCases.filter((one) => one.number === number)) {
    await runStoreCase(storeCase, options).catch(() => failed.push(caseName(storeCase)))
  }
  return failed
}

describe('the contract of metadata stores', () => {
  test('has a case for each of its 32 promises', () => {
    const numbers = new Set(metadataStoreCases.map((storeCase) => storeCase.number))
    expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 32 }, (_, at) => at + 1))
  })

  test('has a broken store for each of its promises', () => {
    const numbers = new Set(brokenStores.flatMap((broken) => broken.breaks))
    expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 32 }, (_, at) => at + 1))
  })

  test('finds nothing wrong with a store that is right', async () => {
    for (let number = 1; number <= 32; number++) expect(await failing({}, number)).toEqual([])
  })

  for (const broken of brokenStores) {
    test(`notices that ${broken.fault} (${broken.breaks.join(', ')})`, { timeout: 30_000 }, async () => {
      for (const number of broken.breaks) expect(await failing(broken, number), `no case of promise ${number} failed`).not.toEqual([])
    })
  }
})
