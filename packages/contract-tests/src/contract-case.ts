// A contract as a list of named cases: vitest registers them, and the tests of the suite itself run them one by one against broken drivers.

export interface ContractCase<Context> {
  /** Of the promise in the interface's prose. */
  readonly number: number
  /** A sentence of behaviour. */
  readonly title: string
  /** Why it can't be run here: a capability that the adapter does not claim, a fault that the harness can't make. */
  readonly skip?: (context: Context) => string | undefined
  readonly run: (context: Context) => Promise<void>
}

export type CaseOutcome = { readonly type: 'passed' } | { readonly type: 'skipped'; readonly reason: string }

export function caseName(contractCase: { readonly number: number; readonly title: string }): string {
  return `${contractCase.number}. ${contractCase.title}`
}
