// How the parts of a node are made: what each is given of the others, and whom it tells. Decides nothing.

import type { ActorDefinition } from '../actor/definition.ts'
import { ActorHost } from '../actor/host.ts'
import { DeliveryEndpoint } from '../delivery/delivery-endpoint.ts'
import type { Entry } from '../metadata/metadata-store.ts'
import { Candidacy } from './candidacy.ts'
import type { ClusterNode } from './cluster-node.ts'
import { HandoffDriver } from './handoff-driver.ts'
import { HandoffSource } from './handoff-source.ts'
import { HealthMonitor } from './health.ts'
import { Leader } from './leader.ts'
import { encodeLeader } from './leader-key.ts'
import { ClusterMetrics } from './metrics.ts'
import { parseNodeRecord } from './node-record.ts'
import { NodeSession } from './node-session.ts'
import { PeerDirectory } from './peer-directory.ts'
import { RegistryKeeper } from './registry-keeper.ts'
import { TenureKeeper } from './tenure-keeper.ts'
import { WatchedPrefix } from './watched-prefix.ts'

/** Twice what a node keeps out of the cluster by itself at most. */
const FORGET_AFTER_MS = 600_000

export function newHost(node: ClusterNode): ActorHost {
  return new ActorHost({
    runtime: node.runtime,
    refs: node.router,
    logger: node.logger,
    strict: node.options.strict,
    whereabouts: (kind, id) => {
      const location = node.views.locate(kind, id)
      return location && `${location.epoch} ${location.owner?.processId ?? ''}`
    },
    onDeadLetter: (letter) => {
      node.metrics.deadLetter(letter.reason)
      node.deadLetters.publish(letter)
    },
  })
}

export function newEndpoint(node: ClusterNode): DeliveryEndpoint {
  const { options } = node
  return new DeliveryEndpoint({
    runtime: node.runtime,
    local: node.local,
    transport: options.messaging,
    placement: node.views,
    protocol: node.protocol,
    limits: options.delivery ?? {},
    defaultGuarantee: options.defaultGuarantee,
    strict: node.host.strict,
    ttlMs: options.sessionTtlMs,
    mayLeave: () => node.session.leaseIsSafe(),
    onDeadLetter: (letter) => node.host.deadLetter(letter),
    onViewBehind: (kind) => node.readDocument(kind),
    onControl: (from, body) => node.desk.receive(from, body),
    isCurrent: (peer) => node.peers.isCurrent(peer),
    onPeerUp: (peer) => node.reactions.peerUp(peer),
    onPeerDown: (peer, reason) => node.reactions.peerDown(peer, reason),
    onTransportError: (error, peer) => node.reactions.transportFailed(error, peer),
    onWarning: (message) => node.logger.warn(message),
  })
}

export function newMetrics(node: ClusterNode): ClusterMetrics {
  return new ClusterMetrics(
    {
      runtime: node.runtime,
      nodeId: node.local.nodeId,
      actors: () => node.countActors(),
      nodes: () => node.membership.nodes.size,
      mailboxDepth: () => {
        let depth = 0
        for (const held of node.keeper.held()) depth += held.table.mailboxDepth
        return depth
      },
      ownedShards: () => {
        let shards = 0
        for (const held of node.keeper.held()) if (held.unit.pin === undefined) shards++
        return shards
      },
      ownedWithoutLease: () => node.unitsWithoutLease().length,
      delivery: () => node.process.counters,
    },
    { measureLatency: node.options.measureLatency },
  )
}

export function newPeers(node: ClusterNode): PeerDirectory {
  return new PeerDirectory({
    runtime: node.runtime,
    local: node.local,
    transport: node.options.messaging,
    registeredProcess: async (nodeId) => {
      const key = node.keys.node(nodeId)
      const entry = await node.store.get(key)
      return entry && parseNodeRecord(key, entry.value).processId
    },
    forgetAfterMs: Math.min(FORGET_AFTER_MS, node.options.delivery.sourceRetentionMs / 2),
    ...(node.options.peers === undefined ? {} : { addresses: new Map(node.options.peers.map((peer) => [peer.nodeId, peer.address])) }),
  })
}

export function newSession(node: ClusterNode): NodeSession {
  return new NodeSession({
    runtime: node.runtime,
    store: node.store,
    key: node.keys.node(node.local.nodeId),
    ttlMs: node.options.sessionTtlMs,
    describe: () => node.describe(),
    wasOurs: (processId) => node.process.was(processId),
    onRegistered: (self, session) => {
      node.keeper.registered(self)
      if (node.options.hosts.length > 0) node.candidacy.stand(session)
      node.endpoint.leaseRenewed()
      node.events.emit('resumed', { incarnation: self.incarnation })
      node.health.update()
    },
    onLost: (self, reason) => node.reactions.sessionLost(self, reason),
    beforeRegistering: async (awayMs) => {
      if (awayMs === undefined) return node.checkStoreSinceStart()
      await node.checkStoreIdentity()
      if (!node.stopping && node.process.isForgottenAfter(awayMs)) node.becomeAnotherProcess(awayMs)
    },
    onError: (error) => node.warn('the session could not be opened or the node registered', error),
  })
}

