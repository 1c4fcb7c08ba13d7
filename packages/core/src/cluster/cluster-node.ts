// One node of a cluster: what it holds, and what several of its parts must do together. Every decision is made in one of them; how they are made and wired to each other is
// `node-parts.ts`, what follows from events outside `node-reactions.ts`, starting and stopping `cluster-life.ts`.

import { DeadLetterSubscribers } from '../actor/dead-letters.ts'
import type { ActorHost } from '../actor/host.ts'
import { ConsoleLogger, childLogger, type Logger } from '../actor/logger.ts'
import type { DeliveryEndpoint } from '../delivery/delivery-endpoint.ts'
import type { LocalIdentity } from '../messaging/messaging-system.ts'
import { PROTOCOL, type ProtocolRange, versionInUse } from '../messaging/protocol-version.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { BackgroundLoop } from './background-loop.ts'
import type { Candidacy } from './candidacy.ts'
import { ClusterEvents } from './cluster-events.ts'
import { ClusterKeys } from './cluster-keys.ts'
import { ClusterLog } from './cluster-log.ts'
import type { ResolvedClusterOptions } from './cluster-options.ts'
import { ClusterRouter } from './cluster-router.ts'
import { ControlDesk } from './control-desk.ts'
import { ControlRpc } from './control-rpc.ts'
import { countHandoffs } from './handoff-metrics.ts'
import type { HandoffSource } from './handoff-source.ts'
import { HandoffTarget } from './handoff-target.ts'
import type { HealthMonitor } from './health.ts'
import type { HeldUnit } from './held-unit.ts'
import type { Leader } from './leader.ts'
import type { LeaderIdentity } from './leader-key.ts'
import { Membership } from './membership.ts'
import type { ClusterMetrics } from './metrics.ts'
import {
  newCandidacy,
  newEndpoint,
  newHealth,
  newHost,
  newKeeper,
  newLeader,
  newMetrics,
  newPeers,
  newRegistry,
  newSession,
  newSource,
  newWatches,
} from './node-parts.ts'
import { NodeProcess } from './node-process.ts'
import { NodeReactions } from './node-reactions.ts'
import type { NodeRecord } from './node-record.ts'
import type { NodeSession } from './node-session.ts'
import type { PeerDirectory } from './peer-directory.ts'
import type { PlacementDocument } from './placement-document.ts'
import { PlacementViews, unitOf } from './placement-views.ts'
import { PlacementWaiters } from './placement-waiters.ts'
import type { RegistryKeeper } from './registry-keeper.ts'
import { StoreSentinel } from './store-sentinel.ts'
import type { TenureKeeper } from './tenure-keeper.ts'
import type { WatchedPrefix } from './watched-prefix.ts'

/** A document that is asked for again and again is read no more often than this. */
const READ_AGAIN_MS = 20

export class ClusterNode {
  readonly options: ResolvedClusterOptions
  readonly protocol: ProtocolRange
  readonly runtime: Runtime
  readonly process: NodeProcess
  readonly keys: ClusterKeys
  readonly logger: Logger
  readonly events: ClusterEvents
  readonly deadLetters: DeadLetterSubscribers
  readonly store: StoreSentinel
  readonly views: PlacementViews = new PlacementViews()
  readonly membership: Membership
  readonly waiters: PlacementWaiters
  readonly reactions: NodeReactions
  readonly desk: ControlDesk
  readonly host: ActorHost
  readonly router: ClusterRouter
  readonly metrics: ClusterMetrics
  readonly session: NodeSession
  readonly candidacy: Candidacy
  readonly leader: Leader
  readonly keeper: TenureKeeper
  readonly source: HandoffSource
  readonly target: HandoffTarget = new HandoffTarget()
  readonly registry: RegistryKeeper
  readonly rpc: ControlRpc
  readonly health: HealthMonitor
  readonly peers: PeerDirectory
  readonly watches: { readonly nodes: WatchedPrefix; readonly placement: WatchedPrefix; readonly leader: WatchedPrefix }
  readonly loops: { readonly documents: BackgroundLoop; readonly storeIdentity: BackgroundLoop }
  address = ''
  draining = false
  stopping = false
  storeId = ''
  /** What this node writes now. */
  protocolVersion: number
  rebornAtMs: number = Number.NEGATIVE_INFINITY
  /** Kinds whose documents are to be read, and when each was read last. */
  readonly #wanted = new Set<string>()
  readonly #log: ClusterLog

