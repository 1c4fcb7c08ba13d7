// A tenure: this process's ownership of one unit, from its opening under one epoch to its end. Owns the records of what was handled, and
// what is held back while the ownership is in doubt. Turns, mailboxes and state belong to the actor room behind the sink.
//
//                 suspend()                resume(epoch)
//   active ──────────────────> suspended ───────────────> active (higher epoch)
//     │ seal()                     │ seal()
//     ├──────────> sealed <────────┘      sealed ── resume(epoch) ──> active (aborted handoff)
//     └────────────── discard() from any state ──> discarded
//
// `suspended` keeps mailboxes and takes messages, but runs nothing: what its turns produce stays here until it is resumed.

import type { ActorAddress } from '../messaging/address.ts'
import type { InStream } from './in-stream.ts'
import type { LocalMessage } from './local-message.ts'
import type { Message } from './message.ts'
import type { OutStream } from './out-stream.ts'
import type { Unit } from './placement-view.ts'
import { type KeptBudget, RecordBook, type Source } from './records.ts'
import { exportRecords, installShipment } from './shipment.ts'
import type { TurnSink } from './turn-sink.ts'

export type TenureState = 'active' | 'suspended' | 'sealed' | 'discarded'

export interface TenureOptions {
  readonly unit: Unit
  readonly epoch: number
  readonly sink: TurnSink
  /** What `exportRecords` of the previous owner gave, in order. */
  readonly shipment?: Iterable<unknown>
  /** Instead of the endpoint's: for kinds that go on without a lease. */
  readonly mayLeave?: () => boolean
}

/** What a tenure needs of its endpoint. */
export interface TenureHost {
  readonly keptBudget: KeptBudget
  /** How often the lease was lost. */
  leaseLosses(): number
  source(nodeId: string, processId: string): Source
  revive(tenure: Tenure, snapshot: unknown): Message
  /** A mailbox has room: these may offer their messages again. */
  retry(tenure: Tenure, streams: Iterable<InStream | OutStream>): void
  /** State or epoch changed: what waits for this unit is looked at again, what was held may leave. */
  changed(tenure: Tenure): void
  /** Nothing that its turns sent and that has not left may leave any more. */
  fence(tenure: Tenure): void
}

export class Tenure {
  readonly unit: Unit
  readonly sink: TurnSink
  readonly records: RecordBook
  /** Local messages whose turns ended while nothing may leave. */
  held: LocalMessage[] = []
  /** What its turns sent, and the answers they gave, must not leave any more. */
  isFenced = false
  /** Its lease was lost and the placement has not confirmed it since. */
  isSuspended = false
  readonly #host: TenureHost
  readonly #mayLeave: () => boolean
  #epoch: number
  #state: TenureState = 'active'
  /** How often the lease had been lost when this ended. */
  #discardedAfter = 0
  /** Streams whose messages a full mailbox refused, by the actor's id. */
  readonly #waiting = new Map<string, Set<InStream | OutStream>>()
  /** Actors whose mailbox gave its messages back: they take none until the tenure has changed. */
  readonly #closing = new Set<string>()
  /** Actors that were split off to be pinned. */
  readonly #split = new Set<string>()

  constructor(host: TenureHost, options: TenureOptions, mayLeave: () => boolean) {
    this.#host = host
    this.unit = options.unit
    this.#epoch = options.epoch
    this.sink = options.sink
    this.#mayLeave = options.mayLeave ?? mayLeave
    this.records = new RecordBook(host.keptBudget)
    for (const chunk of options.shipment ?? []) installShipment(chunk, this.records, (nodeId, processId) => host.source(nodeId, processId))
  }

  get epoch(): number {
    return this.#epoch
  }

  get state(): TenureState {
    return this.#state
  }

  get isAccepting(): boolean {
    return this.#state === 'active' || this.#state === 'suspended'
  }

  /** Whether it counts for this actor: not one that was split off. */
  holds(id: string): boolean {
    return this.#state !== 'discarded' && (this.#split.size === 0 || !this.#split.has(id))
  }

  isClosing(id: string): boolean {
    return this.#closing.size > 0 && this.#closing.has(id)
  }

  /** The mailbox of this actor gave a message back. */
  close(id: string): void {
    this.#closing.add(id)
  }

