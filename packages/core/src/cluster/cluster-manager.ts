// Management from within the process: what is where and why, and moving it by hand. Everything works from any node and while traffic runs; what the
// leader or another node has to do is asked of it over the control channel, within a deadline, and fails with a `ManagementError` that says why.

import type { ActorDefinition } from '../actor/definition.ts'
import { ManagementError, UnknownKindError } from '../errors.ts'
import { shardOf } from '../hashing/key-hash.ts'
import { checkActorId } from '../messaging/address.ts'
import { newIdentity } from '../runtime/identity.ts'
import { type ActorEntry, type ActorsRequest, listActors } from './actor-listing.ts'
import type { ClusterNode } from './cluster-node.ts'
import { ControlRpcError } from './control-rpc.ts'
import { pause } from './pause.ts'
import { entryOf, type PlacementDocument } from './placement-document.ts'
import { migration, unpinning } from './placement-requests.ts'

export interface NodeStatus {
  readonly nodeId: string
  readonly processId: string
  /** That of its session: another one after the session was lost. */
  readonly incarnation: string
  readonly address: string
  readonly isLeader: boolean
  readonly isSelf: boolean
  readonly draining: boolean
  readonly capacity: number
  readonly kinds: readonly string[]
  /** Shards and pinned actors that the placement gives to it. */
  readonly units: number
  /** Whether this process is connected to it. */
  readonly connected: boolean
  /** How long ago it last renewed its session, as it says itself; undefined: it did not answer. */
  readonly lastRenewalMsAgo: number | undefined
  /** Live activations; undefined: it did not answer. */
  readonly actors: number | undefined
}

export interface ActorLocation {
  readonly kind: string
  readonly id: string
  readonly shard: number
  /** Undefined: nobody can host it now. */
  readonly nodeId: string | undefined
  readonly processId: string | undefined
  readonly epoch: number
  /** It was moved by hand: it has a place of its own. */
  readonly pinned: boolean
  readonly movingTo: string | undefined
  /** In words. */
  readonly reason: string
}

export interface ActorPage {
  readonly actors: readonly (ActorEntry & { readonly nodeId: string })[]
  /** Pass as `after` for the next page; undefined: this was the last. */
  readonly next: string | undefined
}

export interface ManagementOptions {
  /** Default 30,000. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 30_000
/** One question to another node. */
const ANSWER_WITHIN_MS = 5_000

interface Cursor {
  readonly nodeId: string
  readonly after?: string | undefined
}

export class ClusterManager {
  readonly #node: ClusterNode

