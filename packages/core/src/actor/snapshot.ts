// What a handoff ships of a live actor. Structured-clone data throughout, and wire-visible.
// Gotcha: both versions of a rolling upgrade read it, so fields are only ever added.

import type { ActorAddress } from '../messaging/address.ts'

export interface TimerSnapshot {
  readonly key: string
  readonly type: string
  readonly payload?: unknown
  /** Until it fires (next). */
  readonly remainingMs: number
  /** For `every`. */
  readonly intervalMs?: number
}

/** A stashed message as `Message.toSnapshot` returned it; or, for what came from inside the actor (a timer), type and payload. */
export type StashSnapshot = { readonly message: unknown } | NoticeSnapshot

export interface NoticeSnapshot {
  readonly type: string
  readonly payload?: unknown
}

/** One half of a watch: of another actor, or (`watchers`) by one. `seen`: where that lived when it last confirmed it. */
export interface WatcherSnapshot extends ActorAddress {
  readonly token: string
  readonly seen?: string | undefined
}

export interface WatchSnapshot extends WatcherSnapshot {
  readonly type: string
  readonly isRegistered: boolean
}

export interface ActorSnapshot {
  /** The id of a top-level actor; the name of a child. */
  readonly id: string
  /** The kind of the definition; of a child, its own and not that of its address. */
  readonly kind: string
  /** `true`: the state could not be shipped (the codec refused it, or the kind says `handoff: 'restart'`); the actor starts afresh with what else is here. */
  readonly fresh: boolean
  readonly state?: unknown
  /** The behaviour in force, if `become` changed it. */
  readonly behaviour?: string
  /** In the order of stashing. */
  readonly stash: readonly StashSnapshot[]
  /** What waits in the mailbox although it counts as handled (or never came from outside): unstashed messages, notices. In order. */
  readonly waiting?: readonly StashSnapshot[]
  readonly timers: readonly TimerSnapshot[]
  readonly children: readonly ActorSnapshot[]
  readonly watches?: readonly WatchSnapshot[]
  readonly watchers?: readonly WatcherSnapshot[]
}
