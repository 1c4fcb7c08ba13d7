// Filling mailboxes: plain tells, local sends and asks, and messages that the cluster delivers; what happens when a mailbox is full.

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import type { Message } from '../delivery/message.ts'
import { AskCycleError } from '../errors.ts'
import { type ActorAddress, formatAddress } from '../messaging/address.ts'
import { clonePayload } from '../messaging/payload-codec.ts'
import { namePayload } from '../messaging/payload-refusal.ts'
import { BLOCKED, type Cell, CLOSED, GONE, HANDED, ROOM_WANTED, SCHEDULED } from './cell.ts'
import type { OutboundOptions } from './destination.ts'
import { Begun, ChildBound } from './entries.ts'
import { LocalMessage, type LocalMode } from './local-message.ts'
import { ActorTimer } from './timers.ts'
import { takeWatchAtEnd } from './watching.ts'

export const DEFAULT_TELL_TIMEOUT_MS = 60_000
export const DEFAULT_ASK_TIMEOUT_MS = 10_000

/** The hot path: no allocation, no clock, no promise. Its deadline is the queue's coarse clock plus 60 s. */
export function tellCell(cell: Cell, type: string, payload: unknown, sender: ActorAddress | undefined): boolean {
  const { cohort, flags, mailbox } = cell
  const taken = cohort.strict ? copied(cell, type, payload) : payload
  const { queue } = cohort.host
  if (mailbox === undefined) {
    const { activation } = cell
    if ((flags & (SCHEDULED | BLOCKED | ROOM_WANTED)) !== 0 || activation === undefined || activation.head !== undefined) {
      return tellBusy(cell, type, taken, sender)
    }
    cell.flags = flags | SCHEDULED | HANDED
    // First, because it reads the clock if nobody has.
    queue.add(cell)
    activation.take(type, taken, sender, queue.nowTick + DEFAULT_TELL_TIMEOUT_MS)
    return cohort.highWater > 1
  }
  if ((flags & (CLOSED | ROOM_WANTED)) !== 0 || mailbox.count >= cohort.calmBelow) return tellBusy(cell, type, taken, sender)
  if ((flags & (SCHEDULED | BLOCKED)) === 0) cohort.host.schedule(cell)
  mailbox.push(type, taken, sender, queue.nowTick + DEFAULT_TELL_TIMEOUT_MS)
  return true
}

/** The first in the mailbox; or the actor is closed, near its limits, or has senders waiting who must not be overtaken. */
function tellBusy(cell: Cell, type: string, payload: unknown, sender: ActorAddress | undefined): boolean {
  const { host, definition } = cell.cohort
  if ((cell.flags & CLOSED) !== 0) {
    host.deadLetter({ address: cell, type, payload, reason: closedReason(cell), sender })
    return false
  }
  if (mayTake(cell) || (definition.overflow === 'drop-oldest' && !hasParked(cell) && dropOldest(cell))) {
    const mailbox = cell.needMailbox()
    host.schedule(cell)
    mailbox.push(type, payload, sender, host.queue.nowTick + DEFAULT_TELL_TIMEOUT_MS)
    return cell.queued < cell.cohort.highWater
  }
  host.deadLetter({ address: cell, type, payload, reason: 'mailbox-full', sender })
  return false
}

export function askCell(cell: Cell, type: string, payload: unknown, options: OutboundOptions | undefined): Promise<unknown> {
  return exchange(cell, type, payload, 'ask', options)
}

export function sendCell(cell: Cell, type: string, payload: unknown, options: OutboundOptions | undefined): Promise<void> {
  return exchange(cell, type, payload, 'send', options) as Promise<void>
}

function exchange(cell: Cell, type: string, payload: unknown, mode: LocalMode, options: OutboundOptions | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const message = makeMessage(cell, type, payload, mode, options)
    message.resolve = resolve
    message.reject = reject
    accept(cell, message, options)
  })
}