  constructor(node: ClusterNode) {
    this.#node = node
    const { rpc } = node
    rpc.handle('status', () => ({ lastRenewalMsAgo: this.#lastRenewalMsAgo(), actors: node.countActors() }))
    rpc.handle('actors', (request: ActorsRequest) => listActors(node.keeper, request))
    rpc.handle('migrate', (args: { kind: string; id: string; nodeId: string; timeoutMs: number }) => this.#leadMigration(args))
    rpc.handle('unpin', (args: { kind: string; id: string; timeoutMs: number }) => this.#leadUnpinning(args))
    rpc.handle('drain', (args: { draining: boolean }) => this.#setDraining(args.draining))
    rpc.handle('step-down', () => this.#stepDown())
  }

  /** Every registered node. */
  async nodes(): Promise<readonly NodeStatus[]> {
    const node = this.#node
    const records = [...node.membership.nodes.values()].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
    return Promise.all(
      records.map(async (record): Promise<NodeStatus> => {
        const answer = await node.rpc.request(record, 'status', undefined, ANSWER_WITHIN_MS).catch(() => undefined)
        const status = answer as { readonly lastRenewalMsAgo?: number; readonly actors?: number } | undefined
        return {
          nodeId: record.nodeId,
          processId: record.processId,
          incarnation: record.incarnation,
          address: record.address,
          isLeader: node.leaderSeen?.incarnation === record.incarnation,
          isSelf: record.processId === node.local.processId,
          draining: record.draining,
          capacity: record.capacity,
          kinds: record.kinds,
          units: node.unitsOf(record.nodeId),
          connected: record.processId === node.local.processId || node.peers.isUp(record.nodeId),
          lastRenewalMsAgo: status?.lastRenewalMsAgo,
          actors: status?.actors,
        }
      }),
    )
  }

  /** Live actors of all nodes, or of one, a page at a time. What comes or goes while paging may be missed. */
  async actors(
    query: { readonly kind?: string; readonly nodeId?: string; readonly after?: string; readonly limit?: number } = {},
  ): Promise<ActorPage> {
    const { kind, nodeId } = query
    const limit = query.limit ?? 100
    if (!Number.isInteger(limit) || limit < 1 || limit > 1_000)
      throw new ManagementError(`limit is ${limit}; it must be a whole number from 1 to 1,000`)
    const nodes = [...this.#node.membership.nodes.keys()].filter((each) => nodeId === undefined || each === nodeId).sort()
    if (nodeId !== undefined && nodes.length === 0) throw this.#unknownNode(nodeId)
    let cursor: Cursor | undefined = query.after === undefined ? { nodeId: nodes[0] ?? '' } : readCursor(query.after)
    const actors: (ActorEntry & { nodeId: string })[] = []
    while (cursor !== undefined && actors.length < limit) {
      const at: Cursor = cursor
      const record = this.#node.membership.processOf(at.nodeId)
      const request: ActorsRequest = {
        limit: limit - actors.length,
        ...(kind === undefined ? {} : { kind }),
        ...(at.after === undefined ? {} : { after: at.after }),
      }
      const page =
        record === undefined
          ? { actors: [], next: undefined }
          : ((await this.#node.rpc.request(record, 'actors', request, ANSWER_WITHIN_MS)) as Awaited<ReturnType<typeof listActors>>)
      for (const actor of page.actors) actors.push({ ...actor, nodeId: at.nodeId })
      const nextNode = nodes.find((each) => each > at.nodeId)
      cursor = page.next !== undefined ? { nodeId: at.nodeId, after: page.next } : nextNode === undefined ? undefined : { nodeId: nextNode }
    }
    return { actors, next: cursor === undefined ? undefined : JSON.stringify(cursor) }
  }

  /** Where an actor is or would be, from the documents that this process knows. */
  async whereIs(definition: ActorDefinition | string, id: string): Promise<ActorLocation> {
    const kind = kindOf(definition)
    checkActorId(kind, id)
    const document = this.#requireKnown(kind)
    const shard = shardOf(id, document.shardCount)
    const pinned = document.pins.has(id)
    const entry = entryOf(document, pinned ? id : shard)
    const owner = entry?.owner ?? undefined
    const movingTo = entry?.move?.target.nodeId
    const why = pinned ? 'it was moved there by hand' : `shard ${shard} of ${document.shardCount} is there`
    return {
      kind,
      id,
      shard,
      nodeId: owner?.nodeId,
      processId: owner?.processId,
      epoch: entry?.epoch ?? 0,
      pinned,
      movingTo,
      reason:
        owner === undefined ? 'no registered node hosts its kind' : movingTo === undefined ? why : `${why}, and moves to '${movingTo}'`,
    }
  }

  /**
   * The epoch under which *this process* owns the actor, at this moment and without asking anybody; undefined: it does not. {@link whereIs} says what the placement
   * says. Owners of an actor have growing epochs, never two the same: within a turn, it is the fencing token to pass to a resource outside the cluster.
   */
  epochHere(definition: ActorDefinition | string, id: string): number | undefined {
    return this.#node.endpoint.findTenure(kindOf(definition), id)?.epoch
  }

  /**
   * Moves one actor to a node, with its state, and keeps it there when its shard moves (it is *pinned*; at most 1,000 of a kind can be). Resolves when it is there.
   * It stays pinned also when it is moved to where its shard is; {@link unpin} gives it back to its shard. With many at once, only as many units move at a time as
   * `placement.maxMovingShare` allows; the others wait, within their deadlines.
   */
  async migrate(definition: ActorDefinition | string, id: string, nodeId: string, options: ManagementOptions = {}): Promise<void> {
    const kind = kindOf(definition)
    checkActorId(kind, id)
    this.#requireKnown(kind)
    const node = this.#node
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    const untilMs = node.runtime.monotonicMs() + timeoutMs
    const answer = await this.#askLeader('migrate', { kind, id, nodeId, timeoutMs }, timeoutMs)
    const { handoffId, revision } = answer as { readonly handoffId: string | undefined; readonly revision: number }
    await node.waiters.until(
      () => {
        const document = node.views.document(kind)
        if (document === undefined || document.revision < revision) return false
        const entry = document.pins.get(id) ?? document.shards[shardOf(id, document.shardCount)]
        if (entry?.move !== undefined && entry.move.handoffId === handoffId) return false
        if (entry?.owner?.nodeId === nodeId) return true
        throw new ManagementError(
          `the move of ${kind}/${id} to node '${nodeId}' was given up: it is on ${entry?.owner?.nodeId ?? 'no node'}`,
        )
      },
      Math.max(1, untilMs - node.runtime.monotonicMs()),
      () =>
        new ManagementError(
          `${kind}/${id} has not arrived on node '${nodeId}' within ${timeoutMs} ms; the move goes on or is given up by itself`,
        ),
    )
  }

  /** Gives an actor that was moved by hand back to its shard, where it *starts afresh*. To keep its state, move it to its shard's node and leave it pinned. */
  async unpin(definition: ActorDefinition | string, id: string, options: ManagementOptions = {}): Promise<void> {
    const kind = kindOf(definition)
    checkActorId(kind, id)
    this.#requireKnown(kind)
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    await this.#askLeader('unpin', { kind, id, timeoutMs }, timeoutMs)
  }

  /**
   * Takes everything off a node: it is given nothing more, and what it has moves away with its state. Resolves when it has nothing left; it may be stopped
   * then. Progress comes as `drain-progress` events. Rejects at the deadline with what remains; the node goes on draining until {@link undrain}.
   */
  async drain(nodeId: string, options: ManagementOptions = {}): Promise<void> {
    const node = this.#node
    const timeoutMs = options.timeoutMs ?? 60_000
    const record = node.membership.processOf(nodeId)
    if (record === undefined) throw this.#unknownNode(nodeId)
    this.#requireOtherHosts(nodeId, record.kinds)
    await node.rpc.request(record, 'drain', { draining: true }, ANSWER_WITHIN_MS)
    let told = -1
    await node.waiters.until(
      () => {
        const remaining = node.unitsOf(nodeId)
        if (remaining !== told) node.events.emit('drain-progress', { nodeId, remaining })
        told = remaining
        // A node that left on the way is drained too.
        return remaining === 0 && node.membership.processOf(nodeId)?.draining !== false
      },
      timeoutMs,
      () =>
        new ManagementError(
          `node '${nodeId}' still has ${node.unitsOf(nodeId)} shards and pinned actors after ${timeoutMs} ms; it goes on draining`,
        ),
    )
  }

  /** A draining node takes part again. */
  async undrain(nodeId: string): Promise<void> {
    const record = this.#node.membership.processOf(nodeId)
    if (record === undefined) throw this.#unknownNode(nodeId)
    await this.#node.rpc.request(record, 'drain', { draining: false }, ANSWER_WITHIN_MS)
  }

  /** Ends the present leadership, by its own leader or, if that does not answer, in the store. Resolves with the new leader's node id, which may be the same. */
  async forceElection(options: ManagementOptions = {}): Promise<string> {
    const node = this.#node
    const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    const present = await node.store.get(node.keys.leader)
    const leader = node.leaderSeen
    const asked = leader !== undefined && leader.version === present?.version ? await this.#tryAsking(leader) : false
    if (!asked && present !== undefined) await node.store.delete(node.keys.leader, { ifVersion: present.version })
    await node.waiters.until(
      () => node.leaderSeen !== undefined && node.leaderSeen.version !== present?.version,
      timeoutMs,
      () => new ManagementError(`no leader was elected within ${timeoutMs} ms`),
    )
    return node.leaderSeen?.nodeId ?? ''
  }

  async #tryAsking(leader: { readonly nodeId: string; readonly processId: string }): Promise<boolean> {
    try {
      await this.#node.rpc.request(leader, 'step-down', undefined, 1_000)
      return true
    } catch {
      return false
    }
  }

  async #stepDown(): Promise<void> {
    if (!this.#node.leader.leads) throw new ManagementError(`node '${this.#node.local.nodeId}' does not lead`)
    await this.#node.candidacy.stepDown()
  }

  /** Tries again while leaders change, until the deadline. */
  async #askLeader(op: string, args: unknown, timeoutMs: number): Promise<unknown> {
    const { runtime, rpc } = this.#node
    const untilMs = runtime.monotonicMs() + timeoutMs
    for (;;) {
      const leader = this.#node.leaderSeen
      const restMs = untilMs - runtime.monotonicMs()
      if (restMs <= 0)
        throw new ManagementError(
          `${op}: ${leader === undefined ? 'nobody leads' : `the leader, '${leader.nodeId}', did not answer`} for ${timeoutMs} ms`,
        )
      if (leader !== undefined) {
        try {
          return await rpc.request(leader, op, args, restMs)
        } catch (error) {
          if (!(error instanceof ControlRpcError) || error.reason === 'refused' || error.reason === 'closed') throw error
        }
      }
      if (this.#node.stopping) throw new ManagementError(`${op}: this node is stopping`)
      await pause(runtime, Math.min(100, Math.max(1, restMs)))
    }
  }

  async #leadMigration(args: {
    kind: string
    id: string
    nodeId: string
    timeoutMs: number
  }): Promise<{ handoffId: string | undefined; revision: number }> {
    const { kind, id, nodeId } = args
    const { runtime, views } = this.#node
    // Decided again after a write whose outcome is unknown: each time it is another handoff, and what was reported of an earlier one is nothing to it.
    await this.#lead(kind, args.timeoutMs, (document, nodes) => migration(document, nodes, id, nodeId, newIdentity(runtime)))
    const document = views.document(kind)
    return { handoffId: document?.pins.get(id)?.move?.handoffId, revision: document?.revision ?? 0 }
  }

  async #leadUnpinning(args: { kind: string; id: string; timeoutMs: number }): Promise<void> {
    await this.#lead(args.kind, args.timeoutMs, (document) => unpinning(document, args.id))
  }

  #lead(kind: string, timeoutMs: number, change: Parameters<ClusterNode['leader']['request']>[0]['change']): Promise<void> {
    const { leader, local, runtime } = this.#node
    // As "gone", so that the asker looks for who leads now.
    if (!leader.leads) return Promise.reject(new ControlRpcError('closed', `node '${local.nodeId}' does not lead`))
    return new Promise((resolve, reject) => {
      leader.request({
        kind,
        change,
        untilMs: runtime.monotonicMs() + timeoutMs,
        settle: (error) => (error === undefined ? resolve() : reject(error instanceof Error ? error : new ManagementError(String(error)))),
      })
    })
  }

  #requireKnown(kind: string): PlacementDocument {
    const { views } = this.#node
    const document = views.document(kind)
    if (document !== undefined) return document
    throw new UnknownKindError(
      kind,
      views.documents().map((each) => each.kind),
    )
  }

  #setDraining(draining: boolean): void {
    this.#node.draining = draining
    this.#node.session.update()
  }

  #requireOtherHosts(nodeId: string, kinds: readonly string[]): void {
    for (const kind of kinds) {
      const document = this.#node.views.document(kind)
      const hasSome = document?.shards.some((entry) => entry.owner?.nodeId === nodeId) === true
      const others = [...this.#node.membership.nodes.values()].some(
        (each) => each.nodeId !== nodeId && !each.draining && each.kinds.includes(kind),
      )
      if (hasSome && !others)
        throw new ManagementError(`node '${nodeId}' can't be drained: no other node hosts kind '${kind}'; start one first`)
    }
  }

  #lastRenewalMsAgo(): number | undefined {
    const { session } = this.#node.session
    return session === undefined ? undefined : Math.max(0, this.#node.runtime.leaseMs() - (session.safeUntil() - session.ttlMs))
  }

  #unknownNode(nodeId: string): ManagementError {
    return new ManagementError(
      `node '${nodeId}' is not registered; registered are: ${[...this.#node.membership.nodes.keys()].sort().join(', ')}`,
    )
  }
}

function kindOf(definition: ActorDefinition | string): string {
  return typeof definition === 'string' ? definition : definition.kind
}

function readCursor(text: string): Cursor {
  try {
    const cursor = JSON.parse(text) as Cursor
    if (typeof cursor.nodeId === 'string') return cursor
  } catch {
    // Refused below.
  }
  throw new ManagementError('`after` is no `next` of a page')
}
