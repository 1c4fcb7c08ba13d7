// All actors of one definition under one owner: a local system has one table for each kind, the cluster one for each tenure.
// SIGNATURES FIRST: bodies follow within the hour; code against these.

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import type { Message } from '../delivery/message.ts'
import type { ActorDefinition } from './definition.ts'
import type { Gate } from './gate.ts'
import type { ActorHost } from './host.ts'
import type { ActorSnapshot } from './snapshot.ts'

/** Why an actor stopped, as `onStop` hears it. */
export type StopReason = 'stopped' | 'passivated' | 'restarted' | 'failed' | 'shutdown' | 'moved'

export interface ActorTableOptions {
  readonly gate?: Gate | undefined
  /** A message for an unknown id brings its actor to life. Default false: it is refused with `stopped`. */
  readonly activateOnMessage?: boolean | undefined
  /** After `deliver(id)` returned false: the actor has room again (once for each time it filled up). */
  readonly onRoom?: ((id: string) => void) | undefined
}

export declare class ActorTable {
  readonly host: ActorHost
  readonly definition: ActorDefinition
  constructor(host: ActorHost, definition: ActorDefinition, options?: ActorTableOptions)
  /** `false`: the mailbox is full and the message reliable; it was not taken, and `onRoom(id)` follows. Otherwise the message ends by its own methods. */
  deliver(id: string, path: string | undefined, message: Message): boolean
  /** Activates without a message (registered actors). Nothing happens if it lives already. */
  start(id: string): void
  /** The gate opened: what has messages runs again. */
  wake(): void
  /** No further turn starts. Resolves when the turns in hand have ended; then every queued message has got `returned()`. Idempotent. */
  seal(): Promise<void>
  /** The live actors. Only after {@link seal}. */
  export(): Iterable<ActorSnapshot>
  /** Brings a shipped actor to life. `revive` makes a message again of each stashed one. Nothing runs before the gate allows it. */
  install(snapshot: ActorSnapshot, revive: (snapshot: unknown) => Message): void
  /** Aborts signals, drops all activations without running hooks; `returned()` on every queued message and the one in hand. Their late results are ignored. */
  discard(reason: string): void
  /** Children first, then the actor's `onStop`. Queued messages are refused with `refuseWith` (default `stopped`). Resolves when it is gone. */
  stop(id: string, reason?: StopReason, refuseWith?: DeadLetterReason): Promise<void>
  stopAll(reason?: StopReason, refuseWith?: DeadLetterReason): Promise<void>
  has(id: string): boolean
  /** Pages through the ids in the order of activation: those after `after` (from the beginning without it, or when it is gone). */
  ids(after: string | undefined, limit: number): string[]
  readonly size: number
  /** Messages waiting in all its mailboxes. Counted when asked. */
  readonly mailboxDepth: number
}
