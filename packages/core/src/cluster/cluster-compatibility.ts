// Whether this node may join what is there: protocol versions that overlap, documents with its shard count and hash version, and
// lists of peers that agree. Read before it registers, and once more afterwards.

import { IncompatibleClusterError } from '../errors.ts'
import { HASH_VERSION } from '../hashing/key-hash.ts'
import { PROTOCOL, type ProtocolRange, rangeInWords } from '../messaging/protocol-version.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { ClusterKeys } from './cluster-keys.ts'
import type { ResolvedClusterOptions } from './cluster-options.ts'
import { type NodeRecord, parseNodeRecord } from './node-record.ts'
import { parsePlacement } from './placement-codec.ts'
import type { PlacementDocument } from './placement-document.ts'

/** Throws `IncompatibleClusterError` naming what differs and on which node or kind. */
export async function requireCompatible(
  store: Pick<MetadataStore, 'list'>,
  keys: ClusterKeys,
  options: Pick<ResolvedClusterOptions, 'nodeId' | 'clusterId' | 'shardCount' | 'actors' | 'peers'>,
  protocol: ProtocolRange = PROTOCOL,
): Promise<void> {
  for (const entry of await store.list(keys.nodes)) {
    const node = parseNodeRecord(entry.key, entry.value)
    if (node.nodeId === options.nodeId) continue
    requireProtocol(node, protocol, options.clusterId)
    requireListed(node, options.peers)
    requireExpected(node, options.nodeId)
  }
  const kinds = new Set(options.actors.map((definition) => definition.kind))
  for (const entry of await store.list(keys.placement)) {
    if (kinds.has(entry.key.slice(keys.placement.length))) requirePlacement(parsePlacement(entry.key, entry.value, protocol), options)
  }
}

function requireProtocol(node: NodeRecord, own: ProtocolRange, clusterId: string): void {
  if (node.protocol.min <= own.max && own.min <= node.protocol.max) return
  throw new IncompatibleClusterError(
    `node '${node.nodeId}' of cluster '${clusterId}' speaks protocol ${rangeInWords(node.protocol)}, this release ${rangeInWords(own)}; upgrade through a release that speaks both`,
  )
}

/** With static peers, only those may be there. */
function requireListed(node: NodeRecord, peers: ResolvedClusterOptions['peers']): void {
  if (peers === undefined || peers.some((peer) => peer.nodeId === node.nodeId)) return
  const listed = peers.map((peer) => peer.nodeId).join(', ')
  throw new IncompatibleClusterError(
    `node '${node.nodeId}' is in the cluster and not in this node's option peers, which names: ${listed}; the list must be the same on all nodes`,
  )
}

/** A node with a fixed list of peers could not reach one that is not on it. */
function requireExpected(node: NodeRecord, nodeId: string): void {
  if (node.peers === undefined || node.peers.includes(nodeId)) return
  throw new IncompatibleClusterError(
    `node '${node.nodeId}' has static peers (its option peers), which are: ${node.peers.join(', ')}; they do not name this node, '${nodeId}'. The list must be the same on all nodes`,
  )
}

function requirePlacement(document: PlacementDocument, options: Pick<ResolvedClusterOptions, 'clusterId' | 'shardCount'>): void {
  if (document.hashVersion !== HASH_VERSION) {
    throw new IncompatibleClusterError(
      `kind '${document.kind}' of cluster '${options.clusterId}' is placed with hash version ${document.hashVersion}, this release has ${HASH_VERSION}: its actors would be looked for elsewhere`,
    )
  }
  if (document.shardCount !== options.shardCount) {
    throw new IncompatibleClusterError(
      `kind '${document.kind}' of cluster '${options.clusterId}' has ${document.shardCount} shards, and shardCount is ${options.shardCount}; it was fixed when the kind was placed first, so set shardCount: ${document.shardCount}`,
    )
  }
}
