// I12: after it was reconciled, what a node has cached of the store is what the store holds.

import type { History } from '../history.ts'
import type { Violation } from './violation.ts'

export function checkViews(history: History): Violation[] {
  return history.views.map(({ process, what, seen, stored, atMs }) => ({
    invariant: 'I12',
    what: `${process} takes ${what} to be ${seen}, and the store has had ${stored} for a while`,
    atMs,
  }))
}
