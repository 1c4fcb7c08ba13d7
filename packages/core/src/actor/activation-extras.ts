// What few activations need: made on first use, so that the others don't pay for it.

import type { ActorAddress } from '../messaging/address.ts'
import type { MessageEntry } from './definition.ts'
import type { Begun } from './entries.ts'
import type { Logger } from './logger.ts'
import type { ActorRef } from './ref.ts'
import type { Timers } from './timers.ts'

export class ActivationExtras {
  timers: Timers | undefined = undefined
  stash: Begun[] | undefined = undefined
  abort: AbortController | undefined = undefined
  log: Logger | undefined = undefined
  self: ActorRef | undefined = undefined
  senderRef: ActorRef | undefined = undefined
  senderOfRef: ActorAddress | undefined = undefined
  behaviour: ReadonlyMap<string, MessageEntry> | undefined = undefined
  behaviourName: string | undefined = undefined
  messageId: string | undefined = undefined
  turnName: string | undefined = undefined
  forwarded: Promise<unknown> | undefined = undefined
}
