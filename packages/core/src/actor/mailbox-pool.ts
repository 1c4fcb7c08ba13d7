// Empty mailboxes, so that idle actors hold none: those that the next actor may take, and those that are still with their actors.

import { type Cell, RESTING } from './cell.ts'
import { Mailbox } from './mailbox.ts'

/** While the queue does not pause. */
const MOST_RESTING = 4_096

/**
 * An actor whose mailbox ran empty keeps it until the run queue pauses, a few milliseconds at most: where actors talk to each other, the next message comes
 * before that. Then it goes to the pool, grown or not (bursts then need no growing).
 */
export class MailboxPool {
  readonly #free: Mailbox[] = []
  /** Of those that are free. */
  readonly #maxEntries: number
  #entries = 0
  /** Each once; its mailbox may have got messages since, or another owner. */
  readonly #resting: Cell[] = []

  constructor(maxEntries = 65_536) {
    this.#maxEntries = maxEntries
  }

  take(): Mailbox {
    const mailbox = this.#free.pop()
    if (mailbox === undefined) return new Mailbox()
    this.#entries -= mailbox.capacity
    return mailbox
  }

  /** The actor's mailbox ran empty in a run of the queue. */
  rest(cell: Cell): void {
    cell.flags |= RESTING
    if (this.#resting.push(cell) === MOST_RESTING) this.collect()
  }

  /** The queue pauses. */
  collect(): void {
    for (let cell = this.#resting.pop(); cell !== undefined; cell = this.#resting.pop()) {
      cell.flags &= ~RESTING
      this.release(cell)
    }
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
