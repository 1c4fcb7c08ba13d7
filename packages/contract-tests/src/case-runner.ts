// Runs one case in real or in virtual time, and never longer than allowed.

import { type CaseOutcome, type ContractCase, caseName } from './contract-case.ts'

export interface CaseSetting<Context> {
  readonly context: Context & { dispose(): Promise<void> }
  readonly limitMs: number
  /** With time that stands still by itself: moves it by this much, again and again, until the case is done. */
  readonly virtual: { readonly stepMs: number; advance(ms: number): Promise<void> } | undefined
}

export async function runCase<Context>(contractCase: ContractCase<Context>, setting: CaseSetting<Context>): Promise<CaseOutcome> {
  const { context } = setting
  const reason = contractCase.skip?.(context)
  if (reason !== undefined) return { type: 'skipped', reason }
  const failures: unknown[] = []
  await drive(setting, caseName(contractCase), contractCase.run(context)).catch((error) => failures.push(error))
  await drive(setting, `closing after ${caseName(contractCase)}`, context.dispose()).catch((error) => failures.push(error))
  if (failures.length > 0) throw failures[0]
  return { type: 'passed' }
}

async function drive({ virtual, limitMs }: CaseSetting<unknown>, what: string, work: Promise<void>): Promise<void> {
  let done = false
  const settled = work.finally(() => {
    done = true
  })
  settled.catch(() => {})
  if (virtual === undefined) {
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what}: not done after ${limitMs} ms`)), limitMs)
    })
    return Promise.race([settled, limit]).finally(() => clearTimeout(timer))
  }
  for (let elapsedMs = 0; !done; elapsedMs += virtual.stepMs) {
    if (elapsedMs > limitMs) throw new Error(`${what}: not done after ${limitMs} ms of virtual time`)
    await virtual.advance(virtual.stepMs)
  }
  return settled
}
