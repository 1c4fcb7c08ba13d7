// One life of an actor: its state, the message in hand, and what handlers see as `ctx`. A restart, a turn time-out or a passivation ends it;
// afterwards every use of it throws, so that the late part of an abandoned turn can't touch its successor.

import { ClosedError } from '../errors.ts'
import { type ActorAddress, checkActorId, formatAddress } from '../messaging/address.ts'
import { ActivationExtras } from './activation-extras.ts'
import { Cell, HANDED, START } from './cell.ts'
import { addChild, findDescendant } from './children.ts'
import type { Context } from './context.ts'
import type { ActorDefinition, MessageEntry } from './definition.ts'
import { Begun, isMessage, messageOf } from './entries.ts'
import { setIdleTimeout } from './idle.ts'
import { childLogger, type Logger } from './logger.ts'
import { ActorRef } from './ref.ts'
import { stopCell } from './stopping.ts'
import { ActorTimer, Timers } from './timers.ts'
import { unwatch, watch } from './watching.ts'

/** The handler stashed the message in hand. */
export const STASHED = 1
/** The handler forwarded the message in hand. */
export const FORWARDED = 2
/** Something about this turn is kept in the extras. */
export const TURN_DATA = 4
const ENDED = 8
const FENCED = 16
/** `onStop` has been called. */
export const STOP_HOOK_RAN = 32

/** What is in hand while a hook runs: no message. */
export const HOOK: unique symbol = Symbol('hook')

export class Activation implements Context<any, any> {
  readonly cell: Cell
  /** The type of a plain message, or a `Message`, `Begun` or `ActorTimer`, or HOOK. Undefined when there is neither a turn nor a message that was handed over. */
  head: unknown = undefined
  payload: unknown = undefined
  plainSender: ActorAddress | undefined = undefined
  /** Of a plain message; 0 for none. */
  deadlineTick = 0
  marks = 0
  #state: unknown = undefined
  extras: ActivationExtras | undefined = undefined

  constructor(cell: Cell) {
    this.cell = cell
  }

  get state(): any {
    if ((this.marks & ENDED) !== 0) this.assertLive()
    return this.#state
  }

  set state(state: unknown) {
    if ((this.marks & ENDED) !== 0) this.assertLive()
    this.#state = state
  }

  get self(): ActorRef {
    this.assertLive()
    const extras = this.#needExtras()
    extras.self ??= this.#refTo(this.cell)
    return extras.self
  }

  get sender(): ActorRef | undefined {
    this.assertLive()
    const sender = this.senderAddress()
    if (sender === undefined) return undefined
    const extras = this.#needExtras()
    if (extras.senderRef === undefined || extras.senderOfRef !== sender) {
      extras.senderRef = this.#refTo(sender)
      extras.senderOfRef = sender
    }
    return extras.senderRef
  }

  get messageId(): string {
    this.assertLive()
    const head = this.inHand
    if (head === undefined || head === HOOK) throw new TypeError('no message is in hand: messageId is for handlers')
    if (head instanceof Begun) {
      // Kept there, so that all attempts have one id.
      head.messageId ??= head.message?.messageId ?? this.cell.cohort.host.newMessageId()
      return head.messageId
    }
    if (isMessage(head)) return head.messageId
    const extras = this.#needExtras()
    this.marks |= TURN_DATA
    extras.messageId ??= this.cell.cohort.host.newMessageId()
    return extras.messageId
  }

  get log(): Logger {
    const extras = this.#needExtras()
    extras.log ??= childLogger(this.cell.cohort.host.logger, { actor: formatAddress(this.cell) })
    return extras.log
  }

