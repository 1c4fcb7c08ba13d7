// The turn loop: takes messages out of mailboxes and runs handlers, one turn of an actor at a time.
//
//   queue ─> runCell ─> gate? ─> activation? ─> begin ─> handler ──returns──> endTurn
//                                                          └─ a promise ─> AsyncTurn ─> endTurn

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import type { Message } from '../delivery/message.ts'
import { ActorFailedError, InvalidPayloadError } from '../errors.ts'
import { type ActorAddress, formatAddress } from '../messaging/address.ts'
import { clonePayload } from '../messaging/payload-codec.ts'
import { type Activation, FORWARDED, STASHED } from './activation.ts'
import { attend } from './after-turn.ts'
import { AsyncTurn, isThenable } from './async-turn.ts'
import { AFTER_TURN, BLOCKED, BUSY, type Cell, HANDED, ROOM_WANTED, SCHEDULED, START } from './cell.ts'
import { currentTurn } from './current-turn.ts'
import type { MessageEntry } from './definition.ts'
import { Begun, ChildBound, messageOf } from './entries.ts'
import { handlerThrew } from './failing.ts'
import { activate, discardTurn } from './lifecycle.ts'
import { giveRoom } from './local-delivery.ts'
import type { Mailbox } from './mailbox.ts'
import { describeIssues } from './standard-schema.ts'
import { ActorTimer } from './timers.ts'
import { takeWatchMessage } from './watching.ts'

/** Turns of one actor before others have theirs. */
const QUANTUM = 64

/** The run queue's runner. Returns how many turns it took. */
export function runCell(cell: Cell): number {
  const { host, table } = cell.cohort
  // The queue reads its clock between batches, not within.
  const { nowTick } = host.queue
  let turns = 0
  while ((cell.flags & (BLOCKED | AFTER_TURN)) === 0) {
    const { mailbox } = cell
    const isHanded = (cell.flags & HANDED) !== 0
    const isEmpty = !isHanded && (mailbox === undefined || mailbox.count === 0)
    if (isEmpty && (cell.flags & START) === 0) break
    // SCHEDULED stays set while the actor waits for the gate, so that nothing schedules it a second time.
    if (table.gate !== undefined && !table.gate.mayRun()) {
      betweenTurns()
      table.waitForGate(cell)
      return turns
    }
    if (turns === QUANTUM) {
      betweenTurns()
      host.queue.add(cell)
      afterTurns(cell, turns)
      return turns
    }
    turns++
    const { activation } = cell
    if (activation === undefined) {
      activate(cell)
      // It takes its share of the quantum, but no message was handled.
      host.counters.turns--
    } else {
      if ((cell.flags & START) !== 0) cell.flags &= ~START
      if (isHanded) {
        cell.flags &= ~HANDED
        runPlain(cell, activation, activation.head as string, nowTick)
      } else if (!isEmpty) {
        runNext(cell, activation, mailbox as Mailbox, nowTick)
      }
    }
  }
  betweenTurns()
  cell.flags &= ~SCHEDULED
  if (cell.mailbox !== undefined) host.mailboxes.release(cell)
  afterTurns(cell, turns)
  return turns
}

/**
 * Plain turns of one actor that follow each other leave `currentTurn` as it is: nothing of others runs between them, and setting it for each would cost
 * a tenth of a short turn (the collector has to be told). Before anything else that may call what users wrote, and at the end of the run, it is cleared.
 */
function betweenTurns(): void {
  currentTurn.activation = undefined
}

/** Housekeeping after a run of turns, and after each asynchronous one. */
function afterTurns(cell: Cell, turns: number): void {
  const { host } = cell.cohort
  host.counters.turns += turns
  if (cell.extras !== undefined) {
    if (cell.extras.idle !== undefined) cell.extras.idle.lastActiveMs = host.runtime.monotonicMs()
    if ((cell.flags & ROOM_WANTED) !== 0) giveRoom(cell)
    if ((cell.flags & AFTER_TURN) !== 0 && cell.inHand === undefined) attend(cell)
  }
}

/** Goes on after something that blocked the actor is over: a turn, a hook, a back-off. */
export function unblock(cell: Cell, flag: number): void {
  cell.flags &= ~flag
  afterTurns(cell, 0)
  if (cell.queued > 0 || (cell.flags & START) !== 0) cell.cohort.host.schedule(cell)
}

function runNext(cell: Cell, activation: Activation, mailbox: Mailbox, nowTick: number): void {
  const head = mailbox.head()
  if (typeof head === 'string') {
    activation.take(head, mailbox.payload(), mailbox.sender() as ActorAddress | undefined, mailbox.deadlineTick())
    mailbox.drop()
    runPlain(cell, activation, head, nowTick)
    return
  }
  mailbox.drop()
  betweenTurns()
  if (head instanceof ChildBound) {
    cell.cohort.table.deliverToChild(cell, head)
  } else if (head instanceof Begun) {
    activation.take(head, head.payload, undefined, 0)
    runHandler(cell, activation, head.type)
  } else if (head instanceof ActorTimer) {
    if (!head.taken()) return
    activation.take(head, head.payload, undefined, 0)
    runHandler(cell, activation, head.type)
  } else {
    const message = head as Message
    if (!message.begin()) return
    activation.take(message, message.payload, undefined, 0)
    runHandler(cell, activation, message.type)
  }
}

