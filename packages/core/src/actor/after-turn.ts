// Waiting for the end of the turn in hand.

import { AFTER_TURN, type Cell, START } from './cell.ts'

/** At once when no turn is in hand. */
export function whenTurnEnded(cell: Cell, task: () => void): void {
  if (cell.inHand === undefined) {
    task()
    return
  }
  const extras = cell.needExtras()
  extras.afterTurn ??= []
  extras.afterTurn.push(task)
  cell.flags |= AFTER_TURN
}

/** The turn in hand has ended: whoever waited for that goes on. */
export function attend(cell: Cell): void {
  cell.flags &= ~AFTER_TURN
  const tasks = cell.extras?.afterTurn
  if (tasks === undefined) return
  ;(cell.extras as { afterTurn: undefined }).afterTurn = undefined
  for (const task of tasks) task()
  if (cell.queued > 0 || (cell.flags & START) !== 0) cell.cohort.host.schedule(cell)
}
