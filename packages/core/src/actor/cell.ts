// One actor's place in the turn loop: its mailbox and what is going on with it. Internal to the room.

import type { ActorAddress } from '../messaging/address.ts'

export declare class Cell implements ActorAddress {
  get kind(): string
  readonly id: string
  get path(): string | undefined
}
