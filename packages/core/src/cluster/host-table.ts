// The nodes that may be given shards, as the planner counts them: fair shares, what each has, and which of them a shard prefers.
//
// A plan of 1,000 nodes and 1,024 shards compares a million pairs, so: every node is hashed once, nodes are kept in columns, and among
// nodes of one capacity the mixed hashes are compared as they are (the score grows with them), with one logarithm for the best.

import { hashKey } from '../hashing/key-hash.ts'
import { mixPair, scoreOf } from '../hashing/rendezvous.ts'
import type { PlanCandidate } from './planner.ts'

/** Against floating point: a share of 24.999999999 is 25. */
const EPSILON = 1e-9

export const NO_HOST = -1

export class HostTable {
  /** By capacity, then node id: nodes of one capacity stand together, and of equals the first wins. */
  readonly hosts: readonly PlanCandidate[]
  /** Shards that each host has or is getting. */
  readonly counts: Int32Array
  /** Fair share (shards times capacity by total capacity) rounded down, and rounded up: nobody gets more. */
  readonly floors: Int32Array
  readonly caps: Int32Array
  /**
   * A host with less than this is filled up from others. With equal capacities the fair share rounded down. Otherwise one less: rounding alone
   * can then put many hosts one below at once, and a leave would move more than what the leaver had.
   */
  readonly lows: Int32Array
  /** How many shards are missing until every host has its fair share rounded down: kept up, because it is asked for every shard. */
  missing: number
  /** The score of the last host that was {@link choose}n. */
  chosenScore = 0

  readonly #indexes = new Map<string, number>()
  readonly #nodeHashes: Int32Array
  /** Where each group of hosts of one capacity ends. */
  readonly #classEnds: readonly number[]
  readonly #loads: Float64Array
  readonly #topK: number

  /** `topK` 0: the most preferred host is chosen; above: the least loaded of that many. */
  constructor(candidates: Iterable<PlanCandidate>, shardCount: number, topK: number) {
    this.hosts = [...candidates]
      .filter((candidate) => !candidate.draining)
      .sort((a, b) => a.capacity - b.capacity || (a.nodeId < b.nodeId ? -1 : 1))
    for (const [index, { nodeId }] of this.hosts.entries()) this.#indexes.set(nodeId, index)
    const total = this.hosts.reduce((sum, { capacity }) => sum + capacity, 0)
    const isEven = this.hosts.every(({ capacity }) => capacity === this.hosts[0]?.capacity)
    const shares = this.hosts.map(({ capacity }) => (shardCount * capacity) / total)
    this.counts = new Int32Array(this.hosts.length)
    this.floors = Int32Array.from(shares, (share) => Math.floor(share + EPSILON))
    this.caps = Int32Array.from(shares, (share) => Math.ceil(share - EPSILON))
    this.missing = this.floors.reduce((sum, floor) => sum + floor, 0)
    this.lows = isEven ? this.floors : this.floors.map((floor) => Math.max(0, floor - 1))
    this.#nodeHashes = Int32Array.from(this.hosts, ({ nodeId }) => hashKey(nodeId) | 0)
    this.#classEnds = this.hosts.flatMap(({ capacity }, i) => (capacity === this.hosts[i + 1]?.capacity ? [] : [i + 1]))
    this.#loads = Float64Array.from(this.hosts, ({ load }) => load)
    this.#topK = topK
  }

  indexOf(nodeId: string): number {
    return this.#indexes.get(nodeId) ?? NO_HOST
  }

  /** A shard that the host has, or is given. */
  count(host: number): void {
    const count = this.at(this.counts, host)
    if (count < this.at(this.floors, host)) this.missing--
    this.counts[host] = count + 1
  }

  take(host: number): void {
    const count = this.at(this.counts, host)
    if (count <= this.at(this.floors, host)) this.missing++
    this.counts[host] = count - 1
  }

  /** How many shards are missing until every host has its limit. */
  deficit(limits: Int32Array): number {
    let missing = 0
    for (let i = 0; i < limits.length; i++) missing += Math.max(0, this.at(limits, i) - this.at(this.counts, i))
    return missing
  }

  /** How many shards are above the limits. */
  excess(limits: Int32Array): number {
    let above = 0
    for (let i = 0; i < limits.length; i++) above += Math.max(0, this.at(this.counts, i) - this.at(limits, i))
    return above
  }

  score(shardHash: number, host: number): number {
    return scoreOf(mixPair(shardHash, this.at(this.#nodeHashes, host)), (this.hosts[host] as PlanCandidate).capacity)
  }

  /** The host for a shard among those that have less than their limit; {@link NO_HOST} when nobody has. */
  choose(shardHash: number, limits: Int32Array): number {
    return this.#topK > 0 ? this.#chooseLightest(shardHash, limits) : this.#choosePreferred(shardHash, limits)
  }

  #choosePreferred(shardHash: number, limits: Int32Array): number {
    const { hosts, counts } = this
    const nodeHashes = this.#nodeHashes
    let chosen = NO_HOST
    let chosenScore = 0
    let i = 0
    for (const end of this.#classEnds) {
      let best = NO_HOST
      let bestMixed = -1
      for (; i < end; i++) {
        if ((counts[i] as number) >= (limits[i] as number)) continue
        const mixed = mixPair(shardHash, nodeHashes[i] as number)
        if (mixed > bestMixed) {
          bestMixed = mixed
          best = i
        }
      }
      if (best === NO_HOST) continue
      const score = scoreOf(bestMixed, (hosts[best] as PlanCandidate).capacity)
      if (chosen === NO_HOST || score > chosenScore || (score === chosenScore && this.#comesFirst(best, chosen))) {
        chosen = best
        chosenScore = score
      }
    }
    this.chosenScore = chosenScore
    return chosen
  }

  #chooseLightest(shardHash: number, limits: Int32Array): number {
    const top: { host: number; score: number }[] = []
    for (let host = 0; host < this.hosts.length; host++) {
      if (this.at(this.counts, host) >= this.at(limits, host)) continue
      const score = this.score(shardHash, host)
      const last = top[top.length - 1]
      if (top.length === this.#topK && last !== undefined && score <= last.score) continue
      if (top.length === this.#topK) top.pop()
      const at = top.findIndex((other) => score > other.score || (score === other.score && this.#comesFirst(host, other.host)))
      top.splice(at === -1 ? top.length : at, 0, { host, score })
    }
    let chosen = top[0]
    for (const candidate of top)
      if (chosen !== undefined && this.#lightness(candidate.host) < this.#lightness(chosen.host)) chosen = candidate
    this.chosenScore = chosen?.score ?? 0
    return chosen?.host ?? NO_HOST
  }

  #lightness(host: number): number {
    return (this.#loads[host] as number) / (this.hosts[host] as PlanCandidate).capacity
  }

  #comesFirst(a: number, b: number): boolean {
    return (this.hosts[a] as PlanCandidate).nodeId < (this.hosts[b] as PlanCandidate).nodeId
  }

  at(column: Int32Array, host: number): number {
    return column[host] as number
  }
}