  get signal(): AbortSignal {
    const extras = this.#needExtras()
    if (extras.abort === undefined) {
      extras.abort = new AbortController()
      // Asked for by the late part of an abandoned turn: it hears at once that it is too late.
      if ((this.marks & ENDED) !== 0) extras.abort.abort(this.#endedError())
    }
    return extras.abort.signal
  }

  get timers(): Timers {
    this.assertLive()
    const extras = this.#needExtras()
    extras.timers ??= new Timers(this)
    return extras.timers
  }

  get children(): ReadonlyMap<string, ActorRef> {
    this.assertLive()
    const children = new Map<string, ActorRef>()
    for (const [name, cell] of this.cell.extras?.children ?? []) children.set(name, this.#refTo(cell))
    return children
  }

  ref(definition: ActorDefinition | string, id: string): ActorRef<any> {
    this.assertLive()
    const kind = typeof definition === 'string' ? definition : definition.kind
    checkActorId(kind, id)
    return this.#refTo({ kind, id })
  }

  spawn(definition: ActorDefinition, name: string): ActorRef<any> {
    this.assertLive()
    checkActorId(definition.kind, name)
    if (name.includes('/')) throw new TypeError(`the child's name '${name}' holds a '/'; that separates the names of a path`)
    const child = addChild(this.cell, definition, name)
    child.flags |= START
    child.cohort.host.schedule(child)
    return this.#refTo(child)
  }

  stop(child?: ActorRef): void {
    this.assertLive()
    if (child === undefined) {
      stopCell(this.cell, 'stopped')
      return
    }
    const cell = this.#descendant(child)
    if (cell === undefined || cell === this.cell) {
      throw new TypeError(`${child.toString()} is no child of ${formatAddress(this.cell)}: ctx.stop stops the actor itself or its children`)
    }
    stopCell(cell, 'stopped')
  }

  watch(ref: ActorRef, type: string): void {
    this.assertLive()
    watch(this.cell, ref.address, type)
  }

  unwatch(ref: ActorRef): void {
    this.assertLive()
    unwatch(this.cell, ref.address)
  }

  setIdleTimeout(idleTimeoutMs: number): void {
    this.assertLive()
    setIdleTimeout(this.cell, idleTimeoutMs)
  }

  forward(to: ActorRef, type: string = this.#typeInHand(), payload: unknown = this.#payloadInHand()): void {
    this.assertLive()
    const { host, table } = this.cell.cohort
    const message = messageOf(this.inHand)
    const options = { sender: this.senderAddress(), chain: message?.chain, from: table }
    if (message === undefined) {
      host.refs.tell(to.address, type, payload, options)
      return
    }
    const answer = message.isAsk ? host.refs.ask(to.address, type, payload, options) : host.refs.send(to.address, type, payload, options)
    // Heard again when the turn has ended; here only so that it is never unhandled.
    answer.catch(() => {})
    this.marks |= FORWARDED | TURN_DATA
    this.#needExtras().forwarded = answer
  }

  stash(): void {
    this.assertLive()
    this.#typeInHand()
    this.marks |= STASHED
    const { cohort } = this.cell
    if ((this.extras?.stash?.length ?? 0) >= cohort.mailboxLimit) {
      this.marks &= ~STASHED
      throw new RangeError(`the stash of ${formatAddress(this.cell)} is full (${cohort.mailboxLimit} messages, as its mailbox)`)
    }
  }

  unstash(count: number = Number.POSITIVE_INFINITY): void {
    this.assertLive()
    const stash = this.extras?.stash
    if (stash === undefined) return
    const back = stash.splice(0, count)
    const { host } = this.cell.cohort
    for (let i = back.length - 1; i >= 0; i--) this.cell.putFirst(back[i] as Begun)
    if (back.length > 0) host.schedule(this.cell)
  }

  become(name?: string): void {
    this.assertLive()
    const { behaviours, kind } = this.cell.cohort.definition
    const behaviour = name === undefined ? undefined : behaviours.get(name)
    if (name !== undefined && behaviour === undefined) {
      throw new TypeError(`'${kind}' has no behaviour '${name}'; it has: ${[...behaviours.keys()].join(', ') || 'none'}`)
    }
    const extras = this.#needExtras()
    extras.behaviour = behaviour
    extras.behaviourName = name
  }

  // ---- for the room itself ----

  /** What the turn in hand is about: what was handed over and has not begun is not. */
  get inHand(): unknown {
    return (this.cell.flags & HANDED) === 0 ? this.head : undefined
  }

  take(head: unknown, payload: unknown, plainSender: ActorAddress | undefined, deadlineTick: number): void {
    this.head = head
    this.payload = payload
    this.plainSender = plainSender
    this.deadlineTick = deadlineTick
  }

  get isEnded(): boolean {
    return (this.marks & ENDED) !== 0
  }

  /** It was discarded: nothing that it sends may leave any more. */
  get isFenced(): boolean {
    return (this.marks & FENCED) !== 0
  }

  initialise(state: unknown): void {
    this.#state = state
  }

  find(type: string): MessageEntry | undefined {
    return this.extras?.behaviour?.get(type) ?? this.cell.cohort.find(type)
  }

  senderAddress(): ActorAddress | undefined {
    const head = this.inHand
    if (typeof head === 'string') return this.plainSender
    return head instanceof Begun || isMessage(head) ? head.sender : undefined
  }

  /** The turn in hand as asks name it, if it has made any: only then can somebody wait for it. */
  turnName(): string | undefined {
    return this.extras?.turnName
  }

  /** For an ask made now: the turns that wait for its answer. */
  chainOfAsks(): readonly string[] | undefined {
    const head = this.inHand
    if (head === undefined) return undefined
    const extras = this.#needExtras()
    this.marks |= TURN_DATA
    extras.turnName ??= `${formatAddress(this.cell)}#${this.cell.cohort.host.newTurnName()}`
    const outer = messageOf(head)?.chain
    return outer === undefined ? [extras.turnName] : [...outer, extras.turnName]
  }

  /** The message in hand as it is kept in the stash. */
  keepInHand(): Begun {
    const head = this.inHand
    if (head instanceof Begun) return head
    if (isMessage(head)) return new Begun(head, head.type, head.payload, head.sender, undefined)
    return new Begun(undefined, this.#typeInHand(), this.payload, this.plainSender, this.extras?.messageId)
  }

  addToStash(begun: Begun): void {
    const extras = this.#needExtras()
    extras.stash ??= []
    extras.stash.push(begun)
  }

  /** Takes everything out of the stash. */
  takeStash(): Begun[] {
    const stash = this.extras?.stash
    if (stash === undefined) return []
    return stash.splice(0)
  }

  clearTurn(): void {
    this.head = undefined
    this.payload = undefined
    this.plainSender = undefined
    if (this.marks === 0) return
    this.marks &= ~(STASHED | FORWARDED | TURN_DATA)
    const { extras } = this
    if (extras === undefined) return
    extras.messageId = undefined
    extras.turnName = undefined
    extras.forwarded = undefined
  }

  /** From now on every use of it throws. `isDiscarded`: and nothing that its late parts send may leave. */
  end(isDiscarded: boolean): void {
    if ((this.marks & ENDED) !== 0) return
    this.extras?.timers?.cancelAll()
    this.marks |= isDiscarded ? ENDED | FENCED : ENDED
    this.extras?.abort?.abort(this.#endedError())
  }

  assertLive(): void {
    if ((this.marks & ENDED) !== 0) throw this.#endedError()
  }

  #endedError(): ClosedError {
    return new ClosedError(`this activation of ${formatAddress(this.cell)} has ended; its context can't be used any more`)
  }

  #needExtras(): ActivationExtras {
    this.extras ??= new ActivationExtras()
    return this.extras
  }

  #refTo(address: ActorAddress): ActorRef {
    const { refs } = this.cell.cohort.host
    const cell = refs.findCell !== undefined && address instanceof Cell ? address : undefined
    return new ActorRef(refs, address, cell, this)
  }

  #typeInHand(): string {
    const head = this.inHand
    if (typeof head === 'string') return head
    if (head instanceof Begun || head instanceof ActorTimer || isMessage(head)) return head.type
    throw new TypeError('no message is in hand')
  }

  #payloadInHand(): unknown {
    return this.payload
  }

  #descendant(ref: ActorRef): Cell | undefined {
    if (ref.kind !== this.cell.kind || ref.id !== this.cell.id || ref.path === undefined) return undefined
    const own = this.cell.path
    if (own === undefined) return findDescendant(this.cell, ref.path)
    return ref.path.startsWith(`${own}/`) ? findDescendant(this.cell, ref.path.slice(own.length + 1)) : undefined
  }
}
