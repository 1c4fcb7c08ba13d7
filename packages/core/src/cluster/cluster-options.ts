// The options of `ClusterActorSystem.start`: what they mean, their defaults, and their validation. Everything that can be known to be wrong
// without asking store or network is refused here, with a `ConfigError` that names the option, the value, and what would be right.

import type { ActorDefinition } from '../actor/definition.ts'
import { ConsoleLogger, type Logger } from '../actor/logger.ts'
import { type DeliveryLimits, resolveDeliveryLimits } from '../delivery/delivery-limits.ts'
import { DEFAULT_GUARANTEE, GUARANTEES, type Guarantee } from '../delivery/guarantee.ts'
import { ConfigError, StoreCapabilityError } from '../errors.ts'
import type { MessagingSystem } from '../messaging/messaging-system.ts'
import type { MetadataStore, StoreCapabilities } from '../metadata/metadata-store.ts'
import { nodeRuntime } from '../runtime/node-runtime.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { flag, integer, LONGEST_MS, name, number, object, oneOf, section, show } from './option-checks.ts'
import { largestPlacementBytes } from './placement-codec.ts'
import { MAX_SHARDS } from './placement-document.ts'
import { type PlanOptions, planDefaults } from './planner.ts'

export interface ClusterOptions {
  /** Names this node: unique in the cluster, the same after a restart. 1 to 128 of the characters `A-Z a-z 0-9 . _ - : @`. */
  readonly nodeId: string
  /** Clusters of different ids share a store without seeing each other. Characters as in `nodeId`. Default `default`. */
  readonly clusterId?: string | undefined
  /** Who is alive, who leads, who owns what. Opened by `start`, closed by `stop`. */
  readonly metadata: MetadataStore
  /** How bytes travel. Started by `start`, stopped by `stop`. */
  readonly messaging: MessagingSystem
  /** Every kind that this node sends to or hosts. */
  readonly actors: readonly ActorDefinition[]
  /** The kinds, among `actors`, that may live on this node; `[]`: none, a pure client. Default: all. */
  readonly hosts?: readonly string[] | undefined
  /** Shards per kind, 1 to 4,096: fixed when a kind is placed for the first time; a node that disagrees may not join. Default 256. */
  readonly shardCount?: number | undefined
  /** How long after its last sign of life a process is taken for dead: bounds failover (TTL + 1 s) and the pause that a process survives. 500 to 600,000. Default 5,000. */
  readonly sessionTtlMs?: number | undefined
  /** Relative capacity: a node of 2 is given twice as many shards as one of 1. 0.01 to 1,000. Default 1. */
  readonly capacity?: number | undefined
  /** What this node reports as its load to the `least-loaded` strategy. Default: the number of live actors. */
  readonly load?: (() => number) | undefined
  readonly placement?: Partial<PlanOptions> | undefined
  readonly handoff?: Partial<HandoffOptions> | undefined
  /**
   * Addresses of all nodes, this one among them, for deployments where nodes can't publish theirs. Given: only these nodes may join.
   * Default: each node publishes its own in the store.
   */
  readonly peers?: readonly StaticPeer[] | undefined
  /**
   * Accepts a store without fencing or linearizable reads (Redis with asynchronous failover): after a failover of the *store* two processes may
   * own one actor for a while. Default false: `start` rejects with `StoreCapabilityError`.
   */
  readonly acceptUnfencedStore?: boolean | undefined
  /**
   * A node that reaches the store but none of its peers for this long ends its own session, so that its shards move to where they can
   * be reached. At least `sessionTtlMs`; `Infinity`: never. Default: three times `sessionTtlMs`.
   */
  readonly isolationMs?: number | undefined
  /** How often documents are read again although nothing was reported: the net under a watch that stays silent. At least `sessionTtlMs`. Default 30,000. */
  readonly reconcileMs?: number | undefined
  /** How long `stop` waits for its shards to be handed over before it ends the session all the same. 0: not at all. Default 10,000. */
  readonly stopTimeoutMs?: number | undefined
  /** The guarantee of messages that name none. Default `exactly-once`. */
  readonly defaultGuarantee?: Guarantee | undefined
  /** Bounds of outboxes, links and records, see `DeliveryLimits`. */
  readonly delivery?: Partial<DeliveryLimits> | undefined
  /** Payloads pass through the codec also when sender and actor share a process, so that shared objects are found early. Default: the actor room's, which is true under test. */
  readonly strict?: boolean | undefined
  /** Keeps the latency histograms of `cluster.metrics()`: two clock readings for each message. Default false. */
  readonly measureLatency?: boolean | undefined
  /** Where the system says what an operator should know. Default: the console, from `warn` upwards. */
  readonly logger?: Logger | undefined
  /** Clocks, timers, randomness. Default: those of Node; the simulation passes its own. */
  readonly runtime?: Runtime | undefined
}

