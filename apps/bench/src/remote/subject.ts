// What takes part in a remote suite: one process that receives and one that sends. Each subject is a module in `subjects/` that exports both halves.

import type { Guarantee } from '@cajun/core/adapter'

/** So many actors of the receiving process are sent to, in turn. */
export const RECEIVERS = 64

/** A producer that can't be told to wait yields to the event loop after so many messages; all do. */
export const BURST = 256

/** The nodes of the bench's cluster. */
export const CLUSTER_ID = 'bench'
export const NODE_IDS = ['receiver', 'sender'] as const
export type NodeId = (typeof NODE_IDS)[number]

export type Work =
  | { readonly do: 'oneway'; readonly count: number; readonly bytes: number; readonly guarantee: Guarantee }
  /** Waits for each message before the next, in so many lanes. */
  | { readonly do: 'awaited'; readonly count: number; readonly bytes: number; readonly guarantee: Guarantee; readonly lanes: number }
  /** Bare frames of a transport; `count` is in bytes, as it is for the receiver. */
  | { readonly do: 'frames'; readonly count: number; readonly bytes: number }
  /** Exactly once, unless it says otherwise. */
  | { readonly do: 'ask'; readonly count: number; readonly bytes: number; readonly lanes: number; readonly guarantee?: Guarantee }

export interface ReceiverSetUp {
  /** The transport's name, for subjects that have a choice. */
  readonly transport: string
  /** Where the server of a broker's transport is. */
  readonly url?: string | undefined
  /** The folder with the certificates of both nodes, for TLS. */
  readonly certificates?: string
  /** Listen here, and tell peers to connect there. */
  readonly via?: { readonly port: number; readonly advertise: string } | undefined
}

export interface SenderSetUp extends ReceiverSetUp {
  /** What the receiving half resolved with. */
  readonly contact: unknown
}

export interface RemoteSubject {
  /** Calls `hit` for each message that was handled, or with how many there were. Resolves, ready to receive, with what a sender needs to find it. */
  receive(setUp: ReceiverSetUp, hit: (count?: number) => void): Promise<unknown>
  /** Resolves when messages can be sent. */
  send(setUp: SenderSetUp): Promise<Sending>
}

/** Resolves when all was sent or answered; for asks with how long each took, in milliseconds. Rejects when anything is known to have been lost. */
export type Sending = (work: Work) => Promise<Float64Array | undefined>

/** `each(n)` for n below `count`, so many at a time. Gives the milliseconds that each took. */
export async function inLanes(count: number, lanes: number, each: (n: number) => Promise<unknown>): Promise<Float64Array> {
  const times = new Float64Array(count)
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const n = next++
      const begin = performance.now()
      await each(n)
      times[n] = performance.now() - begin
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return times
}

export const eventLoopTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
