// What a handoff ships of a stashed message, so that a message can be made of it again over there.
// Gotcha: both versions of a rolling upgrade read it, so fields are only ever added.

import { type ActorAddress, plainAddress } from '../messaging/address.ts'
import type { Message } from './message.ts'

export interface MessageSnapshot {
  readonly nodeId: string
  readonly processId: string
  readonly id: number
  readonly actor: string
  readonly path?: string | undefined
  readonly type: string
  readonly payload: unknown
  readonly isAsk: boolean
  readonly isReliable: boolean
  readonly sender?: ActorAddress | undefined
  readonly chain?: readonly string[] | undefined
}

/** `id`: of the message at its source; 0 when nobody has given it one. */
export function snapshotOf(
  { type, payload, isAsk, isReliable, sender, chain }: Omit<MessageSnapshot, 'nodeId' | 'processId' | 'id' | 'actor'> | Message,
  { nodeId, processId }: Pick<MessageSnapshot, 'nodeId' | 'processId'>,
  id: number,
  to: ActorAddress,
): MessageSnapshot {
  const from = sender === undefined ? undefined : plainAddress(sender)
  return { nodeId, processId, id, actor: to.id, path: to.path, type, payload, isAsk, isReliable, sender: from, chain }
}

/** What a snapshot from another process has to be. */
export function checkSnapshot(snapshot: unknown): MessageSnapshot {
  const s = snapshot as Partial<MessageSnapshot> | null
  const fits =
    typeof s === 'object' &&
    s !== null &&
    typeof s.nodeId === 'string' &&
    typeof s.processId === 'string' &&
    Number.isSafeInteger(s.id) &&
    typeof s.actor === 'string' &&
    typeof s.type === 'string' &&
    (s.path === undefined || typeof s.path === 'string')
  if (!fits) throw new TypeError('a message snapshot must be what Message.toSnapshot returned')
  return s as MessageSnapshot
}
