// What nodes say to each other beside the messages of actors: handoffs, and requests of the manager. Wire-visible.
//
// Each carries `v`, the protocol version that it is written in (without it: 1).
//
// Gotcha: both versions of a rolling upgrade read these; fields are only ever added, and an unknown `t` or `op` is answered, not a crash; anything else is a new version.

import type { Unit } from '../delivery/placement-view.ts'
import { ProtocolError } from '../errors.ts'
import { PROTOCOL, type ProtocolRange, rangeInWords } from '../messaging/protocol-version.ts'

/** A unit as it travels (a `Unit` without its `undefined`, which costs bytes). */
export interface WireUnit {
  readonly kind: string
  readonly shard: number
  readonly pin?: string
}

export type HandoffMessage =
  /** Source to target: a copy follows. A later attempt replaces an earlier one. */
  | { readonly t: 'ship-begin'; readonly handoffId: string; readonly attempt: number; readonly unit: WireUnit; readonly epoch: number }
  | { readonly t: 'ship-chunk'; readonly handoffId: string; readonly attempt: number; readonly seq: number; readonly bytes: Uint8Array }
  | { readonly t: 'ship-end'; readonly handoffId: string; readonly attempt: number; readonly chunks: number }
  /** Target to source: the whole copy is here. */
  | { readonly t: 'ship-copied'; readonly handoffId: string }
  /** Target to source: this attempt is no good (a chunk is missing, the target restarted); begin again. */
  | { readonly t: 'ship-again'; readonly handoffId: string; readonly attempt: number }
  /** Source to leader, again and again until the document changes: sealed, and the target has the whole copy. */
  | { readonly t: 'released'; readonly handoffId: string; readonly unit: WireUnit; readonly epoch: number }

export type RpcMessage =
  | { readonly t: 'request'; readonly id: number; readonly op: string; readonly args: unknown }
  | { readonly t: 'response'; readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly t: 'response'; readonly id: number; readonly ok: false; readonly message: string; readonly reason: string }

export type ControlMessage = HandoffMessage | RpcMessage

const KNOWN: ReadonlySet<unknown> = new Set<ControlMessage['t']>([
  'ship-begin',
  'ship-chunk',
  'ship-end',
  'ship-copied',
  'ship-again',
  'released',
  'request',
  'response',
])

/** `undefined`: of a later release, to be ignored. Throws `ProtocolError` for what no release sends. */
export function readControlMessage(body: unknown, readable: ProtocolRange = PROTOCOL): ControlMessage | undefined {
  if (typeof body !== 'object' || body === null) throw new ProtocolError(`a control message is ${typeof body}, not an object`)
  const message = body as { readonly v?: unknown; readonly t?: unknown; readonly handoffId?: unknown; readonly id?: unknown }
  const version = message.v ?? 1
  if (typeof version !== 'number' || version < readable.min || version > readable.max) {
    throw new ProtocolError(`a control message is written in version ${String(version)}; this release reads ${rangeInWords(readable)}`)
  }
  if (typeof message.t !== 'string') throw new ProtocolError('a control message has no type `t`')
  if (!KNOWN.has(message.t)) return undefined
  const isRpc = message.t === 'request' || message.t === 'response'
  if (isRpc ? typeof message.id !== 'number' : typeof message.handoffId !== 'string') {
    throw new ProtocolError(`a control message of type ${message.t} lacks ${isRpc ? 'its number `id`' : '`handoffId`'}`)
  }
  const { unit } = message as { readonly unit?: WireUnit }
  if ((message.t === 'ship-begin' || message.t === 'released') && (typeof unit?.kind !== 'string' || !Number.isInteger(unit.shard))) {
    throw new ProtocolError(`a control message of type ${message.t} lacks its unit`)
  }
  return message as unknown as ControlMessage
}

export function toWireUnit(unit: Unit): WireUnit {
  return unit.pin === undefined ? { kind: unit.kind, shard: unit.shard } : { kind: unit.kind, shard: unit.shard, pin: unit.pin }
}

export function fromWireUnit(unit: WireUnit): Unit {
  return { kind: unit.kind, shard: unit.shard, pin: unit.pin }
}
