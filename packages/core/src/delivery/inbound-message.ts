// A message from another process in the hands of the actor room, and the rules of its end: the record is compared when its turn starts and
// set when the turn has ended, and only then it is acknowledged.

import { type ActorAddress, formatAddress, plainAddress } from '../messaging/address.ts'
import { OUTCOME_STASHED } from '../messaging/frame-format.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { InStream } from './in-stream.ts'
import type { Message } from './message.ts'
import { snapshotOf } from './message-snapshot.ts'
import { type EncodedOutcome, encodeFailure, encodeRefusal, encodeReply, encodeUnknown, letterOf, NO_BYTES } from './outcome.ts'
import type { RecordCell } from './records.ts'
import type { Tenure } from './tenure.ts'

/** What endings need of the endpoint. */
export interface InboundHost {
  readonly core: DeliveryCore
  acknowledge(tenure: Tenure, stream: InStream, id: number): void
  outcome(tenure: Tenure, stream: InStream, id: number, outcome: number, bytes: Uint8Array, onReceipted?: () => void): void
  /** A suspect's turn has ended, or there will be none. */
  suspectEnded(message: InboundMessage): void
}

export class InboundMessage implements Message {
  readonly type: string
  readonly payload: unknown
  readonly isAsk: boolean
  readonly isReliable: boolean
  readonly sender: ActorAddress | undefined
  readonly chain: readonly string[] | undefined
  readonly id: number
  readonly stream: InStream
  /** What the sender believed when it sent. */
  readonly epoch: number
  /** Counts against the credit of its link until it is taken. */
  cost = 0
  /** A reminder of an ask that was stashed: it never runs. */
  isReminder = false
  /** The payload's bytes were not what the codec writes. */
  malformed: Error | undefined = undefined
  /** On this process's monotonic clock. */
  atMs: number = Number.POSITIVE_INFINITY
  tenure: Tenure | undefined = undefined
  /** It may have brought an owner down: see `suspects.ts`. */
  isSuspect = false
  runsAlone = false
  clearance: 'none' | 'waiting' | 'announced' | 'cleared' = 'none'
  #state: 'queued' | 'stashed' | 'ended' = 'queued'
  readonly #host: InboundHost

  constructor(
    host: InboundHost,
    stream: InStream,
    id: number,
    type: string,
    payload: unknown,
    isAsk: boolean,
    isReliable: boolean,
    sender: ActorAddress | undefined,
    chain: readonly string[] | undefined,
  ) {
    this.#host = host
    this.stream = stream
    this.epoch = stream.epoch
    this.id = id
    this.type = type
    this.payload = payload
    this.isAsk = isAsk
    this.isReliable = isReliable
    this.sender = sender
    this.chain = chain
  }

  get messageId(): string {
    return `${this.stream.source.processId}:${this.id}`
  }

