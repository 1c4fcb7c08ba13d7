// What a handler sees of the world: the interface behind `ctx`. The implementation is activation.ts.

import type { ActorDefinition, ProtocolOfDefinition } from './definition.ts'
import type { Logger } from './logger.ts'
import type { AnyProtocol, MessageName, Payload, Protocol } from './protocol.ts'
import type { ActorRef } from './ref.ts'
import type { Terminated } from './stop-reason.ts'

/**
 * Valid while its activation lives. After a restart, a stop or a turn time-out every use of it throws a `ClosedError`: the late part of an
 * abandoned turn can't touch the successor's state.
 */
export interface Context<S = unknown, P extends Protocol = AnyProtocol> {
  /** The actor's own state. Mutate it, or assign a new one. */
  state: S
  /** This actor. What it sends to itself is queued like everything else. */
  readonly self: ActorRef<P>
  /** Who sent the message in hand; undefined when it came from outside of any actor. */
  readonly sender: ActorRef | undefined
  /** Stable over every repetition of the message in hand: the key to hand to systems outside. */
  readonly messageId: string
  readonly log: Logger
  /** Aborted when this activation ends, or its turn runs out of time. Pass it to whatever you await. */
  readonly signal: AbortSignal

  /** A ref that sends in this actor's name. */
  ref<D extends ActorDefinition>(definition: D, id: string): ActorRef<ProtocolOfDefinition<D>>
  ref<D extends ActorDefinition>(kind: D['kind'], id: string): ActorRef<ProtocolOfDefinition<D>>

  /** Starts a child: it lives and moves with this actor and is addressed through it. `name` is unique among the children, without `/`. */
  spawn<D extends ActorDefinition>(definition: D, name: string): ActorRef<ProtocolOfDefinition<D>>
  /** The live children by name. */
  readonly children: ReadonlyMap<string, ActorRef>
  /** Stops this actor after the present turn, or one of its children. What is queued behind is refused with `stopped`. */
  stop(child?: ActorRef): void

  /**
   * When the other actor is gone, a message of type `type` arrives here, once, with a {@link Terminated} as payload: it stopped, failed for good or was passivated,
   * or (`lost`) its owner died and its memory with it. A restart, and a move to another node, are not the end of it. In a cluster it may live anywhere, and comes to
   * life by being watched, as by a message; what it sent here before from the same node arrives before the notice. Watching it again only changes `type`.
   *
   * The watch lasts as long as this actor: it survives its restart and moves with it, and ends with its stop, its passivation or its owner's death.
   */
  watch(ref: ActorRef, type: MessageName<P>): void
  /** A notice that waits in the mailbox already still arrives. */
  unwatch(ref: ActorRef): void

  readonly timers: ActorTimers<P>
  /** Without a message for so long the activation ends (see `idleTimeoutMs` of the definition). `Infinity`: never. */
  setIdleTimeout(idleTimeoutMs: number): void

  /** Hands the message in hand on: the other actor sees the original sender, and its reply (or failure) answers the ask. */
  forward(to: ActorRef, type?: string, payload?: unknown): void
  /** Keeps the message in hand for later: the turn ends without an answer. */
  stash(): void
  /** Puts the stashed messages (the oldest `count` of them) before everything that is queued, in their order. */
  unstash(count?: number): void
  /** Puts the handlers of `behaviours[name]` before those of `messages`, until another `become`; without a name only `messages` count again. */
  become(name?: string): void
}

/** Timers arrive as messages, and die with the activation. Setting one under a key that is taken replaces it. The key is the message's type unless given. */
export interface ActorTimers<P extends Protocol = AnyProtocol> {
  once<T extends MessageName<P>>(type: T, delayMs: number, payload?: Payload<P, T>, key?: string): void
  /** A tick that is still waiting in the mailbox is not joined by a second one. */
  every<T extends MessageName<P>>(type: T, intervalMs: number, payload?: Payload<P, T>, key?: string): void
  /** Also when it has fired and waits in the mailbox: its handler won't run. */
  cancel(key: string): void
  has(key: string): boolean
}
