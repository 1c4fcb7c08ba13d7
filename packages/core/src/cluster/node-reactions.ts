// What a node does when something happens outside of it: others come and go, the leader changes, documents and peers change, its session is lost.
// Who decides what follows is elsewhere; here stands only in which order they hear of it.

import type { PeerId } from '../messaging/messaging-system.ts'
import type { Entry } from '../metadata/metadata-store.ts'
import type { ClusterLog } from './cluster-log.ts'
import type { ClusterNode } from './cluster-node.ts'
import { IsolationWatch } from './isolation.ts'
import { type LeaderIdentity, parseLeader } from './leader-key.ts'
import type { NodeRecord } from './node-record.ts'
import { parsePlacement } from './placement-codec.ts'
import type { Owner } from './placement-document.ts'

/** Problems are for people: in a large cluster whose network fails, a list of everybody says no more than the number. */
const NAMED_PEERS = 20

export class NodeReactions {
  readonly #node: ClusterNode
  readonly #log: ClusterLog
  readonly #isolation: IsolationWatch
  #leaderSeen: LeaderIdentity | undefined
  /** Processes that were found to be nobody at the last look. A second one gives them up: the first may have come before the news of their joining. */
  #strangers: ReadonlySet<string> = new Set()

  constructor(node: ClusterNode, log: ClusterLog) {
    this.#node = node
    this.#log = log
    this.#isolation = new IsolationWatch({ isolationMs: node.options.isolationMs, jitter: node.runtime.random() })
  }

  /** Who leads, as the last look at the leader key showed it. */
  get leaderSeen(): LeaderIdentity | undefined {
    return this.#leaderSeen
  }