  begin(): boolean {
    const { tenure } = this
    if (this.#state !== 'queued' || tenure === undefined || tenure.state === 'discarded') return false
    if (this.#isRepetition(tenure)) return false
    if (this.malformed !== undefined) {
      this.refused('invalid-payload', this.malformed)
      return false
    }
    if (this.atMs !== Number.POSITIVE_INFINITY && this.#host.core.now() > this.atMs) {
      this.refused('deadline')
      return false
    }
    return true
  }

  handled(reply: unknown): void {
    const tenure = this.#end()
    if (tenure === undefined) return
    if (this.isAsk) this.#outcome(tenure, encodeReply(reply, this.#host.core.limits.maxPayloadBytes))
    else this.#acknowledge(tenure)
  }

  failed(error: unknown): void {
    const tenure = this.#end()
    if (tenure === undefined) return
    if (this.isAsk) {
      this.#outcome(tenure, encodeFailure(error))
      return
    }
    this.#acknowledge(tenure)
    const letter = letterOf(error)
    this.#deadLetter(letter.reason, letter.error)
  }

  refused(reason: DeadLetterReason, error?: unknown): void {
    // What a mailbox gives up may repeat what has ended: then that is its answer, and not that it was not executed.
    if (this.#state === 'queued' && this.tenure !== undefined && this.tenure.state !== 'discarded' && this.#isRepetition(this.tenure))
      return
    const tenure = this.#end()
    if (tenure === undefined) return
    // Of a reliable message its sender is told, and tells its caller or the dead letters there.
    if (!this.isReliable && !this.isAsk) this.#deadLetter(reason, error)
    else this.#answer(tenure, encodeRefusal(reason, error), this.isReliable ? this.stream.openRecordIn(tenure) : undefined)
  }

  stashed(): void {
    const { tenure } = this
    if (this.#state !== 'queued' || tenure === undefined || tenure.state === 'discarded') return
    this.#leave('stashed')
    if (!this.isReliable) return
    if (this.isAsk) {
      const cell = this.#record(tenure)
      tenure.records.keep(cell, this.id, OUTCOME_STASHED, undefined)
      this.#host.outcome(tenure, this.stream, this.id, OUTCOME_STASHED, NO_BYTES)
    } else this.#acknowledge(tenure)
  }

  /** The sender sends it again: every way in which a mailbox is emptied leads to a higher epoch. */
  returned(): void {
    this.#leave('ended')
  }

  toSnapshot(): unknown {
    return snapshotOf(this, this.stream.source, this.id, this.stream)
  }

  /** Made of a snapshot: it was handled by being stashed already. */
  markStashed(): void {
    this.#state = 'stashed'
  }

  /** It was at a process that does not own the actor any more, and is not sent again. */
  lost(reason: DeadLetterReason): void {
    if (this.#state === 'ended') return
    this.#leave('ended')
    if (!this.isReliable && !this.isAsk) this.#deadLetter(reason, undefined)
  }

  /** Of what has ended it is answered again, and has ended itself. */
  #isRepetition(tenure: Tenure): boolean {
    if (!(this.isReliable || this.isReminder) || !this.#isDuplicate(tenure)) return false
    this.#leave('ended')
    return true
  }

  /** Compares with what is recorded; answers again what has ended. */
  #isDuplicate(tenure: Tenure): boolean {
    const { stream, id } = this
    // Finished at its source: nobody waits for it.
    if (id <= stream.source.floor) return true
    const cell = stream.recordIn(tenure)
    const kept = cell?.kept?.get(id)
    if (kept !== undefined) {
      this.#host.outcome(tenure, stream, id, kept.outcome, kept.bytes ?? NO_BYTES)
      return true
    }
    if (cell !== undefined && id <= cell.last) {
      if (this.isAsk) this.#answerUnknown(tenure)
      else this.#host.acknowledge(tenure, stream, id)
      return true
    }
    if (!this.isReminder) return false
    // It was stashed by an owner whose state is lost.
    this.#answerUnknown(tenure)
    return true
  }

  #answerUnknown(tenure: Tenure): void {
    const { outcome, bytes } = encodeUnknown('stopped')
    this.#host.outcome(tenure, this.stream, this.id, outcome, bytes)
  }

  /** The tenure, if the end still counts. */
  #end(): Tenure | undefined {
    if (this.#state === 'ended') return undefined
    this.#leave('ended')
    const { tenure } = this
    return tenure === undefined || tenure.state === 'discarded' ? undefined : tenure
  }

  #leave(state: 'stashed' | 'ended'): void {
    this.#state = state
    if (this.isSuspect) this.#host.suspectEnded(this)
  }

  #record(tenure: Tenure): RecordCell {
    const cell = this.stream.openRecordIn(tenure)
    if (this.id > cell.last) cell.last = this.id
    return cell
  }

  #acknowledge(tenure: Tenure): void {
    if (!this.isReliable) return
    this.#record(tenure)
    this.#host.acknowledge(tenure, this.stream, this.id)
  }

  #outcome(tenure: Tenure, outcome: EncodedOutcome): void {
    this.#answer(tenure, outcome, this.isReliable ? this.#record(tenure) : undefined)
  }

  /** `cell`: where the answer is kept. A refusal is not recorded as handled: what is ahead of it in its stream may not have run yet. */
  #answer(tenure: Tenure, { outcome, bytes }: EncodedOutcome, cell: RecordCell | undefined): void {
    if (cell !== undefined) tenure.records.keep(cell, this.id, outcome, bytes)
    this.#host.outcome(tenure, this.stream, this.id, outcome, bytes)
  }

  #deadLetter(reason: DeadLetterReason, error: unknown): void {
    this.#host.core.deadLetter({
      address: plainAddress(this.stream),
      type: this.type,
      reason,
      error,
      messageId: this.messageId,
      sender: this.sender,
    })
  }

  /** For logs and errors. */
  toString(): string {
    return `${this.type} to ${formatAddress(this.stream)}`
  }
}
