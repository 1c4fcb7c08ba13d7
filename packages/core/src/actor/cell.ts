// One actor's place in the system: its mailbox, and what is going on with it. It outlives activations (restarts, time-outs, passivation).
// Lean on purpose: a million of them stand idle. What few actors need is in `CellExtras`, made on first use.

import type { ActorAddress } from '../messaging/address.ts'
import type { Activation } from './activation.ts'
import type { AsyncTurn } from './async-turn.ts'
import type { Cohort } from './cohort.ts'
import type { Begun } from './entries.ts'
import type { IdleCheck } from './idle.ts'
import type { LocalMessage } from './local-message.ts'
import type { Mailbox } from './mailbox.ts'
import type { StopReason } from './stop-reason.ts'
import type { FailureHistory } from './supervision.ts'
import type { Watch, Watcher } from './watching.ts'

/** In the run queue. */
export const SCHEDULED = 1
/** An asynchronous turn is in hand. */
export const BUSY = 2
/** Waits: for a back-off to pass, or for its parent to decide. */
export const SUSPENDED = 4
/** Will stop; takes no messages. */
export const STOPPING = 8
/** Stopped; out of its table. */
export const GONE = 16
/** Somebody waits for the end of the turn in hand. */
export const AFTER_TURN = 32
/** Somebody waits for room in the mailbox. */
export const ROOM_WANTED = 64
/** To be activated, message or not. */
export const START = 128
/** Between two activations: hooks run, children stop. */
export const TRANSITION = 256
/**
 * Its oldest message is not in the mailbox but in its activation's hand already, and its turn has not begun. A plain message for an actor that has nothing else to do goes
 * there: most messages between actors that talk to each other find the other one idle, and the way through a mailbox is the most of what they would cost.
 * Whoever needs it in the mailbox takes it back (`takeBack`).
 */
export const HANDED = 512

/** No turn starts while one of these is set. */
export const BLOCKED: number = BUSY | TRANSITION | SUSPENDED | STOPPING | GONE
/** No message is taken. */
export const CLOSED: number = STOPPING | GONE

export class Cell implements ActorAddress {
  readonly cohort: Cohort
  /** Of the top-level actor: children share it. */
  readonly id: string
  flags = 0
  activation: Activation | undefined = undefined
  mailbox: Mailbox | undefined = undefined
  turn: AsyncTurn | undefined = undefined
  extras: CellExtras | undefined = undefined

  constructor(cohort: Cohort, id: string) {
    this.cohort = cohort
    this.id = id
  }

  /** The kind of its address: that of the top-level actor, also for children. */
  get kind(): string {
    return this.cohort.table.definition.kind
  }

  get path(): string | undefined {
    return this.extras?.path
  }

  /** Messages whose turn has not begun. */
  get queued(): number {
    const handed = (this.flags & HANDED) !== 0 ? 1 : 0
    return this.mailbox === undefined ? handed : handed + this.mailbox.count
  }

  /** What the turn in hand is about: the type of a plain message, or an object that carries everything. Undefined between turns. */
  get inHand(): unknown {
    return this.activation?.inHand
  }

  needMailbox(): Mailbox {
    this.mailbox ??= this.cohort.host.mailboxes.take()
    return this.mailbox
  }

  /** Puts what was handed over and has not begun to the head of the mailbox. Before the activation ends, a hook runs, or the mailbox is read or filled from its head. */
  takeBack(): void {
    if ((this.flags & HANDED) === 0) return
    this.flags &= ~HANDED
    const activation = this.activation as Activation
    const { head, payload, plainSender, deadlineTick } = activation
    activation.clearTurn()
    this.needMailbox().pushFront(head, payload, plainSender, deadlineTick)
  }

  /** What has begun before and is to run again goes before all that waits. */
  putFirst(begun: Begun): void {
    this.takeBack()
    this.needMailbox().pushFront(begun, undefined, undefined, 0)
  }

  needExtras(): CellExtras {
    this.extras ??= new CellExtras()
    return this.extras
  }
}

export class CellExtras {
  path: string | undefined = undefined
  name: string | undefined = undefined
  parent: Cell | undefined = undefined
  children: Map<string, Cell> | undefined = undefined
  /** Whom this actor watches, and who watches it; by address. */
  watches: Map<string, Watch> | undefined = undefined
  watchers: Map<string, Watcher> | undefined = undefined
  failures: FailureHistory | undefined = undefined
  idle: IdleCheck | undefined = undefined
  /** What runs when the turn in hand has ended. */
  afterTurn: (() => void)[] | undefined = undefined
  /** Local sends and asks that wait for room, in order. */
  parked: LocalMessage[] | undefined = undefined
  readyWaiters: (() => void)[] | undefined = undefined
  /** `deliver` returned false: the table's `onRoom` is owed. */
  owesRoomCall = false
  /** Messages for children in this actor's own mailbox, which wait for it to be activated. */
  childBound = 0
  stopped: Promise<void> | undefined = undefined
  stopReason: StopReason | undefined = undefined
}