export interface HandoffOptions {
  /** A handoff that took longer is aborted: the owner opens again. At least 1,000. Default 30,000. */
  readonly timeoutMs: number
  /** Bytes of one control message that ships state, 1,024 to 262,144. Default 262,144. */
  readonly chunkBytes: number
  /** Handoffs that one node ships or receives at a time. Default 4. */
  readonly concurrent: number
}

export interface StaticPeer {
  readonly nodeId: string
  /** In the form that the messaging system takes, such as `10.0.0.7:8080`. */
  readonly address: string
}

export type ClusterDefaults = Pick<
  ResolvedClusterOptions,
  | 'clusterId'
  | 'shardCount'
  | 'sessionTtlMs'
  | 'capacity'
  | 'placement'
  | 'handoff'
  | 'acceptUnfencedStore'
  | 'reconcileMs'
  | 'stopTimeoutMs'
  | 'defaultGuarantee'
  | 'measureLatency'
  | 'runtime'
>

/** Everything that has a default, with it. `isolationMs` follows `sessionTtlMs`, and `hosts` follows `actors`. */
export const clusterDefaults: ClusterDefaults = {
  clusterId: 'default',
  shardCount: 256,
  sessionTtlMs: 5_000,
  capacity: 1,
  placement: planDefaults,
  handoff: { timeoutMs: 30_000, chunkBytes: 262_144, concurrent: 4 },
  acceptUnfencedStore: false,
  reconcileMs: 30_000,
  stopTimeoutMs: 10_000,
  defaultGuarantee: DEFAULT_GUARANTEE,
  measureLatency: false,
  runtime: nodeRuntime,
}

/** {@link ClusterOptions} after validation: nothing left to default but `strict`, which the actor room resolves, and `load`, which is counted. */
export interface ResolvedClusterOptions extends ClusterOptions {
  readonly clusterId: string
  readonly hosts: readonly string[]
  readonly shardCount: number
  readonly sessionTtlMs: number
  readonly capacity: number
  readonly placement: PlanOptions
  readonly handoff: HandoffOptions
  readonly acceptUnfencedStore: boolean
  readonly isolationMs: number
  readonly reconcileMs: number
  readonly stopTimeoutMs: number
  readonly defaultGuarantee: Guarantee
  readonly delivery: DeliveryLimits
  readonly measureLatency: boolean
  readonly logger: Logger
  readonly runtime: Runtime
}

const KNOWN = new Set<string>([
  'nodeId',
  'clusterId',
  'metadata',
  'messaging',
  'actors',
  'hosts',
  'shardCount',
  'sessionTtlMs',
  'capacity',
  'load',
  'placement',
  'handoff',
  'peers',
  'acceptUnfencedStore',
  'isolationMs',
  'reconcileMs',
  'stopTimeoutMs',
  'defaultGuarantee',
  'delivery',
  'strict',
  'measureLatency',
  'logger',
  'runtime',
] satisfies (keyof ClusterOptions)[])

