// Who is registered, as this process sees it: from a watch on `nodes/`, so possibly a little behind. Good for connecting, routing of control
// messages and for people; never evidence of death (the leader reads that from the store itself).

import type { Entry } from '../metadata/metadata-store.ts'
import { type NodeRecord, parseNodeRecord } from './node-record.ts'

export interface MembershipChange {
  readonly joined: readonly NodeRecord[]
  readonly left: readonly NodeRecord[]
  /** Same process and session, other contents (load, draining). */
  readonly updated: readonly NodeRecord[]
}

export class Membership {
  readonly #nodes = new Map<string, NodeRecord>()
  /** How many of them read up to which version. */
  readonly #readUpTo = new Map<number, number>()
  readonly #onUnreadable: (error: unknown) => void

  constructor(onUnreadable: (error: unknown) => void) {
    this.#onUnreadable = onUnreadable
  }

  get nodes(): ReadonlyMap<string, NodeRecord> {
    return this.#nodes
  }

  /** What they read, each range's end once: there are few, however many nodes there are. */
  get readers(): { readonly max: number }[] {
    return [...this.#readUpTo.keys()].map((max) => ({ max }))
  }

  /** Takes in changed keys of `nodes/`; a record that can't be read counts as absent. */
  apply(changed: ReadonlyMap<string, Entry | undefined>): MembershipChange {
    const joined: NodeRecord[] = []
    const left: NodeRecord[] = []
    const updated: NodeRecord[] = []
    for (const [key, entry] of changed) {
      const nodeId = key.slice(key.lastIndexOf('/') + 1)
      const before = this.#nodes.get(nodeId)
      const after = entry === undefined ? undefined : this.#read(entry)
      if (before !== undefined) this.#count(before.protocol.max, -1)
      if (after === undefined) this.#nodes.delete(nodeId)
      else {
        this.#nodes.set(nodeId, after)
        this.#count(after.protocol.max, 1)
      }
      if (before !== undefined && after?.incarnation === before.incarnation) {
        updated.push(after)
        continue
      }
      if (before !== undefined) left.push(before)
      if (after !== undefined) joined.push(after)
    }
    return { joined, left, updated }
  }

  processOf(nodeId: string): NodeRecord | undefined {
    return this.#nodes.get(nodeId)
  }

  #count(max: number, by: 1 | -1): void {
    const count = (this.#readUpTo.get(max) ?? 0) + by
    if (count === 0) this.#readUpTo.delete(max)
    else this.#readUpTo.set(max, count)
  }

  #read(entry: Entry): NodeRecord | undefined {
    try {
      return parseNodeRecord(entry.key, entry.value)
    } catch (error) {
      this.#onUnreadable(error)
      return undefined
    }
  }
}
