import { describe, expect, test } from 'vitest'
import { EmbeddedDatabase, LinkFaults, MemoryMetadataStore } from '../../../metadata-memory/src/index.ts'
import type { PutRequest } from '../../src/metadata/metadata-adapter.ts'
import type { WriteResult } from '../../src/metadata/metadata-store.ts'
import type { StoreCall } from '../../src/metadata/store-call.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'
import { rejectionOf } from './support.ts'

/** Loses the answers of the first creates, or keeps them to itself until told. */
class LossyStore extends MemoryMetadataStore {
  lose = 0
  protected override async _put(key: string, value: string, request: PutRequest, call: StoreCall): Promise<WriteResult> {
    const result = await super._put(key, value, request, call)
    if (request.ifVersion === null && this.lose-- > 0) throw new Error('the answer was lost')
    return result
  }
}

async function candidates() {
  const runtime = new ManualRuntime()
  const database = new EmbeddedDatabase({ runtime })
  const faults = new LinkFaults()
  const lossy = new LossyStore({ runtime, database, faults, timeoutMs: 500 })
  const other = new MemoryMetadataStore({ runtime, database, timeoutMs: 500 })
  await lossy.open()
  await other.open()
  return { runtime, faults, lossy, other }
}

describe('a campaign', () => {
  test('whose create lost its answer replaces the key that it left, and leads with the new token', async () => {
    const { runtime, lossy, other } = await candidates()
    lossy.lose = 1
    const session = await lossy.openSession({ ttlMs: 60_000 })
    const campaign = lossy.campaign('leader', session, 'me')
    const left = await other.get('leader')
    await runtime.advanceAndSettle(100)
    const leadership = await campaign.elected
    expect(await other.get('leader')).toMatchObject({ value: 'me', version: leadership.version, session: session.id })
    expect(leadership.token).toBeGreaterThan(Number(left?.version))
  })

  test('withdrawn while the answer to its create is lost leaves no key behind', async () => {
    const { runtime, lossy, other } = await candidates()
    lossy.lose = 1
    const session = await lossy.openSession({ ttlMs: 60_000 })
    const campaign = lossy.campaign('leader', session, 'me')
    const resigned = campaign.resign()
    await runtime.advanceAndSettle(100)
    await resigned
    expect(await rejectionOf(campaign.elected)).toMatchObject({ code: 'CLOSED' })
    expect(await other.get('leader')).toBeUndefined()
  })

  test('withdrawn while its create is under way gives back what it won', async () => {
    const { runtime, lossy, other } = await candidates()
    const session = await lossy.openSession({ ttlMs: 60_000 })
    const campaign = lossy.campaign('leader', session, 'me')
    await campaign.resign()
    await runtime.settle()
    expect(await other.get('leader')).toBeUndefined()
  })

  test('rejects a resignation that the store could not be told, and the key goes with the session', async () => {
    const { runtime, faults, lossy, other } = await candidates()
    const session = await lossy.openSession({ ttlMs: 5_000 })
    const campaign = lossy.campaign('leader', session, 'me')
    await campaign.elected
    faults.isolate('both')
    const resigned = rejectionOf(campaign.resign())
    await runtime.advanceAndSettle(2_000)
    expect(await resigned).toMatchObject({ code: 'UNKNOWN_OUTCOME' })
    expect(await other.get('leader')).toBeDefined()
    await runtime.advanceAndSettle(5_000)
    expect(await other.get('leader')).toBeUndefined()
  })

  test('asks the store no more than once for each vacancy and each third of its TTL', async () => {
    const { runtime, lossy, other } = await candidates()
    const [one, two] = [await lossy.openSession({ ttlMs: 3_000 }), await other.openSession({ ttlMs: 3_000 })]
    const leading = lossy.campaign('leader', one, 'one')
    await leading.elected
    let creates = 0
    const { put } = other
    other.put = (key, value, options) => {
      creates++
      return put.call(other, key, value, options)
    }
    const waiting = other.campaign('leader', two, 'two')
    await runtime.advanceAndSettle(30_000)
    expect(creates).toBeLessThanOrEqual(61)
    await leading.resign()
    await runtime.settle()
    expect((await waiting.elected).token).toBeGreaterThan((await leading.elected).token)
    await Promise.all([lossy.close(), other.close()])
  })

  test('nobody looks at rejects without an unhandled rejection', async () => {
    const { lossy, other } = await candidates()
    const holder = other.campaign('leader', await other.openSession({ ttlMs: 60_000 }), 'holder')
    await holder.elected
    lossy.campaign('leader', await lossy.openSession({ ttlMs: 60_000 }), 'forgotten')
    await lossy.close()
    await new Promise((resolve) => setImmediate(resolve))
  })
})
