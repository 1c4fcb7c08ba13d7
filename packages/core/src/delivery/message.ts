// One message on its way into a turn: the seam between whoever delivers (a local ref, the cluster's inbound streams)
// and the actor room that runs turns. The actor room knows nothing of guarantees; they live behind these methods.

import type { ActorAddress } from '../messaging/address.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'

/**
 * Life of a message in the actor room:
 *
 *   queued ──begin()─> in hand ──┬─> handled(reply)   the turn returned
 *      │      │                  ├─> failed(error)    the turn threw
 *      │      └ false: skipped   ├─> stashed()        kept as state; handled(reply) or failed(error) follows after unstash
 *      │                         └─> returned()       the mailbox was emptied while it was in hand (activation discarded under a suspended shard)
 *      ├─> refused(reason)       it will never run here
 *      └─> returned()            the mailbox was emptied before it ran
 *
 * Exactly one of the endings is called, once; `stashed` is followed by one more.
 */
export interface Message {
  readonly type: string
  readonly payload: unknown
  /** Whether somebody waits for a reply. */
  readonly isAsk: boolean
  readonly sender: ActorAddress | undefined
  /** Stable over every repetition of this message: the key to hand to systems outside. */
  readonly messageId: string
  /** For asks made within a turn: the turns that wait for this one, outermost first, each as `kind/id#turn`. */
  readonly chain: readonly string[] | undefined
  /** Whether the message is reliable: a full mailbox makes it wait (`ActorTable.deliver` returns false) instead of dropping something. */
  readonly isReliable: boolean

  /** Called when the turn is about to start. `false`: skip it (duplicate of an ended message, expired, aborted); the message has dealt with itself. */
  begin(): boolean
  handled(reply: unknown): void
  failed(error: unknown): void
  stashed(): void
  refused(reason: DeadLetterReason, error?: unknown): void
  returned(): void

  /** What a handoff ships of a stashed message; whoever delivers makes a message of it again on the other side. Plain structured-clone data. */
  toSnapshot(): unknown
}
