// How activations begin and end: start, failure, restart, stop, passivation, turn time-out, discard. The rare paths, so promises are welcome here.
// Whatever awaits checks afterwards whether the actor is still there: its ownership may be lost at any moment (`discardCell`).

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import { ActorFailedError, DeliveryUnknownError, NotExecutedError } from '../errors.ts'
import { type ActorAddress, formatAddress } from '../messaging/address.ts'
import { wordsOf } from '../messaging/error-wire.ts'
import { DeadlineTask } from '../runtime/deadline-sweep.ts'
import { Activation, isMessage, messageOf, STOP_HOOK_RAN } from './activation.ts'
import { isThenable } from './async-turn.ts'
import { backoffDelayMs } from './backoff.ts'
import { AFTER_TURN, BUSY, type Cell, GONE, START, STOPPING, SUSPENDED, TRANSITION } from './cell.ts'
import { Begun, ChildBound } from './entries.ts'
import { callHook, type HookOutcome } from './hooks.ts'
import { setIdleTimeout } from './idle.ts'
import { releaseWaiters } from './local-delivery.ts'
import type { StopReason, TerminationReason } from './stop-reason.ts'
import { type Decision, FailureHistory } from './supervision.ts'
import { ActorTimer } from './timers.ts'
import { unblock } from './turn.ts'
import { dropWatching, endWatching } from './watching.ts'

// ---- beginning ----

/** Makes a new activation. With an asynchronous `onStart` the actor is in transition until that is through. */
export function activate(cell: Cell): void {
  cell.flags &= ~START
  const { definition, host } = cell.cohort
  const activation = new Activation(cell)
  cell.activation = activation
  try {
    const state = definition.state?.(cell.extras?.name ?? cell.id)
    if (typeof state === 'object' && state !== null && isThenable(state)) {
      throw new TypeError(
        `state() of '${definition.kind}' returned a promise; it must return the state, what is awaited belongs into onStart`,
      )
    }
    activation.initialise(state)
  } catch (error) {
    startFailed(cell, error)
    return
  }
  host.counters.activations++
  if (definition.idleTimeoutMs !== Number.POSITIVE_INFINITY) setIdleTimeout(cell, definition.idleTimeoutMs)
  if (definition.onStart === undefined) return
  const outcome = callHook(activation, 'onStart', definition.onStart)
  if (outcome === undefined) return
  if (!isThenable(outcome)) {
    startFailed(cell, outcome.error)
    return
  }
  cell.flags |= TRANSITION
  outcome.then((settled) => {
    if ((cell.flags & GONE) !== 0 || cell.activation !== activation) return
    if (settled === undefined) unblock(cell, TRANSITION)
    else startFailed(cell, settled.error)
  })
}

/** An activation that did not come to life has nothing to be resumed with: `resume` then means `stop`. */
function startFailed(cell: Cell, error: unknown): void {
  endActivation(cell, false)
  cell.flags &= ~TRANSITION
  supervise(cell, error, undefined, true)
}

// ---- failing ----

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
    const mailbox = cell.needMailbox()
    mailbox.pushFront(begun, undefined, undefined, 0)
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

export function asFailure(cell: Cell, error: unknown): ActorFailedError {
  return new ActorFailedError(formatAddress(cell), wordsOf(error), { cause: error })
}

function suspendFor(cell: Cell, delayMs: number): void {
  cell.flags |= SUSPENDED
  cell.cohort.host.deadlines.addAfter(
    new DeadlineTask(() => {
      if ((cell.flags & GONE) === 0) unblock(cell, SUSPENDED)
    }),
    delayMs,
  )
}