/** Fills in the defaults. Throws `ConfigError` at the first option that is missing, impossible, or contradicts another. */
export function resolveClusterOptions(options: ClusterOptions): ResolvedClusterOptions {
  if (typeof options !== 'object' || options === null) {
    throw new ConfigError(`options are ${show(options)}; they must be an object`)
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw new ConfigError(`unknown option ${name}; known are: ${[...KNOWN].join(', ')}`)
  }
  const sessionTtlMs = integer('sessionTtlMs', options.sessionTtlMs ?? clusterDefaults.sessionTtlMs, 500, 600_000)
  const nodeId = name('nodeId', options.nodeId)
  const clusterId = name('clusterId', options.clusterId ?? clusterDefaults.clusterId)
  object('metadata', options.metadata, 'openSession', 'a MetadataStore, such as new EtcdMetadataStore({ … })')
  object('messaging', options.messaging, 'connect', 'a MessagingSystem, such as new TcpMessagingSystem({ … })')
  const kinds = kindsOf(options.actors)
  if (options.load !== undefined && typeof options.load !== 'function') {
    throw new ConfigError(`load is ${show(options.load)}; it must be a function that returns a number`)
  }
  if (options.strict !== undefined) flag('strict', options.strict)
  if (options.peers !== undefined) checkPeers(options.peers, nodeId)
  return {
    ...options,
    nodeId,
    clusterId,
    sessionTtlMs,
    hosts: hostsOf(options.hosts, kinds),
    shardCount: integer('shardCount', options.shardCount ?? clusterDefaults.shardCount, 1, MAX_SHARDS),
    capacity: number('capacity', options.capacity ?? clusterDefaults.capacity, 0.01, 1_000),
    placement: placementOf(options.placement),
    handoff: handoffOf(options.handoff, sessionTtlMs),
    acceptUnfencedStore: flag('acceptUnfencedStore', options.acceptUnfencedStore ?? clusterDefaults.acceptUnfencedStore),
    isolationMs: atLeastTtl('isolationMs', options.isolationMs ?? 3 * sessionTtlMs, sessionTtlMs, true),
    // Below the default TTL, the default of 30 s is above every TTL but very long ones, which it then follows.
    reconcileMs: atLeastTtl('reconcileMs', options.reconcileMs ?? Math.max(clusterDefaults.reconcileMs, sessionTtlMs), sessionTtlMs, false),
    stopTimeoutMs: number('stopTimeoutMs', options.stopTimeoutMs ?? clusterDefaults.stopTimeoutMs, 0, LONGEST_MS),
    defaultGuarantee: oneOf('defaultGuarantee', options.defaultGuarantee ?? clusterDefaults.defaultGuarantee, GUARANTEES),
    delivery: resolveDeliveryLimits(options.delivery, options.messaging.capabilities?.maxFrameBytes),
    logger: options.logger ?? new ConsoleLogger(),
    measureLatency: flag('measureLatency', options.measureLatency ?? clusterDefaults.measureLatency),
    runtime: options.runtime ?? clusterDefaults.runtime,
  }
}

/**
 * Refuses, with `StoreCapabilityError`, a store that can't hold what the options ask of it. Called by `start` once the store is open,
 * because some stores know their capabilities only then.
 */
export function requireStore(capabilities: StoreCapabilities, options: ResolvedClusterOptions): void {
  if (!options.acceptUnfencedStore) {
    const missing = [capabilities.fencing ? '' : 'fencing', capabilities.linearizable ? '' : 'linearizable reads'].filter(Boolean)
    if (missing.length > 0) {
      throw new StoreCapabilityError(
        `the metadata store has no ${missing.join(' and no ')}, so that two processes might own one actor after a failover of the store; ` +
          'use a store that has (etcd, ZooKeeper), or accept that with acceptUnfencedStore: true',
      )
    }
  }
  const needed = largestPlacementBytes(options.shardCount)
  if (capabilities.maxValueBytes < needed) {
    throw new StoreCapabilityError(
      `values of the metadata store hold at most ${capabilities.maxValueBytes} bytes; a placement document of ${options.shardCount} shards may take ${needed}. ` +
        'Lower shardCount, or raise the limit of the store',
    )
  }
}

const STRATEGIES: readonly PlanOptions['strategy'][] = ['rendezvous', 'least-loaded']

function atLeastTtl(option: string, value: unknown, ttlMs: number, orNever: boolean): number {
  if (orNever && value === Number.POSITIVE_INFINITY) return value
  if (typeof value !== 'number' || !(value >= ttlMs && value <= LONGEST_MS)) {
    throw new ConfigError(
      `${option} is ${show(value)}; it must be a number of milliseconds from sessionTtlMs (${ttlMs}) to ${LONGEST_MS}${orNever ? ', or Infinity' : ''}`,
    )
  }
  return value
}

