// What the sentinel tells of a store that is slow, silent, and back.

import { describe, expect, it } from 'vitest'
import { StoreSentinel } from '../../src/cluster/store-sentinel.ts'
import { StoreRefusedError, StoreUnavailableError } from '../../src/errors.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

class Watched {
  readonly runtime = new ManualRuntime()
  readonly told: string[] = []
  readonly asked: PromiseWithResolvers<unknown>[] = []
  readonly sentinel: StoreSentinel

  constructor() {
    const ask = (): Promise<unknown> => {
      const asked = Promise.withResolvers<unknown>()
      this.asked.push(asked)
      return asked.promise
    }
    this.sentinel = new StoreSentinel({ ping: ask, get: ask } as unknown as MetadataStore, this.runtime, 750)
    this.sentinel.tell({
      storeAnswered: () => this.told.push('answered'),
      storeFailed: (error, sinceMs) => this.told.push(`failed since ${sinceMs}: ${(error as Error).message}`),
    })
  }
}

describe('the sentinel of a store', () => {
  it('tells of a ping without an answer before the store gives it up, and of the answer that comes late', async () => {
    const { runtime, told, asked, sentinel } = new Watched()
    await runtime.advanceAndSettle(100)
    const ping = sentinel.ping().catch((error: Error) => error)
    await runtime.advanceAndSettle(749)
    expect(told).toEqual([])
    await runtime.advanceAndSettle(1)
    expect(await ping).toBeInstanceOf(StoreUnavailableError)
    expect(told).toEqual(['failed since 1100: the store has not answered a ping within 750 ms'])
    asked[0]?.resolve(900)
    await runtime.settle()
    expect(told.slice(1)).toEqual(['answered'])
  })

  it('keeps to itself what failed in an outage that is over', async () => {
    const { runtime, told, asked, sentinel } = new Watched()
    const lost = sentinel.get('x').catch((error: Error) => error.message)
    await runtime.advanceAndSettle(50)
    const next = sentinel.get('x')
    asked[1]?.resolve(undefined)
    await next
    asked[0]?.reject(new StoreUnavailableError('no answer within 5000 ms'))
    expect(await lost).toBe('no answer within 5000 ms')
    expect(told).toEqual(['answered'])
  })

  it('does not take a refusal for an outage', async () => {
    const { told, asked, sentinel } = new Watched()
    const refused = sentinel.get('x').catch((error: Error) => error.message)
    asked[0]?.reject(new StoreRefusedError('no permission'))
    expect(await refused).toBe('no permission')
    expect(told).toEqual([])
  })
})