/** `resumed`: a descendant waits for the decision, and goes on if this actor does. */
function supervise(cell: Cell, error: unknown, messageType: string | undefined, isStart: boolean, resumed?: () => void): void {
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

// ---- ending an activation, keeping the actor ----

async function restart(cell: Cell, delayMs: number): Promise<void> {
  const { activation } = cell
  cell.flags |= TRANSITION
  cell.cohort.host.counters.restarts++
  await stopChildren(cell, 'stopped')
  await runStopHook(cell, activation, 'restarted')
  if ((cell.flags & (STOPPING | GONE)) !== 0) return
  startAfresh(cell)
  if (delayMs > 0) suspendFor(cell, delayMs)
  unblock(cell, TRANSITION)
}

/** A turn ran out of time: nothing may run on its state any more, hooks included. */
export function discardTurn(cell: Cell, error: ActorFailedError): void {
  const { host } = cell.cohort
  const activation = cell.activation as Activation
  const { head, payload, plainSender } = activation
  host.counters.turnTimeouts++
  host.logger.error('turn timed out; the activation is discarded', { actor: formatAddress(cell), error })
  const message = messageOf(head)
  activation.end(true)
  activation.clearTurn()
  if (message !== undefined) message.failed(error)
  else {
    const type = typeof head === 'string' ? head : ((head as { type?: string }).type ?? '')
    host.deadLetter({ address: cell, type, payload, reason: 'failed', error, sender: plainSender })
  }
  const wasStopping = (cell.flags & STOPPING) !== 0
  cell.flags = (cell.flags & ~BUSY) | TRANSITION
  if (!wasStopping) startAfresh(cell)
  attend(cell)
  stopChildren(cell, 'stopped').then(() => {
    if ((cell.flags & GONE) === 0) unblock(cell, TRANSITION)
  })
}

/** Drops the activation; the mailbox keeps its order, what was stashed comes first. */
function startAfresh(cell: Cell): void {
  const stash = cell.activation?.takeStash() ?? []
  endActivation(cell, false)
  for (let i = stash.length - 1; i >= 0; i--) {
    cell.needMailbox().pushFront(stash[i], undefined, undefined, 0)
  }
  cell.flags |= START
}

export async function passivate(cell: Cell): Promise<void> {
  const { activation } = cell
  if (activation === undefined) return
  const { definition, table } = cell.cohort
  cell.flags |= TRANSITION
  if (definition.onPassivate !== undefined) {
    if (!(await table.whenGateOpen())) return stayActive(cell)
    if ((cell.flags & GONE) !== 0) return
    report(cell, 'onPassivate', await callHook(activation, 'onPassivate', definition.onPassivate))
  }
  await stopChildren(cell, 'passivated')
  if (!(await runStopHook(cell, activation, 'passivated'))) return stayActive(cell)
  if ((cell.flags & (STOPPING | GONE)) !== 0) return
  cell.cohort.host.counters.passivations++
  // Messages that came meanwhile: the mailbox outlives the activation, where the next message may start another.
  if (cell.queued > 0 && table.activatesOnMessage && cell.extras?.parent === undefined) {
    endActivation(cell, false)
    endWatching(cell, 'passivated')
    unblock(cell, TRANSITION)
  } else {
    finalise(cell, 'passivated', 'stopped', undefined)
  }
}

/** Its table was sealed before the hooks of its passivation could run: it is shipped as it is, or goes on here if the handoff is aborted. */
function stayActive(cell: Cell): void {
  if ((cell.flags & GONE) !== 0) return
  const idle = cell.extras?.idle
  if (idle !== undefined) cell.cohort.host.deadlines.addAfter(idle, idle.idleTimeoutMs)
  unblock(cell, TRANSITION)
}

function endActivation(cell: Cell, isDiscarded: boolean): void {
  cell.activation?.end(isDiscarded)
  cell.activation = undefined
  const idle = cell.extras?.idle
  if (idle !== undefined) cell.cohort.host.deadlines.remove(idle)
}

// ---- ending the actor ----

const nothing: Promise<void> = Promise.resolve()

/** Children first, then `onStop`, then it is gone. The turn in hand is awaited; what is queued is refused. */
export function stopCell(
  cell: Cell,
  reason: StopReason,
  refuseWith: DeadLetterReason = 'stopped',
  refusal: Error | undefined = undefined,
): Promise<void> {
  if ((cell.flags & GONE) !== 0) return nothing
  if ((cell.flags & STOPPING) !== 0) return cell.extras?.stopped ?? nothing
  cell.flags |= STOPPING
  const isBusy = cell.activation?.head !== undefined || (cell.flags & TRANSITION) !== 0
  const hasHook = cell.activation !== undefined && cell.cohort.definition.onStop !== undefined
  if (!isBusy && !hasHook && (cell.extras?.children?.size ?? 0) === 0) {
    finalise(cell, reason, refuseWith, refusal)
    return nothing
  }
  const stopped = stopSlowly(cell, reason, refuseWith, refusal)
  cell.needExtras().stopped = stopped
  return stopped
}

async function stopSlowly(cell: Cell, reason: StopReason, refuseWith: DeadLetterReason, refusal: Error | undefined): Promise<void> {
  if (cell.activation?.head !== undefined) await new Promise<void>((resolve) => whenTurnEnded(cell, resolve))
  await stopChildren(cell, reason === 'shutdown' ? 'shutdown' : 'stopped')
  await runStopHook(cell, cell.activation, reason)
  if ((cell.flags & GONE) === 0) finalise(cell, reason, refuseWith, refusal)
}

function stopChildren(cell: Cell, reason: StopReason): Promise<unknown> {
  const children = cell.extras?.children
  if (children === undefined || children.size === 0) return nothing
  return Promise.all(Array.from(children.values(), (child) => stopCell(child, reason)))
}

/** `false`: the ownership was lost meanwhile, and the actor with it. */
async function runStopHook(cell: Cell, activation: Activation | undefined, reason: StopReason): Promise<boolean> {
  const { definition, table } = cell.cohort
  const { onStop } = definition
  if (onStop === undefined || activation === undefined) return (cell.flags & GONE) === 0
  if (!(await table.whenGateOpen())) return false
  if ((cell.flags & GONE) !== 0) return false
  // A stop that overtakes a restart or a passivation must not run it a second time.
  if (activation.isEnded || (activation.marks & STOP_HOOK_RAN) !== 0) return true
  activation.marks |= STOP_HOOK_RAN
  report(cell, 'onStop', await callHook(activation, 'onStop', (ctx) => onStop(ctx, reason)))
  return (cell.flags & GONE) === 0
}

function report(cell: Cell, hook: string, outcome: HookOutcome): void {
  if (outcome === undefined) return
  cell.cohort.host.logger.error(`${hook} failed`, { actor: formatAddress(cell), error: outcome.error })
}

function finalise(cell: Cell, reason: StopReason, refuseWith: DeadLetterReason, refusal: Error | undefined): void {
  const { cohort, extras } = cell
  cell.flags = (cell.flags & ~TRANSITION) | GONE
  for (const begun of cell.activation?.takeStash() ?? []) loseStashed(cell, begun)
  endActivation(cell, false)
  emptyMailbox(cell, refuseWith, refusal)
  releaseWaiters(cell, refuseWith, refusal)
  cohort.host.counters.actors--
  if (extras?.parent !== undefined) extras.parent.extras?.children?.delete(extras.name as string)
  else cohort.table.forget(cell)
  attend(cell)
  endWatching(cell, reason as TerminationReason)
}

function emptyMailbox(cell: Cell, refuseWith: DeadLetterReason, refusal: Error | undefined): void {
  const { mailbox } = cell
  const { host } = cell.cohort
  if (mailbox === undefined) return
  while (mailbox.count > 0) {
    const head = mailbox.head()
    const payload = mailbox.payload()
    const sender = mailbox.sender() as ActorAddress | undefined
    mailbox.drop()
    if (typeof head === 'string') host.deadLetter({ address: cell, type: head, payload, reason: refuseWith, sender, error: refusal?.cause })
    else if (head instanceof ChildBound) head.message.refused(refuseWith, refusal)
    else if (head instanceof Begun) loseStashed(cell, head)
    else if (!(head instanceof ActorTimer) && isMessage(head)) head.refused(refuseWith, refusal)
  }
  cell.mailbox = undefined
  host.mailboxes.release(mailbox)
}

/** The ownership is lost: no hook runs, whatever is still going on is ignored, every message goes back to where it came from. */
export function discardCell(cell: Cell): void {
  if ((cell.flags & GONE) !== 0) return
  const { activation, extras } = cell
  const inHand = activation === undefined ? undefined : messageOf(activation.head)
  for (const child of [...(extras?.children?.values() ?? [])]) discardCell(child)
  cell.flags |= GONE
  cell.turn?.discard()
  activation?.clearTurn()
  const stash = activation?.takeStash() ?? []
  endActivation(cell, true)
  inHand?.returned()
  returnQueued(cell)
  emptyMailbox(cell, 'fenced', undefined)
  for (const begun of stash) loseStashed(cell, begun)
  releaseWaiters(cell, 'fenced', undefined)
  cell.cohort.host.counters.actors--
  if (extras?.parent !== undefined) extras.parent.extras?.children?.delete(extras.name as string)
  else cell.cohort.table.forget(cell)
  dropWatching(cell)
  attend(cell)
}

/** Every message that has not been handled goes back; what is the actor's own (unstashed messages, notices) stays. Fired timers are known to `Timers`. */
export function returnQueued(cell: Cell): void {
  const { mailbox } = cell
  if (mailbox === undefined) return
  for (let left = mailbox.count; left > 0; left--) {
    const head = mailbox.head()
    const payload = mailbox.payload()
    mailbox.drop()
    if (head instanceof ChildBound) head.message.returned()
    else if (isMessage(head)) head.returned()
    else if (head instanceof Begun && head.message !== undefined && !head.isStashed) head.message.returned()
    else if (!(head instanceof ActorTimer)) mailbox.push(head, payload, undefined, 0)
  }
}

/** A turn has run for it, and it was kept as state that is lost now. */
export function loseStashed(cell: Cell, begun: Begun): void {
  const what = `'${begun.type}' to ${formatAddress(cell)}`
  if (begun.message !== undefined) {
    begun.message.failed(new DeliveryUnknownError('stopped', what, begun.message.messageId))
  } else {
    const { type, payload, sender, messageId } = begun
    cell.cohort.host.deadLetter({ address: cell, type, payload, reason: 'stopped', sender, messageId })
  }
}

// ---- waiting for turns ----

/** At once when no turn is in hand. */
export function whenTurnEnded(cell: Cell, task: () => void): void {
  if (cell.activation?.head === undefined) {
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