  /** Acknowledgements, replies and messages from its turns may go to the transport, at this moment. */
  mayLeaveNow(): boolean {
    // Handed over, and then the lease was lost, whether or not anybody asked meanwhile: there is no way back for it.
    if (this.#state === 'discarded' && this.#discardedAfter !== this.#host.leaseLosses()) this.isFenced = true
    if (this.isSuspended || this.isFenced) return false
    if (this.#mayLeave()) return true
    if (this.#state === 'discarded') this.isFenced = true
    return false
  }

  /** The lease is lost: nothing that turns cause leaves any more. */
  suspend(): void {
    if (this.#state === 'discarded') return
    this.isSuspended = true
    if (this.#state === 'active') this.#state = 'suspended'
    this.#host.changed(this)
  }

  /** The document names this process again, under a higher epoch, and nobody owned the unit in between. */
  resume(epoch: number): void {
    if (this.#state === 'discarded') throw new TypeError('a discarded tenure can not be resumed; open a new one')
    if (epoch < this.#epoch) throw new TypeError(`a tenure of epoch ${this.#epoch} can not be resumed under the older epoch ${epoch}`)
    this.#epoch = epoch
    this.#state = 'active'
    this.isSuspended = false
    this.#closing.clear()
    // A pin that was dropped raised this epoch above its own: the actor is the shard's again. One that still stands counts by the view.
    this.#split.clear()
    this.release()
    this.#host.changed(this)
  }

  /** The ends of local messages that were held, if they may be told now. */
  release(): void {
    if (this.held.length === 0 || !this.mayLeaveNow()) return
    for (const message of this.held.splice(0)) message.release()
  }

  /** Nothing is accepted any more. Call it after the mailboxes were emptied (`returned()` on every queued message). */
  seal(): void {
    if (this.#state === 'discarded' || this.#state === 'sealed') return
    this.#state = 'sealed'
    this.#closing.clear()
    this.#waiting.clear()
    this.#host.changed(this)
  }

  /** Records of live and passivated actors and kept replies, in chunks of at most 256 KiB of encoded payload. After `seal`. */
  exportRecords(): Iterable<unknown> {
    return exportRecords(this.records.cells())
  }

  /** One actor leaves the tenure to be pinned: nothing is accepted for it any more; returns its records and kept replies. Call it after its mailbox was emptied. */
  split(id: string): Iterable<unknown> {
    this.#split.add(id)
    this.#closing.delete(id)
    this.#waiting.delete(id)
    const cells = [...this.records.cells()].filter((cell) => cell.id === id)
    const chunks = [...exportRecords(cells)]
    for (const cell of cells) cell.drop()
    this.#host.changed(this)
    return chunks
  }

  /** A message again, of what `Message.toSnapshot` gave. */
  reviveMessage(snapshot: unknown): Message {
    return this.#host.revive(this, snapshot)
  }

  /** A mailbox of this actor that refused messages has room again. */
  room(id: string): void {
    const streams = this.#waiting.get(id)
    if (streams === undefined) return
    this.#waiting.delete(id)
    this.#host.retry(this, streams)
  }

  /** `stream` has messages that the mailbox of its actor refused. */
  waitForRoom(id: string, stream: InStream | OutStream): void {
    const streams = this.#waiting.get(id)
    if (streams === undefined) this.#waiting.set(id, new Set([stream]))
    else streams.add(stream)
  }

  /** Whether a local stream waits for the mailbox of this actor: what is sent now must not overtake it. */
  isWaitingFor(id: string): boolean {
    return this.#waiting.size > 0 && this.#waiting.has(id)
  }

  /**
   * Ownership is over: records and kept replies are forgotten, local messages that are unhandled go back to the outbox in order, what its turns
   * sent and has not left is dead-lettered. Except after a handover under a safe lease (sealed, and the lease still safe): what its
   * turns sent goes with the moved state, so it may still leave for as long as the lease lasts.
   */
  discard(): void {
    if (this.#state === 'discarded') return
    const isHandedOver = this.#state === 'sealed' && this.mayLeaveNow()
    this.#state = 'discarded'
    this.#discardedAfter = this.#host.leaseLosses()
    this.isFenced = !isHandedOver
    for (const message of this.held.splice(0)) message.forgetTurn()
    this.records.clear()
    this.#waiting.clear()
    this.#closing.clear()
    if (this.isFenced) this.#host.fence(this)
    this.#host.changed(this)
  }

  /** The address of one of the unit's actors. */
  addressOf(id: string, path: string | undefined): ActorAddress {
    return path === undefined ? { kind: this.unit.kind, id } : { kind: this.unit.kind, id, path }
  }
}
