// What follows when a handler or a hook throws: the message ends or is tried again, and supervision decides about the actor.

import { ActorFailedError, NotExecutedError } from '../errors.ts'
import { formatAddress } from '../messaging/address.ts'
import { wordsOf } from '../messaging/error-wire.ts'
import { DeadlineTask } from '../runtime/deadline-sweep.ts'
import type { Activation } from './activation.ts'
import { whenTurnEnded } from './after-turn.ts'
import { backoffDelayMs } from './backoff.ts'
import { type Cell, GONE, STOPPING, SUSPENDED } from './cell.ts'
import { Begun, messageOf } from './entries.ts'
import { restart } from './lifecycle.ts'
import { stopCell } from './stopping.ts'
import { type Decision, FailureHistory } from './supervision.ts'
import { unblock } from './turn.ts'

/** The message first: its end, or another attempt. Then the actor. */
export function handlerThrew(cell: Cell, activation: Activation, error: unknown): void {
  const { host, definition } = cell.cohort
  const { head, payload, plainSender } = activation
  const { retry } = definition
  const attempts = head instanceof Begun ? head.attempts + 1 : 1
  if (retry !== undefined && attempts < retry.attempts && !activation.isEnded) {
    const begun = activation.keepInHand()
    begun.attempts = attempts
    activation.clearTurn()
    host.logger.debug('handler threw; it is tried again', { actor: formatAddress(cell), type: begun.type, attempt: attempts, error })
    cell.putFirst(begun)
    suspendFor(cell, backoffDelayMs(retry.backoff, attempts - 1, host.runtime))
    return
  }
  const type = typeof head === 'string' ? head : ((head as { type?: string }).type ?? '')
  activation.clearTurn()
  host.counters.failures++
  const message = messageOf(head)
  if (message !== undefined) message.failed(asFailure(cell, error))
  else host.deadLetter({ address: cell, type, payload, reason: 'failed', error, sender: plainSender })
  supervise(cell, error, type, false)
}

function asFailure(cell: Cell, error: unknown): ActorFailedError {
  return new ActorFailedError(formatAddress(cell), wordsOf(error), { cause: error })
}

export function suspendFor(cell: Cell, delayMs: number): void {
  cell.flags |= SUSPENDED
  cell.cohort.host.deadlines.addAfter(
    new DeadlineTask(() => {
      if ((cell.flags & GONE) === 0) unblock(cell, SUSPENDED)
    }),
    delayMs,
  )
}

/** `resumed`: a descendant waits for the decision, and goes on if this actor does. */
export function supervise(cell: Cell, error: unknown, messageType: string | undefined, isStart: boolean, resumed?: () => void): void {
  if ((cell.flags & (STOPPING | GONE)) !== 0) return
  const { host, definition } = cell.cohort
  const extras = cell.needExtras()
  extras.failures ??= new FailureHistory()
  let decision: Decision
  try {
    decision = extras.failures.decide(definition.supervision, error, messageType, host.runtime.monotonicMs())
  } catch (failure) {
    host.logger.error('the supervision function threw; the actor stops', { actor: formatAddress(cell), error: failure })
    decision = { directive: 'stop', limitReached: false }
  }
  const fields = { actor: formatAddress(cell), type: messageType, error }
  if (decision.directive === 'resume' && !isStart) {
    host.logger.debug('handler threw; the actor goes on', fields)
    resumed?.()
  } else if (decision.directive === 'restart') {
    host.logger.warn('the actor failed and is restarted', fields)
    const { backoff } = definition.supervision
    restart(cell, backoff === undefined ? 0 : backoffDelayMs(backoff, decision.attempt, host.runtime))
  } else if (decision.directive === 'escalate' && extras.parent !== undefined) {
    escalate(cell, extras.parent, error, resumed)
  } else {
    host.logger.error('the actor failed and is stopped', fields)
    stopCell(cell, 'failed', 'stopped', new NotExecutedError('stopped', `a message to ${formatAddress(cell)}`, { cause: error }))
  }
}

/** The parent decides as if it had failed itself, when its turn in hand has ended. Unless it is resumed, the actor ends with its parent's activation. */
function escalate(cell: Cell, parent: Cell, error: unknown, resumed: (() => void) | undefined): void {
  cell.flags |= SUSPENDED
  whenTurnEnded(parent, () => {
    supervise(parent, error, undefined, false, () => {
      if ((cell.flags & (STOPPING | GONE)) !== 0) return
      if (cell.activation === undefined) stopCell(cell, 'failed')
      else unblock(cell, SUSPENDED)
      resumed?.()
    })
  })
}
