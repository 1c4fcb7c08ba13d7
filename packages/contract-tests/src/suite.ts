// A contract as a vitest suite: every case shows, passed, failed, or skipped with its reason, and nothing may escape from any of them.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CaseOutcome, type ContractCase, caseName } from './contract-case.ts'
import { collectUnhandled, type UnhandledErrors } from './unhandled.ts'

export const DEFAULT_CASE_TIMEOUT_MS = 30_000

export interface ContractSuite<Context> {
  readonly title: string
  readonly cases: readonly ContractCase<Context>[]
  readonly caseTimeoutMs: number | undefined
  /** Fails when the adapter claims something else than its test says. */
  readonly checkCapabilities: () => Promise<void>
  readonly run: (contractCase: ContractCase<Context>) => Promise<CaseOutcome>
}

export function registerContract<Context>({ title, cases, caseTimeoutMs, checkCapabilities, run }: ContractSuite<Context>): void {
  // A case has its time, and as much for closing what it opened.
  const timeout = (caseTimeoutMs ?? DEFAULT_CASE_TIMEOUT_MS) * 2 + 5_000
  describe(title, () => {
    failOnUnhandled()
    test('its capabilities are what its documentation claims', checkCapabilities)
    for (const contractCase of cases) {
      test(caseName(contractCase), { timeout }, async ({ skip }) => {
        const outcome = await run(contractCase)
        if (outcome.type === 'skipped') skip(outcome.reason)
      })
    }
  })
}

/** For a test file or a `describe` block: at its end it fails when a rejection was not handled meanwhile, or an error not caught. */
export function failOnUnhandled(): void {
  let collected: UnhandledErrors | undefined
  beforeAll(() => {
    collected = collectUnhandled()
  })
  afterAll(() => {
    expect(collected?.stop() ?? [], 'escaped from what was tested').toEqual([])
  })
}