  sessionLost(self: Owner, reason: string): void {
    this.#node.endpoint.leaseLost()
    this.#node.keeper.suspendAll()
    void this.#node.candidacy.withdraw()
    if (this.#node.stopping) return
    this.#node.events.emit('suspended', { incarnation: self.incarnation, reason })
    this.#node.health.update()
  }

  nodesChanged(changed: ReadonlyMap<string, Entry | undefined>): void {
    const { joined, left } = this.#node.membership.apply(changed)
    const ownKey = this.#node.keys.node(this.#node.local.nodeId)
    if (changed.has(ownKey)) this.#node.session.recordSeen(changed.get(ownKey))
    const joinedProcesses = new Set(joined.map((node) => node.processId))
    for (const node of left) {
      if (node.processId !== this.#node.local.processId && !joinedProcesses.has(node.processId)) this.#processLeft(node)
      this.#node.events.emit('node-left', { nodeId: node.nodeId, processId: node.processId, incarnation: node.incarnation })
    }
    for (const node of joined) {
      this.#node.endpoint.peerRegistered(node.processId)
      this.#node.peers.joined(node)
      this.#node.events.emit('node-joined', { nodeId: node.nodeId, processId: node.processId, incarnation: node.incarnation })
    }
    this.#node.agreeOnProtocol()
    this.#node.leader.trigger()
    this.#node.waiters.check()
  }

  /**
   * Its session is over, by the store. While it is still connected its link is left alone: it may only have been cut off from the store, and come back as
   * the same process; its streams follow the placement in any case.
   */
  #processLeft(node: NodeRecord): void {
    this.#node.peers.left(node)
    this.#node.rpc.peerGone(node.processId)
    if (!this.#node.peers.isUp(node.nodeId, node.processId)) this.#node.endpoint.peerGone(node.processId)
  }

  placementChanged(changed: ReadonlyMap<string, Entry | undefined>): void {
    for (const entry of changed.values()) {
      // Documents are never deleted, so a store that has lost one may have lost everything.
      if (entry === undefined) this.#node.loops.storeIdentity.trigger()
      else this.readEntry(entry)
    }
  }

  readEntry(entry: Entry): void {
    try {
      this.#node.applyDocument(parsePlacement(entry.key, entry.value, this.#node.protocol))
    } catch (error) {
      this.#node.warn('a placement document can not be read', error)
    }
  }

  leaderChanged(entry: Entry | undefined): void {
    let leader: LeaderIdentity | undefined
    try {
      leader = entry === undefined ? undefined : parseLeader(entry)
    } catch (error) {
      this.#node.warn('the leader key can not be read', error)
    }
    this.#leaderSeen = leader
    this.#node.candidacy.keySeen(entry?.version)
    this.#node.source.leaderChanged()
    this.#node.events.emit('leader-changed', { nodeId: leader?.nodeId, processId: leader?.processId })
    this.#node.waiters.check()
    this.#node.health.update()
  }

  peerUp(peer: PeerId): void {
    this.#log.peerUp(peer)
    const isNew = this.#node.peers.up(peer)
    this.#node.agreeOnProtocol()
    if (isNew) this.#node.events.emit('peer-up', { nodeId: peer.nodeId })
    this.#node.source.leaderChanged()
    this.#node.health.update()
  }

  peerDown(peer: PeerId, reason: Error): void {
    if (!this.#node.peers.down(peer)) return
    this.#node.agreeOnProtocol()
    if (!this.#isRegistered(peer)) this.#node.endpoint.peerGone(peer.processId)
    this.#node.events.emit('peer-down', { nodeId: peer.nodeId, reason: reason.message })
    this.#node.health.update()
  }

  transportFailed(error: Error, peer: PeerId | undefined): void {
    if (this.#node.stopping) return
    this.#log.transportFailed(error, peer, peer !== undefined && this.#isRegistered(peer))
  }

  #isRegistered({ nodeId, processId }: PeerId): boolean {
    return this.#node.membership.processOf(nodeId)?.processId === processId
  }

  problems(): string[] {
    const problems: string[] = []
    if (this.#node.session.self === undefined)
      problems.push(
        this.#node.session.staysOut ? 'this node keeps out of the cluster: it reaches none of its peers' : 'this node has no session',
      )
    const unfenced = this.#node.unitsWithoutLease()
    if (unfenced.length > 0) {
      const kinds = [...new Set(unfenced.map((held) => held.unit.kind))].join(', ')
      problems.push(
        `${unfenced.length} shards and pins run on without a lease (onStoreLoss: 'continue' of ${kinds}): another node may own the same actors`,
      )
    }
    if (this.#leaderSeen === undefined) problems.push('nobody leads')
    const down = this.#node.peers.registeredAndDown
    if (down.size > 0)
      problems.push(`no connection to ${[...down.values().take(NAMED_PEERS)].join(', ')}${others(down.size - NAMED_PEERS)}`)
    return problems
  }

  /** No event says that they are gone, because none ever said that they were there. */
  #giveUpStrangers(): void {
    if (this.#node.session.self === undefined) return
    const registered = new Set([...this.#node.membership.nodes.values()].map((node) => node.processId))
    const strangers = new Set(this.#node.endpoint.strangers((processId) => registered.has(processId)))
    for (const processId of strangers) if (this.#strangers.has(processId)) this.#node.endpoint.peerGone(processId)
    this.#strangers = strangers
  }

  /** Regular small checks, none of which anything else depends on being on time. */
  look(): void {
    if (this.#node.stopping) return
    // Turns that found the lease unsafe for a moment wait to be woken.
    if (this.#node.session.leaseIsSafe()) for (const held of this.#node.keeper.held()) held.table.wake()
    this.#node.peers.forgetOld()
    this.#giveUpStrangers()
    this.#node.session.update()
    const others = [...this.#node.membership.nodes.values()].filter((node) => node.processId !== this.#node.local.processId)
    const verdict = this.#isolation.look({
      nowMs: this.#node.runtime.monotonicMs(),
      registered: this.#node.session.self !== undefined,
      storeReachable: this.#node.health.storeIsReachable,
      others: others.length,
      // While away nobody counts as registered with us: any connection is a reason to come back.
      reachable:
        this.#node.session.self === undefined
          ? this.#node.peers.upCount
          : others.filter((node) => this.#node.peers.isUp(node.nodeId)).length,
      leads: this.#node.leader.leads,
    })
    if (verdict === 'leave') this.#node.session.leave('this node reaches the store but none of its peers')
    else if (verdict === 'return') this.#node.session.rejoin()
  }
}

function others(count: number): string {
  return count > 0 ? ` and ${count} more` : ''
}
