// Idle time-outs: one deadline per actor that has one, looked at when it passes instead of being moved by each message.

import { Deadline } from '../runtime/deadline-sweep.ts'
import { checkDuration } from './backoff.ts'
import { BLOCKED, type Cell } from './cell.ts'
import { passivate } from './lifecycle.ts'

export class IdleCheck extends Deadline {
  readonly #cell: Cell
  idleTimeoutMs = 0
  /** Of the last run of turns. */
  lastActiveMs = 0

  constructor(cell: Cell) {
    super()
    this.#cell = cell
  }

  override expired(): void {
    const cell = this.#cell
    const { host } = cell.cohort
    if (cell.activation === undefined) return
    const now = host.runtime.monotonicMs()
    const idleSinceMs = now - this.lastActiveMs
    if (idleSinceMs < this.idleTimeoutMs) {
      host.deadlines.add(this, this.lastActiveMs + this.idleTimeoutMs)
    } else if (isBusy(cell)) {
      host.deadlines.add(this, now + this.idleTimeoutMs)
    } else {
      passivate(cell)
    }
  }
}

/** What would be lost or cut short by ending the activation: a turn, a queue, a stash, live children. */
function isBusy(cell: Cell): boolean {
  if ((cell.flags & BLOCKED) !== 0 || cell.queued > 0 || cell.inHand !== undefined) return true
  return (cell.activation?.extras?.stash?.length ?? 0) > 0 || (cell.extras?.children?.size ?? 0) > 0
}

export function setIdleTimeout(cell: Cell, idleTimeoutMs: number): void {
  const { host } = cell.cohort
  checkDuration('idleTimeoutMs', idleTimeoutMs)
  const extras = cell.needExtras()
  extras.idle ??= new IdleCheck(cell)
  host.deadlines.remove(extras.idle)
  extras.idle.idleTimeoutMs = idleTimeoutMs
  if (idleTimeoutMs === Number.POSITIVE_INFINITY) return
  extras.idle.lastActiveMs = host.runtime.monotonicMs()
  host.deadlines.add(extras.idle, extras.idle.lastActiveMs + idleTimeoutMs)
}