/** A tell with options of its own. */
export function tellCellWith(cell: Cell, type: string, payload: unknown, options: OutboundOptions): boolean {
  if (options.timeoutMs === undefined && options.signal === undefined) return tellCell(cell, type, payload, options.sender)
  const message = makeMessage(cell, type, payload, 'tell', options)
  accept(cell, message, options)
  return message.state !== 'ended' && cell.queued < cell.cohort.highWater
}

function makeMessage(cell: Cell, type: string, payload: unknown, mode: LocalMode, options: OutboundOptions | undefined): LocalMessage {
  const taken = cell.cohort.strict ? copied(cell, type, payload) : payload
  if (options === undefined) return new LocalMessage(cell, type, taken, mode, undefined, undefined)
  checkTimeout(options.timeoutMs)
  return new LocalMessage(cell, type, taken, mode, options.sender, options.chain)
}

function copied(cell: Cell, type: string, payload: unknown): unknown {
  try {
    return clonePayload(payload)
  } catch (error) {
    throw namePayload(error, type, cell)
  }
}

export function checkTimeout(timeoutMs: number | undefined): void {
  if (timeoutMs === undefined || (typeof timeoutMs === 'number' && timeoutMs > 0)) return
  throw new TypeError(`timeoutMs is ${String(timeoutMs)}; it must be a number of milliseconds above 0`)
}

function accept(cell: Cell, message: LocalMessage, options: OutboundOptions | undefined): void {
  const { host } = cell.cohort
  const signal = options?.signal
  if (signal?.aborted) {
    message.refused('aborted')
    return
  }
  if (!acceptOrPark(cell, message)) return
  if (signal !== undefined) message.heed(signal)
  const timeoutMs = options?.timeoutMs
  // A time-out of the caller's own may be short, so it is counted from now; the defaults can bear the coarse clock.
  if (timeoutMs !== undefined) {
    if (timeoutMs !== Number.POSITIVE_INFINITY) host.deadlines.addAfter(message, timeoutMs)
  } else {
    host.deadlines.add(message, host.queue.nowTick + (message.mode === 'ask' ? DEFAULT_ASK_TIMEOUT_MS : DEFAULT_TELL_TIMEOUT_MS))
  }
}

/** Whether the message lives on: queued, or waiting for room. */
function acceptOrPark(cell: Cell, message: LocalMessage): boolean {
  if (refuseIfHopeless(cell, message)) return false
  if (hasParked(cell) || !mayTake(cell)) {
    if (message.mode === 'tell') {
      if (cell.cohort.definition.overflow !== 'drop-oldest' || hasParked(cell) || !dropOldest(cell)) {
        message.refused('mailbox-full')
        return false
      }
    } else if (cell.cohort.definition.overflow === 'reject') {
      message.refused('mailbox-full')
      return false
    } else {
      const extras = cell.needExtras()
      extras.parked ??= []
      extras.parked.push(message)
      cell.flags |= ROOM_WANTED
      return true
    }
  }
  queue(cell, message)
  return true
}

/** A message from the cluster's streams. `false`: full, and the message is reliable. */
export function deliverToCell(cell: Cell, message: Message): boolean {
  if (refuseIfHopeless(cell, message)) return true
  if (!mayTake(cell)) {
    if (message.isReliable) {
      cell.needExtras().owesRoomCall = true
      cell.flags |= ROOM_WANTED
      return false
    }
    if (cell.cohort.definition.overflow !== 'drop-oldest' || !dropOldest(cell)) {
      message.refused('mailbox-full')
      return true
    }
  }
  queue(cell, message)
  return true
}

function refuseIfHopeless(cell: Cell, message: Message): boolean {
  if ((cell.flags & CLOSED) !== 0) {
    if ((cell.flags & GONE) !== 0 || !takeWatchAtEnd(cell, message)) message.refused(closedReason(cell))
    return true
  }
  const { chain } = message
  const turn = chain === undefined ? undefined : cell.activation?.turnName()
  if (chain !== undefined && turn !== undefined && chain.includes(turn)) {
    message.refused('ask-cycle', new AskCycleError([...chain, formatAddress(cell)]))
    return true
  }
  return false
}

