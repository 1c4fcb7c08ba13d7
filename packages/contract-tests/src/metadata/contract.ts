// The contract of metadata stores, as a list and as a vitest suite.

import { expect } from 'vitest'
import { registerContract } from '../suite.ts'
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
  registerContract({
    title: `metadata store contract: ${options.name}`,
    cases: metadataStoreCases,
    caseTimeoutMs: options.caseTimeoutMs,
    run: (storeCase) => runStoreCase(storeCase, options),
    async checkCapabilities() {
      await using harness = await options.harness()
      const store = harness.store({ timeoutMs: 5_000, onError: () => {} })
      expect(store.capabilities).toEqual(options.capabilities)
      await store.close()
    },
  })
}
