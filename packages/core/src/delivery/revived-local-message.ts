// A stashed message of this process that has been to another owner and back (or whose handover was aborted): what its actor answers goes to
// the entry that is still in the outbox. A tell has none; its end is only a matter of dead letters.

import { DeliveryUnknownError } from '../errors.ts'
import type { ActorAddress } from '../messaging/address.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { Message } from './message.ts'
import { type MessageSnapshot, snapshotOf } from './message-snapshot.ts'
import type { OutEntry } from './out-entry.ts'
import type { Outbound } from './outbound.ts'
import { type EncodedOutcome, encodeFailure, encodeRefusal, encodeReply, letterOf } from './outcome.ts'
import type { Tenure } from './tenure.ts'

type Content = Pick<MessageSnapshot, 'type' | 'payload' | 'isAsk' | 'isReliable' | 'sender' | 'chain' | 'id'>

export class RevivedLocalMessage implements Message {
  readonly type: string
  readonly payload: unknown
  readonly isAsk: boolean
  readonly isReliable: boolean
  readonly sender: ActorAddress | undefined
  readonly chain: readonly string[] | undefined
  readonly messageId: string
  readonly #core: DeliveryCore
  readonly #outbound: Outbound
  readonly #tenure: Tenure
  readonly #entry: OutEntry | undefined
  readonly #address: ActorAddress
  readonly #content: Content
  #isEnded = false

  constructor(
    core: DeliveryCore,
    outbound: Outbound,
    tenure: Tenure,
    entry: OutEntry | undefined,
    address: ActorAddress,
    content: Content,
  ) {
    this.#core = core
    this.#outbound = outbound
    this.#tenure = tenure
    this.#entry = entry
    this.#address = address
    this.#content = content
    this.type = content.type
    this.payload = content.payload
    this.isAsk = content.isAsk
    this.isReliable = content.isReliable
    this.sender = content.sender
    this.chain = content.chain
    this.messageId = core.messageId(content.id)
  }

  begin(): boolean {
    return !this.#isEnded
  }

  handled(reply: unknown): void {
    this.#end(() => encodeReply(reply, this.#core.limits.maxPayloadBytes))
  }

  failed(error: unknown): void {
    if (!this.isAsk && !this.#isEnded) {
      const letter = letterOf(error)
      this.#deadLetter(letter.reason, letter.error)
    }
    this.#end(() => encodeFailure(error))
  }

  refused(reason: DeadLetterReason, error?: unknown): void {
    if (!this.isAsk && !this.#isEnded) this.#deadLetter(reason, error)
    this.#end(() => encodeRefusal(reason, error))
  }

  stashed(): void {}

  returned(): void {
    this.failed(new DeliveryUnknownError('stopped', this.type, this.messageId))
  }

  toSnapshot(): unknown {
    this.#isEnded = true
    return snapshotOf(this, this.#core.options.local, this.#content.id, this.#address)
  }

  #end(encode: () => EncodedOutcome): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const entry = this.#entry
    if (entry === undefined || entry.isEnded || !this.isAsk || this.#tenure.state === 'discarded') return
    const { outcome, bytes } = encode()
    // Kept until the floor passes it: while the tenure is suspended nobody hears of it, and the reminder after the resume finds it.
    const { records } = this.#tenure
    records.keep(records.open(this.#core.self, this.#address.id, this.#address.path), entry.id, outcome, bytes)
    if (this.#tenure.mayLeaveNow()) this.#outbound.endings.settle(entry, outcome, bytes, 0, bytes.length)
  }

  #deadLetter(reason: DeadLetterReason, error: unknown): void {
    this.#core.deadLetter({ address: this.#address, type: this.type, reason, error, messageId: this.messageId, sender: this.sender })
  }
}
