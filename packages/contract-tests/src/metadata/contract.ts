// The contract of metadata stores, as a list and as a vitest suite.

import { describe, expect, test } from 'vitest'
import { caseName } from '../contract-case.ts'
import { conditionalWriteCases } from './conditional-write-cases.ts'
import type { MetadataStoreContractOptions } from './harness.ts'
import { leadershipCases } from './leadership-cases.ts'
import { lifeCases } from './life-cases.ts'
import { outageCases } from './outage-cases.ts'
import { readWriteCases } from './read-write-cases.ts'
import { runStoreCase, type StoreCase } from './run.ts'
import { sessionCases } from './session-cases.ts'
import { watchCases } from './watch-cases.ts'

/** Every promise of `MetadataStore` has at least one case of its number. */
export const metadataStoreCases: readonly StoreCase[] = [
  ...readWriteCases,
  ...conditionalWriteCases,
  ...outageCases,
  ...sessionCases,
  ...leadershipCases,
  ...watchCases,
  ...lifeCases,
]

/** Registers the whole contract with vitest. What can't be run shows as skipped, with its reason. */
export function metadataStoreContract(options: MetadataStoreContractOptions): void {
  const limitMs = options.caseTimeoutMs ?? 30_000
  describe(`metadata store contract: ${options.name}`, () => {
    test('its capabilities are what its documentation claims', async () => {
      await using harness = await options.harness()
      const store = harness.store({ timeoutMs: 5_000, onError: () => {} })
      expect(store.capabilities).toEqual(options.capabilities)
      await store.close()
    })
    for (const storeCase of metadataStoreCases) {
      test(caseName(storeCase), { timeout: limitMs * 2 + 5_000 }, async ({ skip }) => {
        const outcome = await runStoreCase(storeCase, options)
        if (outcome.type === 'skipped') skip(outcome.reason)
      })
    }
  })
}
