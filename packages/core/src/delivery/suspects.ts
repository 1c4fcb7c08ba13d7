// Messages that may have brought their owner down, at the owner that they are sent to next: none of them starts before its sender knows that it is about
// to, so that from then on only a death with the message in hand counts against it. Messages that nobody suspects never come here.
//
//   mayStart ──> waiting ──its turn──> announced ──the sender has receipted it──> cleared ──> (mailbox, turn) ──> ended
//                                         └──────────── patience is over ────────────┘
//
// Few are in hand at a time: a window of them at the first suspicion, and one alone where the next death is the last, so that it hits nobody else. Actors
// take turns with those that run alone: the next one of an actor can't start before the one ahead of it has ended, so that it waits in line until then.

import { OUTCOME_BEGUN } from '../messaging/frame-format.ts'
import { DeadlineTask } from '../runtime/deadline-sweep.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { InStream } from './in-stream.ts'
import type { InboundMessage } from './inbound-message.ts'
import { NO_BYTES } from './outcome.ts'
import type { Tenure } from './tenure.ts'

/** At the first suspicion. After a second death each of them runs alone, so it is not larger; and a link can have as many announced in one round trip. */
const WINDOW = 1_024
/** A sender that does not answer, or a turn that lasts: the others need not wait for it any longer. */
const PATIENCE_MS = 1_000

export interface SuspectsHost {
  readonly core: DeliveryCore
  outcome(tenure: Tenure, stream: InStream, id: number, outcome: number, bytes: Uint8Array, onReceipted?: () => void): void
  /** The message at the head of the stream may start now. */
  retry(stream: InStream): void
}

export class Suspects {
  readonly #host: SuspectsHost
  /** In the order of asking. */
  #waiting: InboundMessage[] = []
  readonly #inHand = new Map<InboundMessage, DeadlineTask>()
  #alone: InboundMessage | undefined
  /** Those that run alone, by actor: the first has its turn to be announced, or has had it and not ended; the others are behind it, at most one of each stream. */
  readonly #lines = new Map<string, InboundMessage[]>()

  constructor(host: SuspectsHost) {
    this.#host = host
  }

  /** Whether a message that its tenure accepts may go into the mailbox. `false`: not yet; `retry` follows. Asked again, it only answers. */
  mayStart(message: InboundMessage): boolean {
    if (message.clearance === 'none') {
      message.clearance = 'waiting'
      if (!message.runsAlone || this.#isFirstInLine(message)) this.#queue(message)
    }
    return message.clearance === 'cleared'
  }

  /** Its turn has ended, or there will be none. */
  ended(message: InboundMessage): void {
    message.clearance = 'cleared'
    this.#release(message)
    if (message.runsAlone) this.#leaveLine(message)
  }

  #isFirstInLine(message: InboundMessage): boolean {
    const { key } = message.stream
    const line = this.#lines.get(key)
    if (line === undefined) this.#lines.set(key, [message])
    else line.push(message)
    return line === undefined
  }

  #leaveLine(message: InboundMessage): void {
    const { key } = message.stream
    const line = this.#lines.get(key)
    const at = line?.indexOf(message) ?? -1
    if (line === undefined || at < 0) return
    line.splice(at, 1)
    const [first] = line
    if (first === undefined) this.#lines.delete(key)
    else if (at === 0) this.#queue(first)
  }

  #queue(message: InboundMessage): void {
    this.#waiting.push(message)
    this.#admit()
  }

  #admit(): void {
    let admitted = 0
    for (const message of this.#waiting) {
      if (message.clearance === 'waiting') {
        if (this.#alone !== undefined || this.#inHand.size >= (message.runsAlone ? 1 : WINDOW)) break
        this.#announce(message)
      }
      admitted++
    }
    if (admitted > 0) this.#waiting = this.#waiting.slice(admitted)
  }

  #announce(message: InboundMessage): void {
    const { core } = this.#host
    message.clearance = 'announced'
    if (message.runsAlone) this.#alone = message
    const patience = new DeadlineTask(() => {
      this.#clear(message)
      this.#release(message)
    })
    this.#inHand.set(message, patience)
    core.sweep.addAfter(patience, PATIENCE_MS)
    this.#host.outcome(message.tenure as Tenure, message.stream, message.id, OUTCOME_BEGUN, NO_BYTES, () => this.#clear(message))
  }

  #clear(message: InboundMessage): void {
    if (message.clearance !== 'announced') return
    message.clearance = 'cleared'
    this.#host.retry(message.stream)
  }

  #release(message: InboundMessage): void {
    const patience = this.#inHand.get(message)
    if (patience === undefined) return
    this.#host.core.sweep.remove(patience)
    this.#inHand.delete(message)
    if (this.#alone === message) this.#alone = undefined
    this.#admit()
  }
}
