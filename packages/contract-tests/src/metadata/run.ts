// Runs one case with a harness of its own, in real or in virtual time, and never longer than allowed.

import type { CaseOutcome, ContractCase } from '../contract-case.ts'
import { caseName } from '../contract-case.ts'
import { StoreContext } from './context.ts'
import type { MetadataStoreContractOptions, MetadataStoreHarness } from './harness.ts'

export type StoreCase = ContractCase<StoreContext>

const VIRTUAL_STEP_MS = 5

export async function runStoreCase(storeCase: StoreCase, options: MetadataStoreContractOptions): Promise<CaseOutcome> {
  const harness = await options.harness()
  try {
    const context = new StoreContext(harness, options)
    const reason = storeCase.skip?.(context)
    if (reason !== undefined) return { type: 'skipped', reason }
    const limitMs = options.caseTimeoutMs ?? 30_000
    const failures: unknown[] = []
    await drive(harness, limitMs, caseName(storeCase), storeCase.run(context)).catch((error) => failures.push(error))
    await drive(harness, limitMs, `closing after ${caseName(storeCase)}`, context.dispose()).catch((error) => failures.push(error))
    if (failures.length > 0) throw failures[0]
    return { type: 'passed' }
  } finally {
    await harness[Symbol.asyncDispose]()
  }
}

async function drive(harness: MetadataStoreHarness, limitMs: number, what: string, work: Promise<void>): Promise<void> {
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