  constructor(options: ResolvedClusterOptions, protocol: ProtocolRange = PROTOCOL) {
    this.options = options
    this.protocol = protocol
    this.protocolVersion = protocol.min
    const runtime = options.runtime
    this.runtime = runtime
    this.process = new NodeProcess({
      runtime,
      clusterId: options.clusterId,
      nodeId: options.nodeId,
      sourceRetentionMs: options.delivery.sourceRetentionMs,
      sessionTtlMs: options.sessionTtlMs,
      newEndpoint: () => newEndpoint(this),
    })
    this.keys = new ClusterKeys(options.clusterId)
    this.logger = childLogger(options.logger ?? new ConsoleLogger(), { node: options.nodeId })
    this.events = new ClusterEvents((error) => this.logger.error('a listener of cluster events threw', { error }))
    this.#log = new ClusterLog(this.logger, runtime)
    this.#log.follow(this.events)
    this.deadLetters = new DeadLetterSubscribers(() => this.logger)
    // Looked for each third of a TTL, a silent store is known of before a lease is over that was renewed a third of a TTL before.
    this.store = new StoreSentinel(options.metadata, runtime, options.sessionTtlMs / 4)
    this.membership = new Membership((error) => this.warn('a node record can not be read', error))
    this.waiters = new PlacementWaiters(runtime)
    this.router = new ClusterRouter(runtime)
    this.reactions = new NodeReactions(this, this.#log)
    this.desk = new ControlDesk(this)
    this.host = newHost(this)
    this.metrics = newMetrics(this)
    countHandoffs(this.events, this.metrics, runtime)
    this.router.connect(this.endpoint, this.metrics.latency)
    this.peers = newPeers(this)
    this.session = newSession(this)
    this.candidacy = newCandidacy(this)
    this.leader = newLeader(this)
    this.source = newSource(this)
    this.keeper = newKeeper(this)
    this.registry = newRegistry(this)
    this.rpc = new ControlRpc({ runtime, local: this.local, send: (to, message) => this.desk.post(to, message) })
    this.health = newHealth(this)
    this.store.tell(this.health)
    this.watches = newWatches(this)
    this.loops = {
      documents: new BackgroundLoop({
        runtime,
        run: () => this.#readWanted(),
        onError: (error) => this.warn('a placement document could not be read', error),
      }),
      storeIdentity: new BackgroundLoop({ runtime, run: () => this.checkStoreIdentity(), onError: () => {} }),
    }
    this.events.on('store-regained', () => {
      this.loops.storeIdentity.trigger()
      this.session.storeRegained()
    })
    for (const definition of options.actors) this.views.expect(definition.kind, options.shardCount)
  }

  /** Its process id changes: read it each time. */
  get local(): LocalIdentity {
    return this.process.identity
  }

  get endpoint(): DeliveryEndpoint {
    return this.process.endpoint
  }

  get leaderSeen(): LeaderIdentity | undefined {
    return this.reactions.leaderSeen
  }

  /** A background task failed and will be tried again. */
  warn(what: string, error: unknown): void {
    if (this.stopping) return
    this.#log.problem(what, error)
    this.events.emit('warning', { what, error })
  }

  /**
   * Somebody registered, left, or is connected without being registered, whose range is not known. The version of documents is the leader's to decide; what goes
   * to others directly is written in what they all read.
   */
  agreeOnProtocol(): void {
    const { membership, local, peers, protocol } = this
    const isKnown = membership.processOf(local.nodeId)?.processId === local.processId && !peers.hasStranger
    this.protocolVersion = isKnown ? versionInUse(protocol, membership.readers) : protocol.min
    this.endpoint.speak(this.protocolVersion)
  }

  /** A document that was read, heard of, or written by ourselves. */
  applyDocument(document: PlacementDocument): void {
    const before = this.views.document(document.kind)
    if (!this.views.replace(document)) return
    this.keeper.settle(document.kind)
    if (before !== undefined) this.#unpinned(before, document)
    this.endpoint.placementChanged(document.kind)
    this.host.placementChanged(document.kind)
    this.events.emit('placement-changed', { kind: document.kind, epoch: document.epoch, revision: document.revision })
    this.waiters.check()
  }

  /** A pin ended, and the actor is its shard's again. Where the shard runs on as it did nothing opens, so nothing would start an actor that is remembered. */
  #unpinned(before: PlacementDocument, document: PlacementDocument): void {
    for (const id of before.pins.keys()) {
      if (document.pins.has(id)) continue
      const shard = this.keeper.find({ ...unitOf(document, id), pin: undefined })
      if (shard !== undefined) this.registry.opened(shard)
    }
  }

