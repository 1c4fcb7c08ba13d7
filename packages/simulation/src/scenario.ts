// A scenario: everything that a seed decides, as plain data. A run depends on it alone, so it can be written to a file, shrunk, and replayed.

import { type Fault, type FaultKind, planFaults, planMassDeath } from './faults.ts'
import type { HostOptions } from './host.ts'
import type { NetworkProfile } from './network.ts'
import { streamOf } from './random-streams.ts'
import type { StoreProfile } from './store.ts'
import { planWatching } from './watching-plan.ts'
import { type Action, planWorkload } from './workload.ts'

export interface Scenario {
  readonly seed: number
  readonly hosts: readonly HostOptions[]
  readonly actors: readonly string[]
  readonly ttlMs: number
  readonly shardCount: number
  readonly network: NetworkProfile
  readonly store: StoreProfile
  readonly linkRetentionMs: number
  readonly sourceRetentionMs: number
  /** What a receiver lets each of its peers have under way. */
  readonly creditBytes: number
  /** Of each node's outbox, of its outbox for one peer, and of its frames for one peer. */
  readonly bounds: { readonly outboxMessages: number; readonly outboxMessagesPerPeer: number; readonly linkBufferBytes: number }
  /** Faults and workload begin. */
  readonly beginMs: number
  /** Everything is healed. */
  readonly healMs: number
  readonly faults: readonly Fault[]
  readonly actions: readonly Action[]
}

export interface ScenarioOptions {
  readonly nodes?: number | undefined
  readonly actors?: number | undefined
  readonly messages?: number | undefined
  readonly durationMs?: number | undefined
  readonly faultKinds?: readonly FaultKind[] | undefined
  readonly faults?: number | undefined
  readonly shardCount?: number | undefined
  readonly ttlMs?: number | undefined
  /** How many times an actor is asked to watch another one. Default: some in three seeds of ten, none in large clusters. */
  readonly watches?: number | undefined
}

/** See `recording-actors.ts`. */
const KINDS = [
  ['cell', 6],
  ['brief', 3],
  ['lasting', 1],
] as const

/** From then on few shards would leave most nodes without any. */
const LARGE_NODES = 50
/** Core's own default. */
const DEFAULT_SHARDS = 256

export function planScenario(seed: number, options: ScenarioOptions = {}): Scenario {
  const topology = streamOf(seed, 'topology')
  const nodes = options.nodes ?? 3 + topology.below(topology.chance(0.2) ? 5 : 2)
  const isLarge = nodes >= LARGE_NODES
  const ttlMs = options.ttlMs ?? 1_000
  const beginMs = 2 * ttlMs
  const durationMs = options.durationMs ?? topology.pick([4, 6, 9]) * ttlMs
  const healMs = beginMs + durationMs
  const ordered = topology.chance(0.7)
  const hosts: HostOptions[] = Array.from({ length: nodes }, (_, index) => ({
    nodeId: `n${index + 1}`,
    // Quartz: within 100 parts in a million of each other.
    clockRate: 1 + topology.between(-5e-5, 5e-5),
    wallOriginMs: 1.7e12 + topology.between(-10_000, 10_000),
    timerLatenessMs: topology.pick([0.1, 1, 5]),
  }))
  const faultStream = streamOf(seed, 'faults')
  // Few seeds: what a failover costs shows where nothing else happens.
  const isMassDeath = options.faultKinds === undefined && topology.chance(0.02)
  const faults = isMassDeath
    ? planMassDeath(faultStream, { ttlMs, atMs: beginMs + ttlMs, hosts: nodes })
    : planFaults(faultStream, {
        ttlMs,
        fromMs: beginMs,
        untilMs: healMs - 0.2 * ttlMs,
        kinds: options.faultKinds,
        count: options.faults,
      })
  const actorCount = options.actors ?? 4 + topology.below(16)
  const actors = Array.from({ length: actorCount }, (_, index) => `${topology.weighted(KINDS)}/a${index}`)
  return {
    seed,
    hosts,
    actors,
    ttlMs,
    shardCount: options.shardCount ?? (isLarge ? DEFAULT_SHARDS : topology.pick([4, 8, 16])),
    network: {
      latencyMs: topology.pick([0.3, 1, 5]),
      ordered,
      duplicateChance: ordered ? 0 : topology.pick([0, 0.02, 0.1]),
      heartbeatTimeoutMs: ttlMs * topology.pick([0.3, 0.6]),
      highWaterBytes: topology.pick([8 << 10, 64 << 10, 1 << 20]),
      maxFrameBytes: 256 << 10,
    },
    store: {
      latencyMs: topology.pick([0.3, 1, 5]),
      watchLagMs: topology.pick([0.5, 5, 50]),
      doubtChance: topology.pick([0, 0, 0.02, 0.1]),
      agesWhileDown: topology.chance(0.5),
    },
    linkRetentionMs: Math.round(ttlMs * topology.pick([0.7, 2, 20])),
    sourceRetentionMs: Math.round(ttlMs * topology.pick([3, 20, 3_600])),
    creditBytes: topology.pick([8 << 10, 64 << 10, 1 << 20]),
    // In a large cluster every actor is asked at once in the end, and that is not what is tried here.
    bounds:
      topology.chance(0.3) && !isLarge
        ? { outboxMessages: 60, outboxMessagesPerPeer: 12, linkBufferBytes: 16 << 10 }
        : { outboxMessages: 10_000, outboxMessagesPerPeer: 5_000, linkBufferBytes: 1 << 20 },
    beginMs,
    healMs,
    faults,
    actions: byTime([
      ...planWorkload(streamOf(seed, 'workload'), {
        fromMs: beginMs - 200,
        untilMs: healMs + 200,
        count: options.messages ?? 60 + topology.below(200),
        hosts: nodes,
        actors: actorCount,
      }),
      // From a stream of its own, and last: a seed without them is what it was before there were any.
      ...planWatching(streamOf(seed, 'watching'), {
        fromMs: beginMs - 200,
        untilMs: healMs,
        count: options.watches ?? (isLarge ? 0 : undefined),
        hosts: nodes,
        actors,
      }),
    ]),
  }
}

function byTime(actions: readonly Action[]): Action[] {
  return [...actions].sort((a, b) => a.atMs - b.atMs)
}