function queue(cell: Cell, message: Message): void {
  const { host } = cell.cohort
  const mailbox = cell.needMailbox()
  mailbox.push(message, undefined, undefined, 0)
  if ((cell.flags & (SCHEDULED | BLOCKED)) === 0) host.schedule(cell)
}

/** Notices of the system itself (a watched actor is gone): they take no notice of limits, and have no deadline. */
export function notifyCell(cell: Cell, type: string, payload: unknown): void {
  if ((cell.flags & CLOSED) !== 0) return
  const { host } = cell.cohort
  const mailbox = cell.needMailbox()
  mailbox.push(type, payload, undefined, 0)
  host.schedule(cell)
}

export function readyCell(cell: Cell): Promise<void> {
  if ((cell.flags & CLOSED) !== 0 || (cell.queued < cell.cohort.highWater && !hasParked(cell))) return Promise.resolve()
  return new Promise((resolve) => {
    const extras = cell.needExtras()
    extras.readyWaiters ??= []
    extras.readyWaiters.push(resolve)
    cell.flags |= ROOM_WANTED
  })
}

/** Called after a run of turns while somebody waits for room. It is given when half of what the waiters waited for is free, so that they come in batches. */
export function giveRoom(cell: Cell): void {
  const { extras, cohort } = cell
  if (extras === undefined || cell.queued > cohort.highWater >> 1) return
  cell.flags &= ~ROOM_WANTED
  const { parked } = extras
  if (parked !== undefined) {
    let taken = 0
    while (taken < parked.length && mayTake(cell)) {
      const message = parked[taken++] as LocalMessage
      // Ended while it waited: deadline, abort.
      if (message.state === 'queued') queue(cell, message)
    }
    parked.splice(0, taken)
    if (parked.length > 0) {
      cell.flags |= ROOM_WANTED
      return
    }
  }
  const waiters = extras.readyWaiters
  if (waiters !== undefined) {
    extras.readyWaiters = undefined
    for (const resolve of waiters) resolve()
  }
  if (extras.owesRoomCall) {
    extras.owesRoomCall = false
    cohort.table.roomAgain(cell.id)
  }
}

/** The actor is gone for good: nobody needs to wait for its mailbox any more. */
export function releaseWaiters(cell: Cell, reason: DeadLetterReason, error: unknown): void {
  const { extras } = cell
  if (extras === undefined) return
  for (const message of extras.parked ?? []) message.refused(reason, error)
  for (const resolve of extras.readyWaiters ?? []) resolve()
  extras.parked = undefined
  extras.readyWaiters = undefined
  if (extras.owesRoomCall) {
    extras.owesRoomCall = false
    cell.cohort.table.roomAgain(cell.id)
  }
}

function mayTake(cell: Cell): boolean {
  return cell.queued < cell.cohort.mailboxLimit
}

function hasParked(cell: Cell): boolean {
  const parked = cell.extras?.parked
  return parked !== undefined && parked.length > 0
}

/** Only messages of others are dropped, never the actor's own timers nor what has begun already. */
function dropOldest(cell: Cell): boolean {
  cell.takeBack()
  const { mailbox } = cell
  if (mailbox === undefined || mailbox.count === 0) return false
  const head = mailbox.head()
  if (head instanceof ActorTimer || head instanceof Begun || head instanceof ChildBound) return false
  if (typeof head === 'string') {
    const sender = mailbox.sender() as ActorAddress | undefined
    cell.cohort.host.deadLetter({ address: cell, type: head, payload: mailbox.payload(), reason: 'mailbox-full', sender })
  } else {
    ;(head as Message).refused('mailbox-full')
  }
  mailbox.drop()
  return true
}

function closedReason(cell: Cell): DeadLetterReason {
  return cell.cohort.host.isClosing ? 'shutdown' : 'stopped'
}
