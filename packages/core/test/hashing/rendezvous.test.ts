import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashKey } from '../../src/hashing/key-hash.ts'
import { type Candidate, mixPair, rank, rendezvousScore, shardHash } from '../../src/hashing/rendezvous.ts'
import vectors from './vectors.json' with { type: 'json' }

const evenNodes = (count: number): Candidate[] => Array.from({ length: count }, (_, i) => ({ nodeId: `node${i}`, weight: 1 }))
const favourite = (kind: string, shard: number, nodes: readonly Candidate[]): string => rank(shardHash(kind, shard), nodes)[0]?.nodeId ?? ''

/** How many of `shards` prefer each node. */
function share(nodes: readonly Candidate[], shards: number): Map<string, number> {
  const counts = new Map(nodes.map(({ nodeId }) => [nodeId, 0]))
  for (let shard = 0; shard < shards; shard++) {
    const first = favourite('counter', shard, nodes)
    counts.set(first, (counts.get(first) ?? 0) + 1)
  }
  return counts
}

const candidates = fc.uniqueArray(
  fc.record({ nodeId: fc.string({ minLength: 1, maxLength: 8 }), weight: fc.double({ min: 0.01, max: 100, noNaN: true }) }),
  { minLength: 1, maxLength: 12, selector: ({ nodeId }) => nodeId },
)

describe('rank', () => {
  it('orders the published candidates as published', () => {
    for (const { kind, shard, candidates: nodes, ranked } of vectors.ranks) {
      expect(rank(shardHash(kind, shard), nodes).map(({ nodeId }) => nodeId)).toEqual(ranked)
    }
  })

  it('scores the published pairs as published', () => {
    for (const { kind, shard, nodeId, weight, score } of vectors.scores) {
      expect(rendezvousScore(shardHash(kind, shard), hashKey(nodeId), weight)).toBeCloseTo(score, 10)
    }
  })

  it('does not depend on the order in which candidates are given', () => {
    fc.assert(
      fc.property(candidates, fc.nat(), (nodes, shard) => {
        expect(rank(shard, [...nodes].reverse())).toEqual(rank(shard, nodes))
      }),
    )
  })

  it('keeps the order of those that stay when one goes', () => {
    fc.assert(
      fc.property(candidates, fc.nat(), fc.nat(), (nodes, shard, pick) => {
        const gone = nodes[pick % nodes.length]
        expect(
          rank(
            shard,
            nodes.filter((node) => node !== gone),
          ),
        ).toEqual(rank(shard, nodes).filter((node) => node !== gone))
      }),
    )
  })

  it('ranks a node never lower for a higher weight', () => {
    fc.assert(
      fc.property(candidates, fc.nat(), (nodes, shard) => {
        const before = rank(shard, nodes)
        const node = before[before.length - 1] as Candidate
        const heavier = { ...node, weight: node.weight * 3 }
        const after = rank(shard, [...nodes.filter((other) => other !== node), heavier])
        expect(after.indexOf(heavier)).toBeLessThanOrEqual(before.indexOf(node))
      }),
    )
  })

  it('gives a tie to the smaller node id', () => {
    // Equal scores need equal hashes; the same id twice has them.
    const twins = [
      { nodeId: 'b', weight: 1 },
      { nodeId: 'a', weight: 1 },
    ]
    const tied = rank(
      0,
      twins.map((twin) => ({ ...twin, weight: 0 })),
    )
    expect(tied.map(({ nodeId }) => nodeId)).toEqual(['a', 'b'])
  })
})

describe('the distribution of preferences', () => {
  it('is even over many shards', () => {
    const counts = share(evenNodes(10), 20_000)
    for (const count of counts.values()) {
      expect(count).toBeGreaterThan(1_850)
      expect(count).toBeLessThan(2_150)
    }
  })

  it('leaves one node of ten with about 1.3 times its share of 256 shards, which is why the planner caps', () => {
    const ratios = Array.from({ length: 40 }, (_, cluster) => {
      const nodes = Array.from({ length: 10 }, (_, i) => ({ nodeId: `cluster${cluster}-node${i}`, weight: 1 }))
      return Math.max(...share(nodes, 256).values()) / 25.6
    })
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
    expect(mean).toBeGreaterThan(1.15)
    expect(mean).toBeLessThan(1.45)
  })

  it('follows the weights', () => {
    const nodes = [
      { nodeId: 'small', weight: 1 },
      { nodeId: 'medium', weight: 2 },
      { nodeId: 'large', weight: 5 },
    ]
    const counts = share(nodes, 40_000)
    expect((counts.get('small') ?? 0) / 5_000).toBeCloseTo(1, 1)
    expect((counts.get('medium') ?? 0) / 10_000).toBeCloseTo(1, 1)
    expect((counts.get('large') ?? 0) / 25_000).toBeCloseTo(1, 1)
  })

  it('differs from kind to kind', () => {
    const nodes = evenNodes(10)
    let same = 0
    for (let shard = 0; shard < 2_000; shard++) if (favourite('counter', shard, nodes) === favourite('cart', shard, nodes)) same++
    // One in ten by chance.
    expect(same).toBeGreaterThan(140)
    expect(same).toBeLessThan(260)
  })

  it('would be broken by a bare XOR: one of two nodes then wins exactly by one bit of the shard', () => {
    // a ^ s > b ^ s is decided by the highest bit in which a and b differ, and by that bit of s alone.
    const xorWinner = (s: number, a: number, b: number): boolean => (a ^ s) >>> 0 > (b ^ s) >>> 0
    const [a, b] = [hashKey('node1'), hashKey('node2')]
    const deciding = 1 << (31 - Math.clz32(a ^ b))
    let [xorAgrees, mixedAgrees] = [0, 0]
    for (let shard = 0; shard < 4_096; shard++) {
      const s = shardHash('counter', shard)
      const bit = (s & deciding) !== 0
      if (xorWinner(s, a, b) === ((a & deciding) !== 0 ? !bit : bit)) xorAgrees++
      if (mixPair(s, a) > mixPair(s, b) === bit) mixedAgrees++
    }
    expect(xorAgrees).toBe(4_096)
    expect(mixedAgrees / 4_096).toBeGreaterThan(0.45)
    expect(mixedAgrees / 4_096).toBeLessThan(0.55)
  })

  it('spreads the second choice of those who lose a node over all others', () => {
    const nodes = evenNodes(8)
    const seconds = new Map<string, number>()
    for (let shard = 0; shard < 16_000; shard++) {
      const [first, second] = rank(shardHash('counter', shard), nodes)
      if (first?.nodeId === 'node3') seconds.set(second?.nodeId ?? '', (seconds.get(second?.nodeId ?? '') ?? 0) + 1)
    }
    expect(seconds.size).toBe(7)
    for (const count of seconds.values()) {
      expect(count).toBeGreaterThan(200)
      expect(count).toBeLessThan(380)
    }
  })
})
