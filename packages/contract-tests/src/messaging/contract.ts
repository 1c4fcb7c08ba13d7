// The contract of messaging systems, as a list and as a vitest suite.

import { expect } from 'vitest'
import { registerContract } from '../suite.ts'
import { brokerCases } from './broker-cases.ts'
import { failureCases } from './failure-cases.ts'
import { flowCases } from './flow-cases.ts'
import { frameCases } from './frame-cases.ts'
import type { MessagingContractOptions } from './harness.ts'
import { lifeCases } from './life-cases.ts'
import { peerCases } from './peer-cases.ts'
import { type MessagingCase, runMessagingCase } from './run.ts'

/** Every promise of `MessagingSystem` has at least one case of its number. */
export const messagingSystemCases: readonly MessagingCase[] = [
  ...peerCases,
  ...frameCases,
  ...flowCases,
  ...failureCases,
  ...brokerCases,
  ...lifeCases,
].sort((a, b) => a.number - b.number)

/** Registers the whole contract with vitest. What can't be run shows as skipped, with its reason. */
export function messagingSystemContract(options: MessagingContractOptions): void {
  registerContract({
    title: `messaging system contract: ${options.name}`,
    cases: messagingSystemCases,
    caseTimeoutMs: options.caseTimeoutMs,
    run: (messagingCase) => runMessagingCase(messagingCase, options),
    async checkCapabilities() {
      await using harness = await options.harness()
      const system = harness.system('a')
      expect(system.capabilities).toEqual(options.capabilities)
      await system.stop()
    },
  })
}
