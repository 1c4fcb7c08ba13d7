// Runs one case of the transports' contract with a harness of its own.

import { runCase } from '../case-runner.ts'
import type { CaseOutcome, ContractCase } from '../contract-case.ts'
import { DEFAULT_CASE_TIMEOUT_MS } from '../suite.ts'
import { MessagingContext } from './context.ts'
import type { MessagingContractOptions } from './harness.ts'

export type MessagingCase = ContractCase<MessagingContext>

const VIRTUAL_STEP_MS = 2

export async function runMessagingCase(messagingCase: MessagingCase, options: MessagingContractOptions): Promise<CaseOutcome> {
  await using harness = await options.harness()
  const advance = harness.advance?.bind(harness)
  return await runCase(messagingCase, {
    context: new MessagingContext(harness, options),
    limitMs: options.caseTimeoutMs ?? DEFAULT_CASE_TIMEOUT_MS,
    virtual: advance && { stepMs: VIRTUAL_STEP_MS, advance },
  })
}
