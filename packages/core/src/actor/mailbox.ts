// The queue of one actor: a ring of entries, four slots each, in one array. Bounds and policies are the room's; here is only the ring.
// An actor has a mailbox only while something is queued; empty ones go back to a pool, so that idle actors hold none.

/** Slots of an entry: head, payload, sender, and the tick by which it must have started. A head is a message's type, or an object that carries everything. */
const STRIDE = 4
const INITIAL_ENTRIES = 8

export class Mailbox {
  slots: unknown[] = newSlots(INITIAL_ENTRIES)
  /** The oldest entry, counted in slots. */
  first = 0
  /** Entries in the queue. */
  count = 0

  /** `deadlineTick`: integer, 0 for none. */
  push(head: unknown, payload: unknown, sender: unknown, deadlineTick: number): void {
    if (this.count * STRIDE === this.slots.length) this.#grow()
    const slots = this.slots
    this.#write((this.first + this.count * STRIDE) & (slots.length - 1), head, payload, sender, deadlineTick)
    this.count++
  }

  /** Puts an entry before all others: what comes back keeps its place. */
  pushFront(head: unknown, payload: unknown, sender: unknown, deadlineTick: number): void {
    if (this.count * STRIDE === this.slots.length) this.#grow()
    this.first = (this.first - STRIDE) & (this.slots.length - 1)
    this.#write(this.first, head, payload, sender, deadlineTick)
    this.count++
  }

  head(): unknown {
    return this.slots[this.first]
  }

  payload(): unknown {
    return this.slots[this.first + 1]
  }

  sender(): unknown {
    return this.slots[this.first + 2]
  }

  deadlineTick(): number {
    return this.slots[this.first + 3] as number
  }

  /** Forgets the oldest entry. Its slots are cleared, so that nothing is kept alive by a handled message. */
  drop(): void {
    const slots = this.slots
    const first = this.first
    slots[first] = undefined
    slots[first + 1] = undefined
    slots[first + 2] = undefined
    this.first = (first + STRIDE) & (slots.length - 1)
    this.count--
  }

  get capacity(): number {
    return this.slots.length / STRIDE
  }

  #write(at: number, head: unknown, payload: unknown, sender: unknown, deadlineTick: number): void {
    const slots = this.slots
    slots[at] = head
    slots[at + 1] = payload
    slots[at + 2] = sender
    slots[at + 3] = deadlineTick
  }

  #grow(): void {
    const old = this.slots
    const bigger = newSlots((old.length / STRIDE) * 2)
    for (let i = 0; i < old.length; i++) bigger[i] = old[(this.first + i) & (old.length - 1)]
    this.slots = bigger
    this.first = 0
  }
}

/** Not filled: no slot is read before it was written, and filling is what a growing mailbox would spend its time on. */
function newSlots(entries: number): unknown[] {
  return new Array(entries * STRIDE)
}

/** Empty mailboxes for the next actor that gets a message, grown ones included (bursts then need no growing). Bounded in entries. */
export class MailboxPool {
  readonly #free: Mailbox[] = []
  readonly #maxEntries: number
  #entries = 0

  constructor(maxEntries = 65_536) {
    this.#maxEntries = maxEntries
  }

  take(): Mailbox {
    const mailbox = this.#free.pop()
    if (mailbox === undefined) return new Mailbox()
    this.#entries -= mailbox.capacity
    return mailbox
  }

  /** `mailbox` must be empty, and nobody may use it afterwards. */
  release(mailbox: Mailbox): void {
    const entries = this.#entries + mailbox.capacity
    if (entries > this.#maxEntries) return
    this.#entries = entries
    this.#free.push(mailbox)
  }
}
