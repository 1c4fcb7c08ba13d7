// A message of this process to an actor of this process: the short way into a mailbox. It has an id only once somebody needs one
// (the handler asks for it, or it goes back to the outbox), because most never do.

import { DeliveryUnknownError, NotExecutedError } from '../errors.ts'
import { type ActorAddress, formatAddress, plainAddress } from '../messaging/address.ts'
import { OUTCOME_STASHED } from '../messaging/frame-format.ts'
import { Deadline } from '../runtime/deadline-sweep.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { Message } from './message.ts'
import { snapshotOf } from './message-snapshot.ts'
import type { OutEntry, Waiter } from './out-entry.ts'
import {
  decodeOutcome,
  type EncodedOutcome,
  type Ending,
  encodeFailure,
  encodeRefusal,
  encodeReply,
  encodeUnknown,
  letterOf,
  refusalError,
} from './outcome.ts'
import type { Tenure } from './tenure.ts'

/** What local messages need of the endpoint. */
export interface LocalHost {
  readonly core: DeliveryCore
  /** Gives the message an id, and an entry in the outbox that holds the floor until it has ended. */
  expose(message: LocalMessage): OutEntry
  /** The end of a turn may not be told yet. */
  heldBack(): void
  /** What waits behind it gets larger ids, as its own has been recorded. */
  renumberBehind(entry: OutEntry): void
  /** It did not run: it goes to the outbox, in order. */
  takeBack(message: LocalMessage): void
  /** The entry goes on without the message: with its caller, its deadline, and a place in its stream. */
  outlive(message: LocalMessage, entry: OutEntry): void
  /** Its entry, if any, is finished. */
  finishEntry(entry: OutEntry): void
}

/** How a turn ended, held back while its tenure may let nothing leave. */
type Held =
  | { readonly how: 'handled'; readonly reply: unknown }
  | { readonly how: 'failed'; readonly error: unknown }
  | { readonly how: 'refused'; readonly reason: DeadLetterReason; readonly error: unknown }
  /** It was not: an earlier owner's is recorded. */
  | { readonly how: 'recorded'; readonly ending: Ending }

export class LocalMessage extends Deadline implements Message {
  readonly kind: string
  readonly id: string
  readonly path: string | undefined
  readonly type: string
  readonly payload: unknown
  readonly isAsk: boolean
  readonly isReliable: boolean
  readonly sender: ActorAddress | undefined
  readonly chain: readonly string[] | undefined
  readonly tenure: Tenure
  readonly order: number
  waiter: Waiter | undefined = undefined
  signal: AbortSignal | undefined = undefined
  onAbort: (() => void) | undefined = undefined
  atMs: number = Number.POSITIVE_INFINITY
  /** In the outbox: it came from there, or its id was asked for. */
  entry: OutEntry | undefined = undefined
  /** The tenure whose turn sent it: back in the outbox it leaves only while that may let anything leave. */
  from: Tenure | undefined = undefined
  /** It came from the outbox, and may be a repetition of what an earlier owner has handled. */
  isFromOutbox = false
  /** A turn of it was started here, whatever became of it. */
  hasBegun = false
  /** Its caller has been told already; nothing else may come of it. */
  isAbandoned = false
  state: 'queued' | 'in-hand' | 'stashed' | 'held' | 'ended' = 'queued'
  #held: Held | undefined = undefined
  readonly #host: LocalHost

  constructor(
    host: LocalHost,
    tenure: Tenure,
    address: ActorAddress,
    type: string,
    payload: unknown,
    isAsk: boolean,
    isReliable: boolean,
    sender: ActorAddress | undefined,
    chain: readonly string[] | undefined,
  ) {
    super()
    this.#host = host
    this.tenure = tenure
    this.kind = address.kind
    this.id = address.id
    this.path = address.path
    this.type = type
    this.payload = payload
    this.isAsk = isAsk
    this.isReliable = isReliable
    this.sender = sender
    this.chain = chain
    this.order = host.core.nextOrder()
  }

  get messageId(): string {
    const entry = this.entry ?? this.#host.expose(this)
    entry.isExposed = true
    return this.#host.core.messageId(entry.id)
  }

  begin(): boolean {
    if (this.state !== 'queued') return false
    if (this.isFromOutbox && this.entry?.isEnded) {
      // An earlier owner's acknowledgement came while it waited here.
      this.state = 'ended'
      return false
    }
    const recorded = this.isFromOutbox ? this.#recorded() : undefined
    if (recorded !== undefined) {
      if (recorded !== 'stashed') this.#end(recorded)
      return false
    }
    if (this.waiter === undefined && this.atMs !== Number.POSITIVE_INFINITY && this.#host.core.now() > this.atMs) {
      this.refused('deadline')
      return false
    }
    this.state = 'in-hand'
    this.hasBegun = true
    return true
  }

