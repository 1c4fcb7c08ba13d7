// The queue of one actor, in segments that are linked. Bounds and policies are the room's; here is only the queue. Idle actors have none: see mailbox-pool.ts.
//
// Most messages that wait one behind the other are of one type, from one sender, and of the same millisecond. That is written once, and each of them
// takes a single slot:
//
//   entry    = payload                           a plain message under the envelope before it
//            | CARRIER head                      anything else: an object that knows itself what it carries
//   segment  = { ENVELOPE type sender tick | entry } [ NEXT segment ]
//
// What is put to the front has a segment of its own, which ends with RESUME segment first envelope: where to go on, under which envelope.

const ENVELOPE: unique symbol = Symbol('envelope')
const CARRIER: unique symbol = Symbol('carrier')
const NEXT: unique symbol = Symbol('next')
const RESUME: unique symbol = Symbol('resume')

const FIRST_SLOTS = 17
const MOST_SLOTS = 4_096
/** Slots of the largest entry, with its envelope. */
const LARGEST = 5
/** Kept free for the link to the next segment. */
const LINK = 2

/** Only the newest is written to, only the oldest is read. */
type Segment = unknown[]

export class Mailbox {
  #oldest: Segment = newSegment(FIRST_SLOTS)
  /** The slot of the oldest entry, and that of its envelope (if it is a plain message). */
  #first = 0
  #envelope = 0
  #newest: Segment = this.#oldest
  /** Where the next entry goes, and the slot of the envelope that is in force there; -1 for none. */
  #end = 0
  #lastEnvelope = -1
  /** Entries in the queue. */
  count = 0

  /**
   * `head`: the type of a plain message, or an object that carries everything (the rest is then ignored). `deadlineTick`: integer, the tick by which it must have started; 0 for
   * none.
   */
  push(head: unknown, payload: unknown, sender: unknown, deadlineTick: number): void {
    const slots = this.#newest
    const end = this.#end
    const envelope = this.#lastEnvelope
    if (
      envelope >= 0 &&
      slots[envelope + 1] === head &&
      slots[envelope + 2] === sender &&
      slots[envelope + 3] === deadlineTick &&
      end < slots.length - LINK
    ) {
      slots[end] = payload
      this.#end = end + 1
      this.count++
    } else {
      this.#pushWithEnvelope(head, payload, sender, deadlineTick)
    }
  }

  #pushWithEnvelope(head: unknown, payload: unknown, sender: unknown, deadlineTick: number): void {
    if (this.#end + LARGEST > this.#newest.length - LINK) this.#extend()
    const slots = this.#newest
    const at = this.#end
    const end = write(slots, at, head, payload, sender, deadlineTick)
    const isPlain = end - at === LARGEST
    if (isPlain) this.#lastEnvelope = at
    if (this.count === 0) {
      this.#envelope = at
      this.#first = isPlain ? end - 1 : at
    }
    this.#end = end
    this.count++
  }

  /** Puts an entry before all others: what comes back keeps its place. */
  pushFront(head: unknown, payload: unknown, sender: unknown, deadlineTick: number): void {
    if (this.count === 0) {
      this.push(head, payload, sender, deadlineTick)
      return
    }
    const slots = newSegment(LARGEST + 4)
    const end = write(slots, 0, head, payload, sender, deadlineTick)
    slots[end] = RESUME
    slots[end + 1] = this.#oldest
    slots[end + 2] = this.#first
    slots[end + 3] = this.#envelope
    this.#oldest = slots
    this.#envelope = 0
    this.#first = end === LARGEST ? end - 1 : 0
    this.count++
  }

