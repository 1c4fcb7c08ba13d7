// The cluster's own traffic with one process: each message taken once and in order within the life of both, also over a link that lost its state.
// That is why it has numbers of its own. Pure.

import { ITEM_CONTROL, ITEM_CONTROL_RECEIPT } from '../messaging/frame-format.ts'
import type { FrameWriter } from '../messaging/frame-writer.ts'
import type { PeerFrame } from './peer-frame.ts'

/** The highest number that any channel of this process has used: a channel made anew for a peer that was forgotten must not begin below its former one. */
export interface ControlNumbers {
  lastControlNumber: number
}

export class ControlChannel {
  readonly #numbers: ControlNumbers
  readonly #queue: Uint8Array[] = []
  /** The number of the first in the queue. */
  #firstNumber: number
  /** How many of the queue were written to the present link. */
  #written = 0
  #bytes = 0
  #received = 0
  #isReceiptDue = false

  constructor(numbers: ControlNumbers = { lastControlNumber: 0 }) {
    this.#numbers = numbers
    this.#firstNumber = numbers.lastControlNumber + 1
  }

  /** Bytes that the peer has not taken yet. */
  get waitingBytes(): number {
    return this.#bytes
  }

  get hasUnwritten(): boolean {
    return this.#written < this.#queue.length
  }

  get wantsFlush(): boolean {
    return this.hasUnwritten || this.#isReceiptDue
  }

  send(body: Uint8Array): void {
    this.#queue.push(body)
    this.#bytes += body.length
    this.#numbers.lastControlNumber = Math.max(this.#numbers.lastControlNumber, this.#firstNumber + this.#queue.length - 1)
  }

  /** The link has lost its state: what the peer has not confirmed is written again. */
  linkLost(): void {
    this.#written = 0
    this.#isReceiptDue = this.#received > 0
  }

  /** `hasRoom` is asked before each message. */
  write(writer: FrameWriter<PeerFrame>, hasRoom: () => boolean): void {
    if (this.#isReceiptDue) {
      this.#isReceiptDue = false
      writer.reserve(16)
      writer.byte(ITEM_CONTROL_RECEIPT)
      writer.varint(this.#received)
    }
    while (this.#written < this.#queue.length && hasRoom()) {
      const body = this.#queue[this.#written] as Uint8Array
      writer.reserve(32 + body.length)
      writer.byte(ITEM_CONTROL)
      writer.varint(this.#firstNumber + this.#written)
      writer.u32(body.length)
      writer.raw(body)
      this.#written++
    }
  }

  /** Whether this number is the next one; a repetition is only confirmed again. */
  takes(number: number): boolean {
    this.#isReceiptDue = true
    // Numbers may skip: the sender dropped what was waiting when it took this process for gone. Within a link they come in order, and a new link begins
    // with everything that was not confirmed.
    if (number <= this.#received) return false
    this.#received = number
    return true
  }

  receipted(number: number): void {
    while (this.#queue.length > 0 && this.#firstNumber <= number) {
      this.#bytes -= (this.#queue.shift() as Uint8Array).length
      this.#firstNumber++
      if (this.#written > 0) this.#written--
    }
  }

  /** The peer is taken for gone. Numbers are not used again: it may have taken what it has not confirmed, and it may come back. */
  clear(): void {
    this.#firstNumber += this.#queue.length
    this.#queue.length = 0
    this.#bytes = 0
    this.#written = 0
  }
}
