// Empty mailboxes for the next actor that gets more than one message at a time, so that idle actors hold none.

import type { Cell } from './cell.ts'
import { Mailbox } from './mailbox.ts'

/** Grown ones included: bursts then need no growing. Bounded in slots. */
export class MailboxPool {
  readonly #free: Mailbox[] = []
  readonly #maxSlots: number
  #slots = 0

  constructor(maxSlots = 65_536) {
    this.#maxSlots = maxSlots
  }

  take(): Mailbox {
    const mailbox = this.#free.pop()
    if (mailbox === undefined) return new Mailbox()
    this.#slots -= mailbox.capacity
    return mailbox
  }

  /** Takes the mailbox from an actor that has nothing in it. */
  release(cell: Cell): void {
    const { mailbox } = cell
    if (mailbox === undefined || mailbox.count > 0) return
    cell.mailbox = undefined
    const slots = this.#slots + mailbox.capacity
    if (slots > this.#maxSlots) return
    this.#slots = slots
    this.#free.push(mailbox)
  }
}
