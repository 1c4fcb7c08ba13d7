// Empty mailboxes for the next actor that gets more than one message at a time, so that idle actors hold none.

import type { Cell } from './cell.ts'
import { Mailbox } from './mailbox.ts'

/** Grown ones included: bursts then need no growing. Bounded in entries. */
export class MailboxPool {
  readonly #free: Mailbox[] = []
  readonly #maxEntries: number
  #entries = 0

  constructor(maxEntries = 16_384) {
    this.#maxEntries = maxEntries
  }

  take(): Mailbox {
    const mailbox = this.#free.pop()
    if (mailbox === undefined) return new Mailbox()
    this.#entries -= mailbox.capacity
    return mailbox
  }

  /** Takes the mailbox from an actor that has nothing in it. */
  release(cell: Cell): void {
    const { mailbox } = cell
    if (mailbox === undefined || mailbox.count > 0) return
    cell.mailbox = undefined
    const entries = this.#entries + mailbox.capacity
    if (entries > this.#maxEntries) return
    this.#entries = entries
    this.#free.push(mailbox)
  }
}
