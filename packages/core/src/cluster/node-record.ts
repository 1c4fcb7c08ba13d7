// The value of `nodes/<nodeId>`: what a process tells the cluster about itself. Owns its shape and its stored form.
// The key is ephemeral: it exists exactly as long as the session that put it.

import type { Owner } from './placement-document.ts'

export interface NodeRecord extends Owner {
  /** Where peers reach its transport, in the transport's own form. */
  readonly address: string
  /** The actor kinds that it hosts. A node without any is a pure client: it sends, and owns nothing. */
  readonly kinds: readonly string[]
  /** Relative capacity, above 0: a node of 2 is given twice as many shards as one of 1. */
  readonly capacity: number
  /** How much it has to do, in whatever unit all nodes agree on (by default: live actors). Read by the `least-loaded` strategy alone. */
  readonly load: number
  /** It wants to leave: nothing is placed on it, and what it has is moved away. */
  readonly draining: boolean
  /** The protocol versions that it reads and can write. */
  readonly protocol: { readonly min: number; readonly max: number }
}

export declare function encodeNodeRecord(record: NodeRecord): string
/** Throws `ProtocolError` naming the key and the field. */
export declare function parseNodeRecord(key: string, value: string): NodeRecord
