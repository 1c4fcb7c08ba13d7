// The shards of one plan: who keeps what, where orphans go, and which handoffs bring everybody to a fair share.

import { shardHash } from '../hashing/rendezvous.ts'
import { HostTable, NO_HOST } from './host-table.ts'
import type { Owner, PlacementDocument, PlacementEntry } from './placement-document.ts'
import type { PlacementChange } from './placement-transitions.ts'
import { ownerOf, type PlanCandidate, type PlanOptions, type WantedMove } from './planner.ts'

interface Option {
  readonly shard: number
  readonly target: number
  /** How much more the shard prefers the target to where it is. */
  readonly gain: number
}

export class ShardPlan {
  readonly #document: PlacementDocument
  readonly #alive: ReadonlyMap<string, PlanCandidate>
  readonly #table: HostTable
  readonly #orphans: number[] = []
  /** The owner of each shard when the plan's changes are applied. */
  readonly #owners: (PlanCandidate | undefined)[]
  /** Shards on draining nodes that wait for their move. */
  readonly #draining: number[] = []
  /** Shards that stand still on a host, and so may be moved. */
  readonly #still: number[] = []

  constructor(document: PlacementDocument, alive: ReadonlyMap<string, PlanCandidate>, options: PlanOptions) {
    this.#document = document
    this.#alive = alive
    this.#table = new HostTable(alive.values(), document.shardCount, options.strategy === 'least-loaded' ? options.topK : 0)
    this.#owners = new Array(document.shardCount)
  }

  ownerOf(shard: number): PlanCandidate | undefined {
    return this.#owners[shard]
  }

  /** Where the shard would like to be, whoever has room. */
  favourite(shard: number): PlanCandidate | undefined {
    return this.#table.hosts[this.#table.choose(this.#hash(shard), UNLIMITED(this.#table.hosts.length))]
  }

  orphan(shard: number): void {
    this.#orphans.push(shard)
  }

  /** The shard has an owner, as `entry` says or as `step` changes it. */
  keep(shard: number, entry: PlacementEntry, step: PlacementChange | undefined): void {
    const named = step?.type === 'assign' ? step.owner : entry.owner
    const owner = this.#alive.get((named as Owner).nodeId) as PlanCandidate
    this.#owners[shard] = owner
    const move = step === undefined ? entry.move : undefined
    const host = this.#table.indexOf(move === undefined ? owner.nodeId : move.target.nodeId)
    if (host !== NO_HOST) this.#table.count(host)
    if (move !== undefined) return
    if (host === NO_HOST) this.#draining.push(shard)
    else this.#still.push(shard)
  }

  /** Owners for the shards that have none; `null` where there is no host. */
  *assignOrphans(): Generator<PlacementChange> {
    const table = this.#table
    let toCome = this.#orphans.length + this.#draining.length
    for (const shard of this.#orphans) {
      const host = table.choose(this.#hash(shard), this.#limits(toCome--))
      const candidate = table.hosts[host]
      if (candidate !== undefined) {
        table.count(host)
        this.#owners[shard] = candidate
        yield { type: 'assign', unit: shard, owner: ownerOf(candidate) }
      } else if (this.#document.shards[shard]?.owner !== null) {
        yield { type: 'assign', unit: shard, owner: null }
      }
    }
  }

  /** At most `budget` handoffs, to be asked for after {@link assignOrphans}. */
  *moves(budget: number): Generator<WantedMove> {
    if (this.#table.hosts.length === 0) return
    let left = budget
    for (const step of [this.#drain, this.#levelDown, this.#fillUp]) {
      for (const move of step.call(this, left)) {
        left--
        yield move
      }
      // What comes next starts from a cluster in which this is done.
      if (left === 0) return
    }
  }

  *#drain(budget: number): Generator<WantedMove> {
    let toCome = this.#draining.length
    for (const shard of this.#draining.slice(0, budget)) {
      const host = this.#table.choose(this.#hash(shard), this.#limits(toCome--))
      this.#table.count(host)
      yield this.#move(shard, host, 'drain')
    }
  }

  /** From hosts above their fair share rounded up. */
  #levelDown(budget: number): Generator<WantedMove> {
    const excess = this.#table.excess(this.#table.caps)
    return this.#rebalance(Math.min(budget, excess), this.#table.caps, (left) => this.#limits(left + excess - Math.min(budget, excess)))
  }

  /** To hosts far below their fair share, from those above theirs. */
  #fillUp(budget: number): Generator<WantedMove> {
    const { lows, floors } = this.#table
    return this.#rebalance(Math.min(budget, this.#table.deficit(lows)), floors, () => lows)
  }

  /** Moves `count` shards off hosts that have more than their `keep`, those first that gain most. `limits`: how far targets may be filled while so many are to come. */
  *#rebalance(count: number, keep: Int32Array, limits: (left: number) => Int32Array): Generator<WantedMove> {
    if (count === 0) return
    const table = this.#table
    const options: Option[] = []
    for (const shard of this.#still) {
      const from = this.#hostOf(shard)
      if (from === NO_HOST || table.at(table.counts, from) <= table.at(keep, from)) continue
      const target = table.choose(this.#hash(shard), limits(count))
      if (target !== NO_HOST) options.push({ shard, target, gain: table.chosenScore / table.score(this.#hash(shard), from) })
    }
    options.sort((a, b) => b.gain - a.gain || a.shard - b.shard)
    let left = count
    for (const { shard, target } of options) {
      if (left === 0) return
      const from = this.#hostOf(shard)
      if (table.at(table.counts, from) <= table.at(keep, from)) continue
      const allowed = limits(left)
      const hasRoom = table.at(table.counts, target) < table.at(allowed, target)
      const host = hasRoom ? target : table.choose(this.#hash(shard), allowed)
      if (host === NO_HOST) return
      table.take(from)
      table.count(host)
      left--
      this.#moved.add(shard)
      yield this.#move(shard, host, 'rebalance')
    }
  }

  readonly #moved = new Set<number>()

  #hostOf(shard: number): number {
    const owner = this.#owners[shard]
    return owner === undefined || this.#moved.has(shard) ? NO_HOST : this.#table.indexOf(owner.nodeId)
  }

  /** While more are to come than are missing until everybody has a fair share rounded down, hosts may be filled to the share rounded up. */
  #limits(toCome: number): Int32Array {
    return toCome > this.#table.missing ? this.#table.caps : this.#table.floors
  }

  #move(shard: number, host: number, reason: WantedMove['reason']): WantedMove {
    const from = this.#owners[shard] as PlanCandidate
    return { unit: shard, from: ownerOf(from), target: ownerOf(this.#table.hosts[host] as PlanCandidate), reason }
  }

  #hash(shard: number): number {
    return shardHash(this.#document.kind, shard)
  }
}

function UNLIMITED(length: number): Int32Array {
  return new Int32Array(length).fill(2 ** 31 - 1)
}
