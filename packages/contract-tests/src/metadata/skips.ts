// Reasons for which a case can't be run, in words that a test report shows.

import type { StoreContext } from './context.ts'
import type { Interruption } from './harness.ts'

export function withoutIsolation({ harness }: StoreContext): string | undefined {
  return harness.isolate === undefined ? "the harness can't cut a client from the server (isolate)" : undefined
}

export function withoutDelays({ harness }: StoreContext): string | undefined {
  return harness.delayAnswers === undefined ? "the harness can't delay answers (delayAnswers)" : undefined
}

export function withoutStranding({ harness }: StoreContext): string | undefined {
  return harness.strand === undefined ? "the harness can't silence a connection for good (strand)" : undefined
}

export function without(how: Interruption): (context: StoreContext) => string | undefined {
  return ({ harness }) => (harness.interruptions?.includes(how) ? undefined : `the harness has no server that can be ${how}`)
}
