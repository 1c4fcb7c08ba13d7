// Runs one case of the stores' contract with a harness of its own.

import { runCase } from '../case-runner.ts'
import type { CaseOutcome, ContractCase } from '../contract-case.ts'
import { DEFAULT_CASE_TIMEOUT_MS } from '../suite.ts'
import { StoreContext } from './context.ts'
import type { MetadataStoreContractOptions } from './harness.ts'

export type StoreCase = ContractCase<StoreContext>

const VIRTUAL_STEP_MS = 5

export async function runStoreCase(storeCase: StoreCase, options: MetadataStoreContractOptions): Promise<CaseOutcome> {
  await using harness = await options.harness()
  const advance = harness.advance?.bind(harness)
  return await runCase(storeCase, {
    context: new StoreContext(harness, options),
    limitMs: options.caseTimeoutMs ?? DEFAULT_CASE_TIMEOUT_MS,
    virtual: advance && { stepMs: VIRTUAL_STEP_MS, advance },
  })
}