export function newCandidacy(node: ClusterNode): Candidacy {
  return new Candidacy({
    runtime: node.runtime,
    store: node.store,
    key: node.keys.leader,
    value: () => encodeLeader(node.session.self ?? { ...node.local, incarnation: '-' }),
    onElected: (leadership) => node.leader.lead(leadership),
    onDeposed: () => node.leader.depose(),
    onError: (error) => node.warn('standing for leadership failed', error),
  })
}

export function newLeader(node: ClusterNode): Leader {
  const { options, runtime } = node
  return new Leader({
    runtime,
    store: node.store,
    keys: node.keys,
    shardCount: options.shardCount,
    placement: options.placement,
    protocol: node.protocol,
    driver: new HandoffDriver({ timeoutMs: options.handoff.timeoutMs, restMs: options.sessionTtlMs }),
    reconcileMs: options.reconcileMs,
    patience: () => ({
      deathsAfterMs: node.health.storeRegainedAtMs + options.sessionTtlMs,
      placeAfterMs: node.rebornAtMs + options.sessionTtlMs,
    }),
    onRebirthHeard: () => node.rebirthHeard(),
    epochFloor: (kind) => node.views.epochFloor(kind),
    onWritten: (document) => node.applyDocument(document),
    onFailover: (units, nodes) => {
      node.metrics.failedOverUnits += units
      node.metrics.failedOverNodes += nodes.size
    },
    onSuperseded: () => void node.candidacy.stepDown(),
    onError: (error) => node.warn('the leader could not read or write the placement', error),
  })
}

export function newSource(node: ClusterNode): HandoffSource {
  const { handoff } = node.options
  return new HandoffSource({
    runtime: node.runtime,
    concurrent: handoff.concurrent,
    seal: async (unit) => {
      await node.keeper.find(unit)?.seal()
      await node.registry.settled(unit.kind, unit.shard)
      // A document that came meanwhile may have ended it.
      node.keeper.settle(unit.kind)
    },
    chunks: (unit) => node.desk.chunksOf(node.keeper.find(unit)),
    send: (to, message) => node.desk.say(to, message),
    drained: (to) => node.endpoint.controlDrained(to),
    leader: () => node.leaderSeen,
    onError: (error) => node.warn('a handoff met an error and goes on', error),
  })
}

export function newKeeper(node: ClusterNode): TenureKeeper {
  const { options } = node
  const hosted = new Set(options.hosts)
  const definitions = options.actors.filter((definition) => hosted.has(definition.kind))
  return new TenureKeeper({
    process: node.local,
    definitions: new Map(definitions.map((definition: ActorDefinition) => [definition.kind, definition])),
    views: node.views,
    host: node.host,
    endpoint: { openTenure: (tenure) => node.endpoint.openTenure(tenure) },
    source: node.source,
    target: node.target,
    leaseIsSafe: () => node.session.leaseIsSafe(),
    events: node.events,
    logger: node.logger,
    onOpened: (held) => {
      node.router.bind(held.table, held.tenure)
      node.registry.opened(held)
    },
  })
}

export function newHealth(node: ClusterNode): HealthMonitor {
  const { sessionTtlMs } = node.options
  return new HealthMonitor({
    runtime: node.runtime,
    events: node.events,
    everyMs: sessionTtlMs / 3,
    outageMs: sessionTtlMs / 2,
    ping: () => node.store.ping(),
    problems: () => node.reactions.problems(),
    isSuspended: () => node.session.self === undefined,
    onLook: () => node.reactions.look(),
  })
}

export function newWatches(node: ClusterNode): ClusterNode['watches'] {
  const { runtime, store, keys } = node
  const { reconcileMs } = node.options
  const watch = (prefix: string, what: string, onChange: (changed: ReadonlyMap<string, Entry | undefined>) => void): WatchedPrefix =>
    new WatchedPrefix({
      runtime,
      store,
      prefix,
      reconcileMs,
      onChange,
      onError: (error) => node.warn(`the watch on ${what} could not be reconciled`, error),
    })
  return {
    nodes: watch(keys.nodes, 'nodes', (changed) => node.reactions.nodesChanged(changed)),
    placement: watch(keys.placement, 'placement', (changed) => node.reactions.placementChanged(changed)),
    leader: watch(keys.leader, 'the leader', (changed) => node.reactions.leaderChanged(changed.get(keys.leader))),
  }
}

export function newRegistry(node: ClusterNode): RegistryKeeper {
  return new RegistryKeeper({
    runtime: node.runtime,
    store: node.store,
    keys: node.keys,
    guard: () => node.session.guard,
    protocol: node.protocol,
    version: (kind) => node.views.document(kind)?.protocol ?? node.protocol.min,
    isPinned: (kind, id) => node.views.document(kind)?.pins.has(id) === true,
    ownedShard: (kind, shard) => node.owned(kind, shard),
    onError: (error) => node.warn('the registry of remembered actors could not be read or written', error),
  })
}
