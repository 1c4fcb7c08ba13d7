// Runs one case with a harness of its own, in real or in virtual time, and never longer than allowed.

import { type CaseOutcome, type ContractCase, caseName } from '../contract-case.ts'
import { MessagingContext } from './context.ts'
import type { MessagingContractOptions, MessagingHarness } from './harness.ts'

export type MessagingCase = ContractCase<MessagingContext>

const VIRTUAL_STEP_MS = 2

export async function runMessagingCase(messagingCase: MessagingCase, options: MessagingContractOptions): Promise<CaseOutcome> {
  await using harness = await options.harness()
  const context = new MessagingContext(harness, options)
  const reason = messagingCase.skip?.(context)
  if (reason !== undefined) return { type: 'skipped', reason }
  const limitMs = options.caseTimeoutMs ?? 30_000
  const failures: unknown[] = []
  await drive(harness, limitMs, caseName(messagingCase), messagingCase.run(context)).catch((error) => failures.push(error))
  await drive(harness, limitMs, `stopping after ${caseName(messagingCase)}`, context.dispose()).catch((error) => failures.push(error))
  if (failures.length > 0) throw failures[0]
  return { type: 'passed' }
}

async function drive(harness: MessagingHarness, limitMs: number, what: string, work: Promise<void>): Promise<void> {
  let done = false
  const settled = work.finally(() => {
    done = true
  })
  settled.catch(() => {})
  if (harness.advance === undefined) {
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what}: not done after ${limitMs} ms`)), limitMs)
    })
    return Promise.race([settled, limit]).finally(() => clearTimeout(timer))
  }
  for (let elapsedMs = 0; !done; elapsedMs += VIRTUAL_STEP_MS) {
    if (elapsedMs > limitMs) throw new Error(`${what}: not done after ${limitMs} ms of virtual time`)
    await harness.advance(VIRTUAL_STEP_MS)
  }
  return settled
}
