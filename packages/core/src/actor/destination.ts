// Where a ref's messages go: the seam between refs (one class) and the two systems that deliver (the local one, and the cluster's DeliveryEndpoint).

import type { Guarantee } from '../delivery/guarantee.ts'
import type { ActorAddress } from '../messaging/address.ts'
import type { Cell } from './cell.ts'
import type { ActorTable } from './table.ts'

/** What accompanies a message: the caller's options, and who sends it. */
export interface OutboundOptions {
  readonly guarantee?: Guarantee | undefined
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** The actor from whose turn it is sent. A live view onto the actor: read `kind`, `id` and `path`, don't compare by identity. */
  readonly sender?: ActorAddress | undefined
  /** Asks only: the turns that wait for this one, outermost first, each as `kind/id#turn`. */
  readonly chain?: readonly string[] | undefined
  /** The table of the sending actor: what leaves may leave only while that ownership holds. */
  readonly from?: ActorTable | undefined
}

/** Called with `options` undefined when there is nothing to say: plain messages from outside of any actor allocate nothing for it. */
export interface Destination {
  /** Never throws for delivery reasons, never waits. `false`: slow down (see `ready`), or it became a dead letter. */
  tell(address: ActorAddress, type: string, payload: unknown, options: OutboundOptions | undefined): boolean
  /** Resolves when the guarantee is met: the turn has ended. Waits while buffers are full. */
  send(address: ActorAddress, type: string, payload: unknown, options: OutboundOptions | undefined): Promise<void>
  /** Resolves with the reply. */
  ask(address: ActorAddress, type: string, payload: unknown, options: OutboundOptions | undefined): Promise<unknown>
  /** Resolves when `tell` would return true again. */
  ready(address: ActorAddress): Promise<void>
  /**
   * The actor itself, where its mailbox may be filled directly (a local system): refs keep it and skip the look-up from then on.
   * `ctx.watch` is then a matter of both actors alone. Absent: always through the methods above.
   */
  findCell?(address: ActorAddress): Cell | undefined
}
