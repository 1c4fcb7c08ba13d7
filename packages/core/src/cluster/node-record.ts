// The value of `nodes/<nodeId>`: what a process tells the cluster about itself. Owns its shape and its stored form.
// The key is ephemeral: it exists exactly as long as the session that put it.
//
//   { "v": 1, "node": "node1", "process": "…", "incarnation": "…", "address": "10.0.0.7:8080", "kinds": ["counter"],
//     "capacity": 1, "load": 812, "draining": false, "protocol": [1, 1] }
//
// Gotcha: read by every node of a cluster during a rolling upgrade: fields may be added, and are ignored by who does not know them;
// it keeps its form.

import type { Owner } from './placement-document.ts'
import { FIRST_FORM, StoredJson } from './stored-json.ts'

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
  /**
   * After the store lost its data: the highest epoch of each kind that this process knew before. New documents go on above them; absent
   * otherwise.
   */
  readonly epochs?: Readonly<Record<string, number>>
  /** The nodes of its option `peers`, for deployments with a fixed list: nobody else may join while it is there. Absent: anybody may. */
  readonly peers?: readonly string[]
  /** The protocol versions that it reads and can write. */
  readonly protocol: { readonly min: number; readonly max: number }
}

export function encodeNodeRecord(record: NodeRecord): string {
  return JSON.stringify({
    v: FIRST_FORM.max,
    node: record.nodeId,
    process: record.processId,
    incarnation: record.incarnation,
    address: record.address,
    kinds: record.kinds,
    capacity: record.capacity,
    // What an application reports is not ours to trust: others would refuse the record, and the node would not exist.
    load: Number.isFinite(record.load) ? Math.max(0, record.load) : 0,
    draining: record.draining,
    ...(record.epochs === undefined ? {} : { epochs: record.epochs }),
    ...(record.peers === undefined ? {} : { peers: record.peers }),
    protocol: [record.protocol.min, record.protocol.max],
  })
}

/** Throws `ProtocolError` naming the key and the field. */
export function parseNodeRecord(key: string, value: string): NodeRecord {
  const at = new StoredJson(key)
  const root = at.parse(value)
  at.form(root, FIRST_FORM)
  const nodeId = at.string(root['node'], 'node')
  if (!key.endsWith(`/${nodeId}`)) at.fail(`the record is of node '${nodeId}', which is another key`)
  const capacity = at.number(root['capacity'], 'capacity', 0)
  if (capacity === 0) at.fail('capacity is 0, not a number above 0')
  const protocol = at.array(root['protocol'], 'protocol')
  const min = at.integer(protocol[0], 'protocol[0]', 1)
  return {
    nodeId,
    processId: at.string(root['process'], 'process'),
    incarnation: at.string(root['incarnation'], 'incarnation'),
    address: at.string(root['address'], 'address'),
    kinds: at.array(root['kinds'], 'kinds').map((kind, i) => at.string(kind, `kinds[${i}]`)),
    capacity,
    load: at.number(root['load'], 'load', 0),
    draining: at.boolean(root['draining'], 'draining'),
    ...(root.epochs === undefined ? {} : { epochs: epochsOf(at, root.epochs) }),
    ...(root.peers === undefined ? {} : { peers: at.array(root.peers, 'peers').map((id, i) => at.string(id, `peers[${i}]`)) }),
    protocol: { min, max: at.integer(protocol[1], 'protocol[1]', min) },
  }
}

function epochsOf(at: StoredJson, value: unknown): Record<string, number> {
  const epochs: Record<string, number> = {}
  for (const [kind, epoch] of Object.entries(at.object(value, 'epochs'))) epochs[kind] = at.integer(epoch, `epochs.${kind}`, 0)
  return epochs
}