function kindsOf(actors: unknown): ReadonlySet<string> {
  if (!Array.isArray(actors)) throw new ConfigError(`actors is ${show(actors)}; it must be an array of what defineActor returns`)
  const kinds = new Set<string>()
  for (const [index, definition] of actors.entries()) {
    const kind: unknown = definition?.kind
    if (typeof kind !== 'string') {
      throw new ConfigError(`actors[${index}] is ${show(definition)}; it must be what defineActor returns`)
    }
    name(`the kind of actors[${index}]`, kind)
    if (kinds.has(kind))
      throw new ConfigError(`actors[${index}] has the kind ${show(kind)}, and so has an earlier one; kinds must be unique`)
    kinds.add(kind)
  }
  return kinds
}

function hostsOf(hosts: unknown, kinds: ReadonlySet<string>): readonly string[] {
  if (hosts === undefined) return [...kinds]
  if (!Array.isArray(hosts)) throw new ConfigError(`hosts is ${show(hosts)}; it must be an array of kinds`)
  for (const kind of hosts) {
    if (!kinds.has(kind)) {
      throw new ConfigError(`hosts names ${show(kind)}, which is no kind of actors; those are: ${[...kinds].join(', ') || 'none'}`)
    }
  }
  return [...new Set<string>(hosts)]
}

function placementOf(options: Partial<PlanOptions> | undefined): PlanOptions {
  const given = { ...planDefaults, ...section('placement', options, ['strategy', 'topK', 'maxMovingShare']) }
  return {
    strategy: oneOf('placement.strategy', given.strategy, STRATEGIES),
    topK: integer('placement.topK', given.topK, 1, 1_000),
    maxMovingShare: number('placement.maxMovingShare', given.maxMovingShare, 0, 1),
  }
}

function handoffOf(options: Partial<HandoffOptions> | undefined, sessionTtlMs: number): HandoffOptions {
  const given = { ...clusterDefaults.handoff, ...section('handoff', options, ['timeoutMs', 'chunkBytes', 'concurrent']) }
  const timeoutMs = number('handoff.timeoutMs', given.timeoutMs, 1_000, LONGEST_MS)
  if (timeoutMs < sessionTtlMs && options?.timeoutMs !== undefined) {
    throw new ConfigError(
      `handoff.timeoutMs is ${timeoutMs}; it must be at least sessionTtlMs (${sessionTtlMs}), or a handoff is given up while its nodes may only be pausing`,
    )
  }
  return {
    timeoutMs: Math.max(timeoutMs, sessionTtlMs),
    chunkBytes: integer('handoff.chunkBytes', given.chunkBytes, 1_024, 262_144),
    concurrent: integer('handoff.concurrent', given.concurrent, 1, 1_000),
  }
}

function checkPeers(peers: unknown, nodeId: string): void {
  if (!Array.isArray(peers)) throw new ConfigError(`peers is ${show(peers)}; it must be an array of { nodeId, address }`)
  const ids = new Set<string>()
  const addresses = new Map<string, string>()
  for (const [index, peer] of peers.entries()) {
    const id = name(`peers[${index}].nodeId`, peer?.nodeId)
    const address: unknown = peer.address
    if (typeof address !== 'string' || address.trim() === '') {
      throw new ConfigError(`peers[${index}].address (node ${id}) is ${show(address)}; it must be an address such as 10.0.0.7:8080`)
    }
    if (ids.has(id)) throw new ConfigError(`peers[${index}] names node ${id} a second time; each node has one address`)
    const other = addresses.get(address)
    if (other !== undefined)
      throw new ConfigError(`peers[${index}] gives node ${id} the address ${address}, which node ${other} has; addresses must differ`)
    ids.add(id)
    addresses.set(address, id)
  }
  if (!ids.has(nodeId)) {
    throw new ConfigError(
      `peers does not name this node, ${nodeId}; it names: ${[...ids].join(', ') || 'nobody'}. The list must be the same on all nodes`,
    )
  }
}
