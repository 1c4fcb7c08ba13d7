// What the manager may ask the leader to change: the decisions, as functions of the newest document and the registered nodes. Pure.

import { ManagementError } from '../errors.ts'
import { shardOf } from '../hashing/key-hash.ts'
import type { NodeRecord } from './node-record.ts'
import { MAX_PINS, type PlacementDocument, sameProcess } from './placement-document.ts'
import { type PlacementChange, PlacementChangeError } from './placement-transitions.ts'
import { ownerOf } from './planner.ts'

/** Undefined: the actor is where it is wanted, or on its way there. Throws `ManagementError`, or `PlacementChangeError` for what may pass. */
export function migration(
  document: PlacementDocument,
  nodes: readonly NodeRecord[],
  id: string,
  nodeId: string,
  handoffId: string,
): PlacementChange | undefined {
  const { kind } = document
  const node = nodes.find((candidate) => candidate.nodeId === nodeId)
  if (node === undefined) {
    throw new ManagementError(
      `${kind}/${id} can't move to node '${nodeId}': it is not registered; registered are: ${nodes.map((each) => each.nodeId).join(', ')}`,
    )
  }
  if (!node.kinds.includes(kind))
    throw new ManagementError(`${kind}/${id} can't move to node '${nodeId}': it does not host kind '${kind}' (its option hosts)`)
  if (node.draining) throw new ManagementError(`${kind}/${id} can't move to node '${nodeId}': it is draining`)
  const target = ownerOf(node)
  const pin = document.pins.get(id)
  const entry = pin ?? document.shards[shardOf(id, document.shardCount)]
  if (entry?.move !== undefined && pin !== undefined) {
    if (sameProcess(entry.move.target, target)) return undefined
    throw new PlacementChangeError(
      document,
      { type: 'begin-move', unit: id, handoffId, target },
      `it is moving to '${entry.move.target.nodeId}'`,
    )
  }
  if (entry?.owner && entry.move === undefined && sameProcess(entry.owner, target)) return undefined
  if (pin !== undefined) return { type: 'begin-move', unit: id, handoffId, target }
  if (document.pins.size >= MAX_PINS) {
    throw new ManagementError(
      `${kind}/${id} can't be moved by hand: ${MAX_PINS} actors of kind '${kind}' are, which is the most; give some back with manager.unpin`,
    )
  }
  return { type: 'pin', id, handoffId, target }
}

/** Undefined: it is not pinned. */
export function unpinning(document: PlacementDocument, id: string): PlacementChange | undefined {
  return document.pins.has(id) ? { type: 'unpin', id } : undefined
}
