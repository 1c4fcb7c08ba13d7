// Rendezvous (highest random weight) hashing with weights: which node a shard prefers, without a table and without coordination.
//
// Sources: D. Thaler, C. Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM ToN 6(1), 1998; the weighted form with
// score -weight / ln(u) is from J. Resch, "New hashing algorithms for data storage", SNIA 2015.
//
// Gotcha: a promise like `key-hash.ts`, under the same `HASH_VERSION`.

import { hashKey, mix32 } from './key-hash.ts'

export interface Candidate {
  readonly nodeId: string
  /** Relative capacity, above 0. A node of weight 2 is preferred by twice as many shards as one of weight 1. */
  readonly weight: number
}

/**
 * The hash of a pair, unsigned, 32 bits. Mixing after the combination is what makes the order of nodes differ from shard to shard: a bare XOR of two
 * hashes keeps the relation between two nodes the same for half of all shards. The node's own term keeps pairs of equal XOR apart.
 */
export function mixPair(shardHash: number, nodeHash: number): number {
  return mix32(mix32(shardHash ^ nodeHash) + Math.imul(nodeHash, 0x9e3779b1))
}

/** The score of a pair's hash: it grows with the hash and with the weight. */
export function scoreOf(pairHash: number, weight: number): number {
  // Into the open interval (0, 1), so that the logarithm is finite and below 0.
  return -weight / Math.log((pairHash + 0.5) / 4294967296)
}

/** The score of a pair: the node with the highest is the one that the shard prefers. */
export function rendezvousScore(shardHash: number, nodeHash: number, weight: number): number {
  return scoreOf(mixPair(shardHash, nodeHash), weight)
}

/** The hash of a shard as rendezvous takes it: kinds spread independently of each other. */
export function shardHash(kind: string, shard: number): number {
  return hashKey(`${kind}/${shard}`)
}

/** Candidates from the most to the least preferred by a shard of this {@link shardHash}. Ties (equal scores) go to the smaller node id. */
export function rank(shardHash: number, candidates: readonly Candidate[]): readonly Candidate[] {
  return candidates
    .map((candidate) => ({
      candidate,
      score: rendezvousScore(shardHash, hashKey(candidate.nodeId), candidate.weight),
    }))
    .sort((a, b) => b.score - a.score || (a.candidate.nodeId < b.candidate.nodeId ? -1 : 1))
    .map(({ candidate }) => candidate)
}