/** A plain message is in hand. */
function runPlain(cell: Cell, activation: Activation, type: string, nowTick: number): void {
  const { deadlineTick } = activation
  if (deadlineTick !== 0 && deadlineTick < nowTick) refuse(cell, activation, type, 'deadline', undefined)
  else runHandler(cell, activation, type)
}

function runHandler(cell: Cell, activation: Activation, type: string): void {
  const entry = activation.find(type)
  if (entry === undefined) {
    if (takeWatchMessage(cell, messageOf(activation.head))) activation.clearTurn()
    else refuse(cell, activation, type, 'unknown-message', undefined)
    return
  }
  let { payload } = activation
  if (entry.schema !== undefined) {
    betweenTurns()
    const checked = check(cell, entry, payload)
    if ('error' in checked) {
      refuse(cell, activation, type, 'invalid-payload', checked.error)
      return
    }
    payload = checked.value
  }
  if (currentTurn.activation !== activation) currentTurn.activation = activation
  let value: unknown
  const { handler } = entry
  try {
    value = handler(activation, payload)
  } catch (error) {
    betweenTurns()
    endTurn(cell, activation, true, error)
    return
  }
  if (typeof value === 'object' && value !== null && isThenable(value)) {
    betweenTurns()
    new MessageTurn(activation).follow(value)
  } else {
    endTurn(cell, activation, false, value)
  }
}

/**
 * Every turn of a handler ends here, and nowhere else: what it returned (or threw) is known, and nothing has been answered or acknowledged yet.
 * The seam for durable actors: their commit goes between the two.
 */
export function endTurn(cell: Cell, activation: Activation, threw: boolean, value: unknown): void {
  const { head } = activation
  if (threw) {
    handlerThrew(cell, activation, value)
    return
  }
  if (typeof head === 'string') {
    if ((activation.marks & STASHED) !== 0) stash(activation)
    activation.clearTurn()
    return
  }
  betweenTurns()
  if ((activation.marks & (STASHED | FORWARDED)) !== 0) {
    if ((activation.marks & STASHED) !== 0) stash(activation)
    else answerLater(messageOf(head) as Message, activation.extras?.forwarded as Promise<unknown>, head)
    activation.clearTurn()
    return
  }
  activation.clearTurn()
  const message = messageOf(head)
  if (message === undefined) return
  if (!message.isAsk || !cell.cohort.strict) {
    message.handled(value)
    return
  }
  let reply: unknown
  try {
    reply = clonePayload(value)
  } catch (error) {
    message.failed(error)
    return
  }
  message.handled(reply)
}

function stash(activation: Activation): void {
  const begun = activation.keepInHand()
  activation.addToStash(begun)
  if (begun.isStashed) return
  begun.isStashed = true
  begun.message?.stashed()
}

/** The message was forwarded: it is kept until the other actor has answered. */
function answerLater(message: Message, answer: Promise<unknown>, head: unknown): void {
  if (!(head instanceof Begun && head.isStashed)) message.stashed()
  answer.then(
    (reply) => message.handled(reply),
    (error: unknown) => message.failed(error),
  )
}

/** What is in hand will not be handled. */
function refuse(cell: Cell, activation: Activation, type: string, reason: DeadLetterReason, error: unknown): void {
  const { head, payload, plainSender: sender } = activation
  betweenTurns()
  activation.clearTurn()
  const message = messageOf(head)
  if (message !== undefined && head instanceof Begun && head.isStashed) {
    message.failed(error ?? new InvalidPayloadError(`${formatAddress(cell)} does not know '${type}' in its present behaviour`))
  } else if (message !== undefined) {
    message.refused(reason, error)
  } else {
    cell.cohort.host.deadLetter({ address: cell, type, payload, reason, error, sender })
  }
}

function check(cell: Cell, entry: MessageEntry, payload: unknown): { readonly value: unknown } | { readonly error: Error } {
  const what = `payload of '${entry.type}' to ${formatAddress(cell)}`
  try {
    const result = entry.schema?.['~standard'].validate(payload)
    if (result === undefined) return { value: payload }
    if (isThenable(result)) {
      // Not awaited: a turn that waits for its own payload would let the mailbox pile up behind it. Its outcome is of no interest.
      result.then(undefined, () => {})
      return { error: new InvalidPayloadError(`${what}: its schema is asynchronous; only schemas that answer at once can be used`) }
    }
    if (result.issues === undefined) return { value: result.value }
    return { error: new InvalidPayloadError(`${what} is not what its schema says: ${describeIssues(result.issues)}`) }
  } catch (cause) {
    return { error: new InvalidPayloadError(`${what}: its schema threw`, { cause }) }
  }
}

class MessageTurn extends AsyncTurn {
  protected override ended(threw: boolean, value: unknown): void {
    const { activation } = this
    const { cell } = activation
    // Still BUSY while it ends: what it sends to itself must not start a turn in between.
    endTurn(cell, activation, threw, value)
    unblock(cell, BUSY)
  }

  protected override timedOut(): void {
    const { cell } = this.activation
    const { turnTimeoutMs } = cell.cohort.definition
    this.abandon()
    discardTurn(cell, new ActorFailedError(formatAddress(cell), `its turn took longer than turnTimeoutMs (${turnTimeoutMs} ms)`))
  }
}