  handled(reply: unknown): void {
    if (this.state === 'ended') return
    if (this.#mustHold()) this.#hold({ how: 'handled', reply })
    else this.#settle({ how: 'handled', reply })
  }

  failed(error: unknown): void {
    if (this.state === 'ended') return
    if (this.#mustHold()) this.#hold({ how: 'failed', error })
    else this.#settle({ how: 'failed', error })
  }

  refused(reason: DeadLetterReason, error?: unknown): void {
    if (this.state === 'ended') return
    // What a mailbox gives up may repeat what has ended: then that is its answer, and not that it was not executed.
    const recorded = this.state === 'queued' ? this.#recorded() : undefined
    if (recorded === 'stashed') return
    const how: Held = recorded === undefined ? { how: 'refused', reason, error } : { how: 'recorded', ending: recorded }
    if (this.#mustHold()) this.#hold(how)
    else this.#settle(how)
  }

  stashed(): void {
    if (this.state !== 'in-hand' && this.state !== 'queued') return
    this.state = 'stashed'
    if (this.isAsk) return
    // A stashed tell or send is acknowledged: it lives in the actor's state now.
    this.waiter?.resolve(undefined)
    this.waiter = undefined
    this.#leaveOutbox()
  }

  returned(): void {
    if (this.state === 'ended' || this.state === 'held') return
    if (this.state === 'stashed') {
      this.#settle({ how: 'failed', error: new DeliveryUnknownError('stopped', this.#what(), this.messageId) })
      return
    }
    if (!this.isReliable && this.state === 'in-hand') {
      // Its turn has begun: an at-most-once message is not begun twice.
      this.#settle({ how: 'failed', error: new DeliveryUnknownError('moved', this.#what(), this.messageId) })
      return
    }
    this.state = 'ended'
    this.#host.takeBack(this)
  }

  toSnapshot(): unknown {
    const { core } = this.#host
    if (this.isAsk && this.waiter !== undefined) this.#ship()
    return snapshotOf(this, core.options.local, this.entry?.id ?? 0, this)
  }

  /** Deadline or abort of one that somebody waits for. */
  endEarly(reason: DeadLetterReason, cause?: unknown): void {
    if (this.state === 'ended' || this.waiter === undefined) return
    const options = cause === undefined ? undefined : { cause }
    const error =
      this.state === 'queued' && !this.entry?.mayHaveArrived
        ? new NotExecutedError(reason, this.#what(), options)
        : new DeliveryUnknownError(reason, this.#what(), this.messageId, options)
    const { waiter } = this
    this.waiter = undefined
    this.isAbandoned = true
    if (this.state !== 'held') this.state = 'ended'
    this.#leaveOutbox()
    this.#host.core.messagesFailed++
    waiter.reject(error)
  }

  override expired(): void {
    this.endEarly('deadline')
  }

  /** The tenure may let things leave again. */
  release(): void {
    const held = this.#held
    if (this.state !== 'held' || held === undefined) return
    this.#held = undefined
    this.#settle(held)
  }

  /** The tenure is gone, and with it what the turn did: the message goes to the new owner. */
  forgetTurn(): void {
    if (this.state !== 'held') return
    this.#held = undefined
    if (!this.isReliable) {
      this.#settle({ how: 'failed', error: new DeliveryUnknownError('moved', this.#what(), this.messageId) })
      return
    }
    this.state = 'ended'
    if (!this.isAbandoned) this.#host.takeBack(this)
  }

  // A turn that ended while its tenure was suspended counts in memory; nobody hears of it before the resume.
  #mustHold(): boolean {
    const { tenure } = this
    if (this.state === 'held' || tenure.state === 'discarded') return false
    return tenure.isSuspended || (this.waiter !== undefined && !tenure.mayLeaveNow())
  }

  #hold(held: Held): void {
    this.#held = held
    this.state = 'held'
    const { core } = this.#host
    if (this.isReliable) {
      // Recorded under its id: if the state is shipped from here, the message must not run again there.
      const entry = this.entry ?? this.#host.expose(this)
      entry.isExposed = true
      this.#host.renumberBehind(entry)
      const cell = this.tenure.records.open(core.self, this.id, this.path)
      // A refusal is kept, and not recorded as handled: what is ahead of it in its stream may not have run yet.
      if (held.how !== 'refused' && entry.id > cell.last) cell.last = entry.id
      const outcome = this.#encode(held)
      if (outcome !== undefined) this.tenure.records.keep(cell, entry.id, outcome.outcome, outcome.bytes)
    }
    this.tenure.held.push(this)
    this.#host.heldBack()
  }

  #encode(held: Held): EncodedOutcome | undefined {
    if (held.how === 'refused') return encodeRefusal(held.reason, held.error)
    if (held.how === 'recorded' || !this.isAsk) return undefined
    return held.how === 'handled' ? encodeReply(held.reply, this.#host.core.limits.maxPayloadBytes) : encodeFailure(held.error)
  }

  #settle(how: Held): void {
    if (how.how === 'recorded') {
      this.#end(how.ending)
      return
    }
    const wasAbandoned = this.isAbandoned
    this.state = 'ended'
    if (this.waiter === undefined && this.entry?.isStashed) {
      // Shipped: the caller is with the entry. If the state has gone to another owner, that one answers.
      if (this.tenure.state === 'discarded' || this.entry.isEnded) return
      this.waiter = this.entry.waiter
    }
    if (this.isFromOutbox && this.isReliable && this.entry !== undefined && how.how !== 'refused') {
      const cell = this.tenure.records.open(this.#host.core.self, this.id, this.path)
      if (this.entry.id > cell.last) cell.last = this.entry.id
    }
    this.#leaveOutbox()
    const { waiter } = this
    this.waiter = undefined
    if (how.how === 'handled') {
      waiter?.resolve(this.isAsk ? how.reply : undefined)
    } else if (how.how === 'failed') {
      if (this.isAsk) {
        if (!wasAbandoned) this.#host.core.messagesFailed++
        waiter?.reject(how.error)
        return
      }
      const letter = letterOf(how.error)
      this.#deadLetter(letter.reason, letter.error)
      waiter?.resolve(undefined)
    } else if (waiter !== undefined) {
      this.#host.core.messagesFailed++
      const mayHaveRun = this.entry?.mayHaveRunBefore === true ? this.messageId : undefined
      waiter.reject(refusalError(how.reason, this.#what(), how.error, mayHaveRun))
    } else if (!wasAbandoned) this.#deadLetter(how.reason, how.error)
  }

  /** How it has ended by the record: an earlier owner may have handled it, and shipped that here. `stashed`: that is not known yet. */
  #recorded(): Ending | 'stashed' | undefined {
    const entry = this.entry
    if (entry === undefined || !this.isReliable || !this.isFromOutbox) return undefined
    const cell = this.tenure.records.find(this.#host.core.self, this.id, this.path)
    const kept = cell?.kept?.get(entry.id)
    if (kept !== undefined) {
      if (kept.outcome === OUTCOME_STASHED) return 'stashed'
      const bytes = kept.bytes ?? new Uint8Array(0)
      return decodeOutcome(kept.outcome, bytes, 0, bytes.length, this, this.type, this.messageId, entry.mayHaveRunBefore)
    }
    const isRecorded = cell !== undefined && entry.id <= cell.last
    if (!isRecorded && !entry.isStashed) return undefined
    if (!this.isAsk) return { kind: 'handled', reply: undefined }
    const { outcome, bytes } = encodeUnknown('stopped')
    return decodeOutcome(outcome, bytes, 0, bytes.length, this, this.type, this.messageId, true)
  }

  #end(ending: Ending): void {
    this.state = 'ended'
    this.#leaveOutbox()
    const { waiter } = this
    this.waiter = undefined
    if (ending.kind === 'handled') waiter?.resolve(ending.reply)
    else if (waiter !== undefined) waiter.reject(ending.error)
    else if (!this.isAsk) this.#deadLetter(ending.reason, ending.error)
  }

  /**
   * The ask lives in state that moves: its entry waits in the outbox from now on, with its caller, and asks wherever the state is. (Should the
   * handover be aborted, this message answers it after all.)
   */
  #ship(): void {
    const entry = this.entry ?? this.#host.expose(this)
    entry.isExposed = true
    entry.isStashed = true
    this.#stopClocks()
    this.#host.outlive(this, entry)
    this.waiter = undefined
    const cell = this.tenure.records.open(this.#host.core.self, this.id, this.path)
    this.tenure.records.keep(cell, entry.id, OUTCOME_STASHED, undefined)
  }

  /** Out of the sweep, the signal's listeners, and the outbox. */
  #leaveOutbox(): void {
    this.#stopClocks()
    const { entry } = this
    if (entry === undefined) return
    this.#host.finishEntry(entry)
  }

  #stopClocks(): void {
    if (this.nextDeadline !== undefined) this.#host.core.sweep.remove(this)
    if (this.onAbort !== undefined) this.signal?.removeEventListener('abort', this.onAbort)
    this.onAbort = undefined
  }

  /** The clocks go over to the entry that it becomes. */
  handOver(): void {
    this.#stopClocks()
  }

  #deadLetter(reason: DeadLetterReason, error: unknown): void {
    this.#host.core.deadLetter({
      address: plainAddress(this),
      type: this.type,
      reason,
      error,
      ...(this.entry === undefined ? {} : { messageId: this.#host.core.messageId(this.entry.id) }),
      sender: this.sender,
    })
  }

  #what(): string {
    return `${this.type} to ${formatAddress(this)}`
  }
}