  /** Of the oldest entry: the type of a plain message, or the object that carries everything. */
  head(): unknown {
    const slots = this.#oldest
    return slots[this.#first] === CARRIER ? slots[this.#first + 1] : slots[this.#envelope + 1]
  }

  /** Of a plain message, as all that follows. */
  payload(): unknown {
    return this.#oldest[this.#first]
  }

  sender(): unknown {
    return this.#oldest[this.#envelope + 2]
  }

  deadlineTick(): number {
    return this.#oldest[this.#envelope + 3] as number
  }

  /** Forgets the oldest entry. Its slots are cleared, so that nothing is kept alive by a handled message. */
  drop(): void {
    const slots = this.#oldest
    let first = this.#first
    if (slots[first] === CARRIER) slots[++first] = undefined
    else slots[first] = undefined
    first++
    this.#first = first
    if (--this.count === 0) {
      this.#startAgain()
      return
    }
    const next = slots[first]
    if (next === ENVELOPE || next === NEXT || next === RESUME) this.#advance()
  }

  /** Slots of the segment that an empty mailbox keeps. */
  get capacity(): number {
    return this.#newest.length
  }

  /** From the start again, in the largest segment: who keeps up with bursts of one size needs no second one. */
  #startAgain(): void {
    forgetEnvelope(this.#oldest, this.#envelope)
    this.#oldest = this.#newest
    this.#first = 0
    this.#end = 0
    this.#lastEnvelope = -1
  }

  /** To the next entry, over envelopes and from segment to segment. */
  #advance(): void {
    for (;;) {
      const slots = this.#oldest
      const at = this.#first
      switch (slots[at]) {
        case ENVELOPE:
          forgetEnvelope(slots, this.#envelope)
          this.#envelope = at
          this.#first = at + 4
          break
        case NEXT:
          this.#oldest = slots[at + 1] as Segment
          this.#first = 0
          this.#envelope = -1
          break
        case RESUME:
          this.#oldest = slots[at + 1] as Segment
          this.#first = slots[at + 2] as number
          this.#envelope = slots[at + 3] as number
          break
        default:
          return
      }
    }
  }

  /** Nothing is copied: a segment twice as large goes behind the full one, which is let go when it is worked off. */
  #extend(): void {
    const full = this.#newest
    const waiting = this.#end - this.#first
    if (full === this.#oldest && (waiting + LARGEST + LINK) * 2 <= full.length) {
      this.#toTheStart(full, waiting)
      return
    }
    const segment = newSegment(Math.min(full.length * 2, MOST_SLOTS))
    full[this.#end] = NEXT
    full[this.#end + 1] = segment
    this.#newest = segment
    this.#end = 0
    this.#lastEnvelope = -1
  }

  /** The most of it was worked off: a queue that is short but never empty needs no larger segment. At most as much is moved as was pushed. */
  #toTheStart(slots: Segment, waiting: number): void {
    // None where only objects wait that carry everything.
    const start = this.#envelope >= 0 && slots[this.#envelope] === ENVELOPE ? 4 : 0
    for (let i = 0; i < start; i++) slots[i] = slots[this.#envelope + i]
    for (let i = 0; i < waiting; i++) slots[start + i] = slots[this.#first + i]
    for (let i = start + waiting; i < this.#end; i++) slots[i] = undefined
    this.#lastEnvelope = -1
    this.#envelope = 0
    this.#first = start
    this.#end = start + waiting
  }
}

/** Returns where it ends. */
function write(slots: Segment, at: number, head: unknown, payload: unknown, sender: unknown, deadlineTick: number): number {
  if (typeof head !== 'string') {
    slots[at] = CARRIER
    slots[at + 1] = head
    return at + 2
  }
  slots[at] = ENVELOPE
  slots[at + 1] = head
  slots[at + 2] = sender
  slots[at + 3] = deadlineTick
  slots[at + 4] = payload
  return at + LARGEST
}

/** Only the sender can be something that would be kept alive. */
function forgetEnvelope(slots: Segment, at: number): void {
  if (at >= 0 && slots[at] === ENVELOPE) slots[at + 2] = undefined
}

/** Not filled: no slot is read before it was written, and filling is what a growing mailbox would spend its time on. */
function newSegment(slots: number): Segment {
  return new Array(slots)
}
