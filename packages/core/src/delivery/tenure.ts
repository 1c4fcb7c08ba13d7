// A tenure: this process's ownership of one unit, from its opening under one epoch to its end. (Signatures first; the body follows.)
//
//                 suspend()                resume(epoch)
//   active ──────────────────> suspended ───────────────> active (higher epoch)
//     │ seal()                     │ seal()
//     ├──────────> sealed <────────┘      sealed ── resume(epoch) ──> active (aborted handoff)
//     └────────────── discard() from any state ──> discarded
//
// `suspended` keeps mailboxes and takes messages, but runs nothing: what its turns produce stays here until it is resumed.

import type { ActorAddress } from '../messaging/address.ts'
import type { Message } from './message.ts'
import type { Unit } from './placement-view.ts'
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

export interface Tenure {
  readonly unit: Unit
  readonly epoch: number
  readonly state: TenureState
  /** The lease is lost: nothing that turns cause leaves any more. */
  suspend(): void
  /** The document names this process again, under a higher epoch, and nobody owned the unit in between. */
  resume(epoch: number): void
  /** Nothing is accepted any more. Call it after the mailboxes were emptied (`returned()` on every queued message). */
  seal(): void
  /** Records of live and passivated actors and kept replies, in chunks of at most 256 KiB of encoded payload. After `seal`. */
  exportRecords(): Iterable<unknown>
  /** One actor leaves the tenure to be pinned: nothing is accepted for it any more; returns its records and kept replies. Call it after its mailbox was emptied. */
  split(id: string): Iterable<unknown>
  /** A message again, of what `Message.toSnapshot` gave. */
  reviveMessage(snapshot: unknown): Message
  /** A mailbox of this actor that refused messages has room again. */
  room(id: string): void
  /** Ownership is over: records and kept replies are forgotten, local messages that are unhandled go back to the outbox in order, what its turns sent and has not left is dead-lettered. */
  discard(): void
  /** The address of the unit's actor, for logs. */
  addressOf(id: string, path: string | undefined): ActorAddress
}
