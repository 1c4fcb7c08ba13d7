// Who is let in when a handshake knows who asks, and which of two connections between the same processes remains. Pure.
//
// - A process that was put out (by `disconnect`, or because another took its node's place) stays out until `connect` names it again.
// - A process that the store does not name stays out: an old incarnation, or one that was never registered.
// - The process that `connect` named last is preferred: while it is up, no other of its node takes its place. Process ids have no order,
//   so which of two is the younger is known to the store alone, and it speaks through `connect`.
// - Simultaneous dials: the dial of the process with the smaller id remains. A side that has sent its hello and is the smaller refuses
//   the other's dial with `tie`; a side that has not sent it yet gives its own dial up. So each pair of dials is decided the same on both sides,
//   and a side that can't reach the other never keeps the other out.
// - A process that dials although this side takes it for connected lost that connection: the new one replaces it, if its serial is
//   higher. A lower one is a dial that was given up and arrives late.

import type { PeerId } from '@cajun/core/adapter'
import type { Reason } from './handshake-message.ts'

export interface Situation {
  readonly local: PeerId
  readonly remote: PeerId
  readonly remoteSerial: number
  readonly refused: boolean
  /** The store names it as the present process of its node, or nobody can say. */
  readonly isCurrent: boolean
  /** Whom `connect` named last for the node. */
  readonly wantedProcessId: string | undefined
  /** The connection that is up with the node. */
  readonly current: { readonly processId: string; readonly remoteSerial: number } | undefined
  /** This side dials the same process and has sent its hello. */
  readonly helloSent: boolean
}

/** Undefined: let it in, in the place of whatever is there. */
export function refusalReason(situation: Situation): Reason | undefined {
  const { local, remote, current } = situation
  if (situation.refused) return 'disconnected'
  if (!situation.isCurrent) return 'unknown'
  if (current?.processId === remote.processId) return situation.remoteSerial > current.remoteSerial ? undefined : 'stale'
  if (current !== undefined && current.processId === situation.wantedProcessId) return 'preferred'
  if (situation.helloSent && precedes(local, remote)) return 'tie'
  return undefined
}

/** Any total order does that both sides know. */
export function precedes(a: PeerId, b: PeerId): boolean {
  return a.nodeId === b.nodeId ? a.processId < b.processId : a.nodeId < b.nodeId
}
