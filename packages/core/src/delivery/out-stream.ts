// A stream: the outstanding messages of this process to one actor, in order, and the one owner under one epoch that they go to.
// Pure. It exists while something is outstanding (and idle for as long as a link knows its actor by number).

import type { ActorAddress } from '../messaging/address.ts'
import { voidItem } from '../messaging/frame-writer.ts'
import type { LocalMessage } from './local-message.ts'
import type { OutEntry } from './out-entry.ts'
import type { Peer } from './peer.ts'
import type { Location } from './placement-view.ts'
import type { Tenure } from './tenure.ts'

export class OutStream implements ActorAddress {
  readonly kind: string
  readonly id: string
  readonly path: string | undefined
  /** Where it goes. Undefined: the kind is unknown, or nobody has looked yet. */
  location: Location | undefined = undefined
  /** The owner's link; undefined while there is no owner, and while the owner is this process. */
  peer: Peer | undefined = undefined
  head: OutEntry | undefined = undefined
  tail: OutEntry | undefined = undefined
  /** The first message that has not been sent under the present route. Undefined: all have. */
  cursor: OutEntry | undefined = undefined
  /** Local messages that came back from a mailbox, in order: they go before everything that has not been sent. */
  returned: LocalMessage[] | undefined = undefined
  /** The tenure of this process that the actor still belongs to, and the version of the view by which it was found. */
  tenure: Tenure | undefined = undefined
  tenureVersion = -1
  /** The number that the peer's link knows the actor by; 0: none. */
  slot = 0
  /** The epoch that the link was told last. */
  slotEpoch = -1
  /** The peer in whose queue it waits. */
  queuedAt: Peer | undefined = undefined
  /** In the endpoint's set of streams that wait for something other than a link: a tenure, an owner, the gate. */
  isWaiting = false

  constructor(kind: string, id: string, path: string | undefined) {
    this.kind = kind
    this.id = id
    this.path = path
  }

  get isIdle(): boolean {
    return this.head === undefined && this.returned === undefined
  }

  get epoch(): number {
    return this.location?.epoch ?? -1
  }

  /** At the end: newer than everything that is outstanding. */
  append(entry: OutEntry): void {
    entry.previous = this.tail
    entry.next = undefined
    if (this.tail === undefined) this.head = entry
    else this.tail.next = entry
    this.tail = entry
  }

  remove(entry: OutEntry): void {
    const { previous, next } = entry
    if (previous === undefined) this.head = next
    else previous.next = next
    if (next === undefined) this.tail = previous
    else next.previous = previous
    if (this.cursor === entry) this.cursor = next
    entry.previous = undefined
    entry.next = undefined
  }

  /**
   * Whether a location leads anywhere else than the present one. An older view is never followed: a lower epoch is ignored, and so is an equal
   * one, because an epoch names one owner for ever.
   */
  isNewer(location: Location): boolean {
    return this.location === undefined || location.epoch > this.location.epoch || losesOwner(this.location, location)
  }

  /** From now on another route: everything that is not acknowledged goes there first, in order. */
  reroute(location: Location | undefined, peer: Peer | undefined): void {
    this.location = location
    if (this.peer !== peer) {
      this.slot = 0
      this.slotEpoch = -1
    }
    this.peer = peer
    this.rewind()
  }

  /** Everything outstanding is to be sent again, in order, before anything newer. */
  rewind(): void {
    for (let entry = this.head; entry !== undefined; entry = entry.next) {
      const { frame } = entry
      if (frame === undefined) continue
      // A copy that has not left is withdrawn: the one that is written now takes its place.
      if (frame.handed) {
        entry.wasTransmitted = true
        // That its owner is dead may become known after the placement names another.
        if (!entry.isSentAsSuspect && entry.sentTo !== undefined) entry.held(entry.sentTo)
      } else voidItem(frame.bytes, entry.itemAt)
      entry.frame = undefined
    }
    this.cursor = this.head
  }
}

/** The owner was taken away (nobody can host it) with the epoch kept, or was found again under that epoch. */
function losesOwner(present: Location, other: Location): boolean {
  return other.epoch === present.epoch && other.owner?.processId !== present.owner?.processId
}