  /** The document in the store may be newer than what is cached. */
  readDocument(kind: string): void {
    this.#wanted.add(kind)
    this.loops.documents.triggerWithin(0)
  }

  /** Nothing is owned yet. But who was there before this process began may own something until its lease is over. */
  async checkStoreSinceStart(): Promise<void> {
    const id = await this.store.storeId()
    if (id === this.storeId) return
    this.storeId = id
    this.rebornAtMs = this.runtime.leaseMs()
    this.logger.warn('the metadata store lost its data while this node started', { storeId: id })
  }

  /** By others, of a loss before this process had anything to do with the store. */
  rebirthHeard(): void {
    if (this.rebornAtMs === Number.NEGATIVE_INFINITY) this.rebornAtMs = this.runtime.leaseMs()
  }

  /** Another store than before means that all that was owned is void. */
  async checkStoreIdentity(): Promise<void> {
    const id = await this.store.storeId()
    if (id === this.storeId || this.stopping) return
    this.storeId = id
    this.logger.error('the metadata store has lost its data; this node joins anew', { storeId: id })
    this.rebornAtMs = this.runtime.leaseMs()
    this.events.emit('store-reborn', { storeId: id })
    this.keeper.discardAll('the metadata store lost its data')
    this.views.forget()
    this.endpoint.placementChanged()
    this.host.placementChanged(undefined)
    this.session.leave('the metadata store lost its data')
    this.session.rejoin()
    // Documents of the new life may have been seen, and taken in, before it was known to be one.
    this.watches.placement.startOver()
    this.watches.nodes.refresh()
  }

  /**
   * Others may have forgotten by now what they handled of this process, so nothing may be sent to them a second time under its id. It goes on as another
   * process: what it owned is discarded, what it had sent and not seen end ends as unknown.
   */
  becomeAnotherProcess(awayMs: number): void {
    const former = this.local.processId
    const why = `this process was out of the cluster for ${Math.round(awayMs)} ms`
    this.source.endAll()
    this.keeper.discardAll(why)
    this.rpc.abandon()
    this.peers.disconnectAll()
    this.process.replace()
    this.router.connect(this.endpoint, this.metrics.latency)
    for (const node of this.membership.nodes.values()) this.peers.joined(node)
    this.logger.warn(`${why}; it goes on as another one`, { former, processId: this.local.processId })
    this.events.emit('process-replaced', { former, processId: this.local.processId, awayMs })
  }

  describe(): Omit<NodeRecord, 'incarnation'> {
    const { options } = this
    const epochs = this.views.epochFloors()
    return {
      nodeId: this.local.nodeId,
      processId: this.local.processId,
      address: this.address,
      kinds: options.hosts,
      capacity: options.capacity,
      // Written only where somebody reads it: each change of a record wakes the leader.
      load: options.placement.strategy === 'least-loaded' ? Math.max(0, options.load?.() ?? this.countActors()) : 0,
      draining: this.draining,
      ...(epochs === undefined ? {} : { epochs }),
      ...(options.peers === undefined ? {} : { peers: options.peers.map((peer) => peer.nodeId) }),
      protocol: this.protocol,
    }
  }

  countActors(): number {
    let actors = 0
    for (const held of this.keeper.held()) actors += held.table.size
    return actors
  }

  /** What runs on here though the lease is over, because its kind says so. */
  unitsWithoutLease(): HeldUnit[] {
    if (this.session.leaseIsSafe()) return []
    return [...this.keeper.held()].filter((held) => held.goesOnWithoutLease && held.state === 'active')
  }

  /** Units that documents give to this process, whether it has opened them or not. */
  unitsOf(nodeId: string): number {
    let units = 0
    for (const document of this.views.documents()) {
      for (const entry of document.shards) if (entry.owner?.nodeId === nodeId) units++
      for (const entry of document.pins.values()) if (entry.owner?.nodeId === nodeId) units++
    }
    return units
  }

  get stopped(): boolean {
    return this.stopping && this.session.self === undefined
  }

  /** The shard of this process, if it may act for it now. */
  owned(kind: string, shard: number): HeldUnit | undefined {
    const held = this.keeper.find({ kind, shard, pin: undefined })
    return held?.state === 'active' && this.session.leaseIsSafe() ? held : undefined
  }

  async #readWanted(): Promise<void> {
    const kinds = [...this.#wanted]
    this.#wanted.clear()
    for (const kind of kinds) {
      const entry = await this.store.get(this.keys.placementOf(kind))
      if (entry !== undefined) this.reactions.readEntry(entry)
    }
    if (this.#wanted.size > 0) this.loops.documents.triggerWithin(READ_AGAIN_MS)
  }
}
