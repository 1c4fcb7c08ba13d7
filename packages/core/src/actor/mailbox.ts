// The queue of one actor: entries of four slots each, in segments that are linked. Bounds and policies are the room's; here is only the queue.
// Idle actors have none: see mailbox-pool.ts.

/** Slots of an entry: head, payload, sender, and the tick by which it must have started. A head is a message's type, or an object that carries everything. */
const STRIDE = 4
const FIRST_ENTRIES = 4
const MOST_ENTRIES = 1_024

/** Entries one behind the other, and in the last slot the segment with newer ones. Only the newest is written to, only the oldest is read. */
type Segment = unknown[]

export class Mailbox {
  #oldest: Segment = newSegment(FIRST_ENTRIES)
  /** The first slot of the oldest entry. */
  #first = 0
  #newest: Segment = this.#oldest
  /** Where the next entry goes. */
  #end = 0
  /** Entries in the queue. */
  count = 0

  /** `deadlineTick`: integer, 0 for none. */
  push(head: unknown, payload: unknown, sender: unknown, deadlineTick: number): void {
    if (this.#end === this.#newest.length - 1) this.#extend()
    const slots = this.#newest
    const at = this.#end
    slots[at] = head
    slots[at + 1] = payload
    slots[at + 2] = sender
    slots[at + 3] = deadlineTick
    this.#end = at + STRIDE
    this.count++
  }

  /** Puts an entry before all others: what comes back keeps its place. */
  pushFront(head: unknown, payload: unknown, sender: unknown, deadlineTick: number): void {
    if (this.#first === 0) {
      const segment = newSegment(FIRST_ENTRIES)
      this.#first = segment.length - 1
      segment[this.#first] = this.#oldest
      this.#oldest = segment
    }
    const slots = this.#oldest
    const at = this.#first - STRIDE
    slots[at] = head
    slots[at + 1] = payload
    slots[at + 2] = sender
    slots[at + 3] = deadlineTick
    this.#first = at
    this.count++
  }

  head(): unknown {
    return this.#oldest[this.#first]
  }

  payload(): unknown {
    return this.#oldest[this.#first + 1]
  }

  sender(): unknown {
    return this.#oldest[this.#first + 2]
  }

  deadlineTick(): number {
    return this.#oldest[this.#first + 3] as number
  }

  /** Forgets the oldest entry. Its slots are cleared, so that nothing is kept alive by a handled message. */
  drop(): void {
    const slots = this.#oldest
    const first = this.#first
    slots[first] = undefined
    slots[first + 1] = undefined
    slots[first + 2] = undefined
    this.#first = first + STRIDE
    if (--this.count === 0) {
      // From the start again, in the largest segment: who keeps up with bursts of one size needs no second one.
      this.#oldest = this.#newest
      this.#first = 0
      this.#end = 0
    } else if (this.#first === slots.length - 1) {
      this.#oldest = slots[this.#first] as Segment
      this.#first = 0
    }
  }

  /** Of the segment that an empty mailbox keeps. */
  get capacity(): number {
    return (this.#newest.length - 1) / STRIDE
  }

  /** Nothing is copied: a segment twice as large goes behind the full one, which is let go when it is worked off. */
  #extend(): void {
    const full = this.#newest
    if (full === this.#oldest && this.count * 2 <= this.capacity) {
      this.#toTheStart(full)
      return
    }
    const segment = newSegment(Math.min(this.capacity * 2, MOST_ENTRIES))
    full[this.#end] = segment
    this.#newest = segment
    this.#end = 0
  }

  /** Half of it or more was worked off: a queue that is short but never empty needs no larger segment. At most one entry is moved for each that was pushed. */
  #toTheStart(segment: Segment): void {
    let to = 0
    for (let from = this.#first; from < this.#end; from++) {
      segment[to++] = segment[from]
      segment[from] = undefined
    }
    this.#first = 0
    this.#end = to
  }
}

/** Not filled: no slot is read before it was written, and filling is what a growing mailbox would spend its time on. */
function newSegment(entries: number): Segment {
  return new Array(entries * STRIDE + 1)
}
