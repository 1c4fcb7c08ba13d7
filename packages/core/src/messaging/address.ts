// Who a message is for, or from: the kind and id of an actor, and the path below it for a child.

import { InvalidActorIdError } from '../errors.ts'

export interface ActorAddress {
  /** The kind's name, as given to `defineActor`. */
  readonly kind: string
  /** The id within the kind: 1 to 256 bytes of UTF-8. It alone decides the shard. */
  readonly id: string
  /** For a child: its name, or the names from the top-level actor down, joined by `/`. Children live and move with their parent. */
  readonly path?: string | undefined
}

export const MAX_ID_BYTES = 256

/** `kind/id`, or `kind/id/child`: for logs and errors; it is not parsed anywhere. */
export function formatAddress(address: ActorAddress): string {
  return address.path === undefined ? `${address.kind}/${address.id}` : `${address.kind}/${address.id}/${address.path}`
}

/** Data alone: an address may be a live view onto its actor. */
export function plainAddress({ kind, id, path }: ActorAddress): ActorAddress {
  return path === undefined ? { kind, id } : { kind, id, path }
}

/** As a key of maps: unlike {@link formatAddress} never the same for two addresses. */
export function addressKey({ kind, id, path }: ActorAddress): string {
  return path === undefined ? `${kind}=${id}` : `${kind}/${id.length}/${id}/${path}`
}

/** Throws {@link InvalidActorIdError} when `id` is empty, too long or holds an unpaired surrogate (which UTF-8 can't carry). */
export function checkActorId(kind: string, id: string): void {
  if (typeof id !== 'string') throw new InvalidActorIdError(kind, `is ${typeof id}, not a string`)
  // A UTF-16 unit takes at most 3 bytes of UTF-8, so short ids need no counting.
  if (id.length === 0) throw new InvalidActorIdError(kind, 'is empty')
  if (id.length * 3 > MAX_ID_BYTES) {
    const bytes = Buffer.byteLength(id)
    if (bytes > MAX_ID_BYTES) {
      throw new InvalidActorIdError(kind, `takes ${bytes} bytes; at most ${MAX_ID_BYTES} are allowed`)
    }
  }
  if (!id.isWellFormed()) throw new InvalidActorIdError(kind, 'holds an unpaired surrogate')
}
