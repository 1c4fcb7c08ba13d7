// The seam between a messaging system and what carries its bytes: how channels come about. All that differs between TCP and WebSocket.

import type { LocalIdentity } from '@cajun/core/adapter'
import type { ByteChannel } from './byte-channel.ts'
import type { Entrant } from './doorway.ts'

export interface CarrierEvents {
  /** A channel came in. `entrant` leaves the doorway when it is known who it is. */
  onChannel(channel: ByteChannel, entrant: Entrant): void
  /** Something went wrong that belongs to no connection. */
  onError(error: Error): void
}

export interface Carrier {
  /** Returns the address for others. Rejects with `TransportError` that names the address when it can't listen. May be tried again then. */
  listen(events: CarrierEvents, local: LocalIdentity): Promise<string>
  /** Undefined: the address can't be read. */
  dial(address: string): ByteChannel | undefined
  /** What an address looks like, for an error about one that can't be read. */
  readonly addressForm: string
  /** No channel comes in any more. Resolves when those that did are closed. */
  close(): Promise<void>
}
