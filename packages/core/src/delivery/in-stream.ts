// A stream as its receiver sees it: the messages of one source to one actor, on one link. Messages that can't be taken yet
// (full mailbox, view behind, tenure not open) wait here in order; how many is bounded by the credit of the link. Pure.

import type { ActorAddress } from '../messaging/address.ts'
import type { InboundMessage } from './inbound-message.ts'
import type { Peer } from './peer.ts'
import { actorKey, type RecordCell, type Source } from './records.ts'
import type { Tenure } from './tenure.ts'

export class InStream implements ActorAddress {
  /** Undefined: of a message that came with a handoff. */
  readonly peer: Peer | undefined
  readonly source: Source
  readonly kind: string
  readonly id: string
  readonly path: string | undefined
  /** The number that the peer gave it. */
  slot: number
  /** The epoch under which the peer sends to it now. */
  epoch: number
  /** Waiting messages, in order. Empty for nearly every stream at nearly every time. */
  parked: InboundMessage[] = NONE
  /** How many of them, from the first, have been looked at for suspects to announce ahead. */
  lookedAt = 0
  /** The tenure that the last message went to, and the version of the view by which it was found. */
  tenure: Tenure | undefined = undefined
  checkedVersion = -1
  /** The record in that tenure. */
  cell: RecordCell | undefined = undefined
  /** An answer that the actor has moved is on its way out. */
  isMovedPending = false
  movedFromEpoch = -1

  constructor(peer: Peer | undefined, source: Source, kind: string, id: string, path: string | undefined, slot: number, epoch: number) {
    this.peer = peer
    this.source = source
    this.kind = kind
    this.id = id
    this.path = path
    this.slot = slot
    this.epoch = epoch
  }

  park(message: InboundMessage): void {
    if (this.parked === NONE) this.parked = [message]
    else this.parked.push(message)
  }

  /** The actor, among those of all kinds. */
  get key(): string {
    return streamKey(this.kind, this.id, this.path)
  }

  /** The first waiting message has been dealt with. */
  unpark(): void {
    this.parked.shift()
    if (this.lookedAt > 0) this.lookedAt--
    if (this.parked.length === 0) this.parked = NONE
  }

  /** The record in `tenure`, if there is one. */
  recordIn(tenure: Tenure): RecordCell | undefined {
    let cell = this.cell
    if (cell === undefined || cell.isDropped || cell.book !== tenure.records) {
      cell = tenure.records.find(this.source, this.id, this.path)
      this.cell = cell
    }
    return cell
  }

  openRecordIn(tenure: Tenure): RecordCell {
    const cell = this.cell
    if (cell !== undefined && !cell.isDropped && cell.book === tenure.records) return cell
    const opened = tenure.records.open(this.source, this.id, this.path)
    this.cell = opened
    return opened
  }
}

export function streamKey(kind: string, id: string, path: string | undefined): string {
  return `${kind}/${actorKey(id, path)}`
}

const NONE: InboundMessage[] = []
