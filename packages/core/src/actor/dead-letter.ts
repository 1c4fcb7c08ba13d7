// A message that reached no turn, or whose turn failed with nobody waiting to hear of it.

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import type { ActorAddress } from '../messaging/address.ts'

export interface DeadLetter {
  /** Whom it was for. */
  readonly address: ActorAddress
  readonly type: string
  readonly payload?: unknown
  readonly reason: DeadLetterReason
  /** For `failed`: what the handler threw. For `invalid-payload`: what the schema said. */
  readonly error?: unknown
  readonly messageId?: string | undefined
  readonly sender?: ActorAddress | undefined
}
