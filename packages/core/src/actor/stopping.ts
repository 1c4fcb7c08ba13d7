// How an actor ends: stopped in good order, children first, or discarded because its ownership is lost; and what becomes of its messages.

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import { DeliveryUnknownError } from '../errors.ts'
import { type ActorAddress, formatAddress } from '../messaging/address.ts'
import { attend, whenTurnEnded } from './after-turn.ts'
import { type Cell, GONE, STOPPING, TRANSITION } from './cell.ts'
import { Begun, ChildBound, isMessage, messageOf } from './entries.ts'
import { endActivation, runStopHook } from './lifecycle.ts'
import { releaseWaiters } from './local-delivery.ts'
import type { StopReason, TerminationReason } from './stop-reason.ts'
import { ActorTimer } from './timers.ts'
import { dropWatching, endWatching, takeWatchAtEnd } from './watching.ts'

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
  const isBusy = cell.inHand !== undefined || (cell.flags & TRANSITION) !== 0
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
  if (cell.inHand !== undefined) await new Promise<void>((resolve) => whenTurnEnded(cell, resolve))
  await stopChildren(cell, reason === 'shutdown' ? 'shutdown' : 'stopped')
  await runStopHook(cell, cell.activation, reason)
  if ((cell.flags & GONE) === 0) finalise(cell, reason, refuseWith, refusal)
}

export function stopChildren(cell: Cell, reason: StopReason): Promise<unknown> {
  const children = cell.extras?.children
  if (children === undefined || children.size === 0) return nothing
  return Promise.all(Array.from(children.values(), (child) => stopCell(child, reason)))
}

export function finalise(cell: Cell, reason: StopReason, refuseWith: DeadLetterReason, refusal: Error | undefined): void {
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
    else if (!(head instanceof ActorTimer) && isMessage(head) && !takeWatchAtEnd(cell, head)) head.refused(refuseWith, refusal)
  }
  host.mailboxes.release(cell)
}

/** The ownership is lost: no hook runs, whatever is still going on is ignored, every message goes back to where it came from. */
export function discardCell(cell: Cell): void {
  if ((cell.flags & GONE) !== 0) return
  const { activation, extras } = cell
  cell.takeBack()
  const inHand = messageOf(cell.inHand)
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

/** Every message that has not been handled goes back; what is the actor's own (unstashed messages, notices, timers that have fired) stays. */
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
    else mailbox.push(head, payload, undefined, 0)
  }
}

/** A turn has run for it, and it was kept as state that is lost now. */
function loseStashed(cell: Cell, begun: Begun): void {
  const what = `'${begun.type}' to ${formatAddress(cell)}`
  if (begun.message !== undefined) {
    begun.message.failed(new DeliveryUnknownError('stopped', what, begun.message.messageId))
  } else {
    const { type, payload, sender, messageId } = begun
    cell.cohort.host.deadLetter({ address: cell, type, payload, reason: 'stopped', sender, messageId })
  }
}
