// ClusterActorSystem: the same actors and refs as in one process, across many. What users hold; everything behind it is `cluster-node.ts`.

import type { DeadLetter } from '../actor/dead-letter.ts'
import type { ActorDefinition, ProtocolOfDefinition } from '../actor/definition.ts'
import { ActorRef } from '../actor/ref.ts'
import { ClosedError, ManagementError, UnknownKindError } from '../errors.ts'
import { shardOf } from '../hashing/key-hash.ts'
import { checkActorId } from '../messaging/address.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import type { ProtocolRange } from '../messaging/protocol-version.ts'
import type { ClusterEvents } from './cluster-events.ts'
import { startNode, stopNode } from './cluster-life.ts'
import { ClusterManager, type ManagementOptions } from './cluster-manager.ts'
import { ClusterNode } from './cluster-node.ts'
import { type ClusterOptions, resolveClusterOptions } from './cluster-options.ts'
import { ControlRpcError } from './control-rpc.ts'
import type { ClusterHealth, PeerHealth } from './health.ts'
import type { ClusterMetricsSnapshot } from './metrics.ts'
import { pause, within } from './pause.ts'
import type { PlacementDocument } from './placement-document.ts'
import { unitOf } from './placement-views.ts'

/** How long `health()` waits for a peer. */
const PING_WITHIN_MS = 2_000

export interface RegisterOptions {
  /** Default 10,000. */
  readonly timeoutMs?: number
}

/** How the owner of a shard answers. `pinnedTo` is there for an actor that lives outside of its shard; null: nobody owns it at the moment. */
interface Registered {
  readonly pinnedTo?: PeerId | null
}

export class ClusterActorSystem implements AsyncDisposable {
  /** Nodes, actors, moving them by hand. */
  readonly manager: ClusterManager
  readonly #node: ClusterNode
  #stopping: Promise<void> | undefined

  private constructor(node: ClusterNode) {
    this.#node = node
    this.manager = new ClusterManager(node)
    node.rpc.handle('register', (args: { kind: string; id: string; remember: boolean }) => this.#changeRegistry(args))
    node.rpc.handle('start', (args: { kind: string; id: string }) => this.#startPinned(args))
  }

  /**
   * Joins the cluster, or founds it. Resolves when this node is registered and knows the placement; actors may be sent to from then on.
   *
   * Rejects, after cleaning up, with `ConfigError`, `StoreUnavailableError`, `StoreCapabilityError`, `TransportError`, `NodeIdTakenError` (another
   * live process has the id; known after one session TTL) or `IncompatibleClusterError`.
   */
  static start(options: ClusterOptions): Promise<ClusterActorSystem>
  // With a protocol range of its own: for tests of rolling upgrades, until there is a second version.
  static async start(options: ClusterOptions, protocol?: ProtocolRange): Promise<ClusterActorSystem> {
    const node = new ClusterNode(resolveClusterOptions(options), protocol)
    const system = new ClusterActorSystem(node)
    await startNode(node)
    return system
  }

  get nodeId(): string {
    return this.#node.local.nodeId
  }

  /**
   * Made at the start of this process, random, never reused. It changes when this process was out of the cluster for longer than others remember what they handled of it
   * (`delivery.sourceRetentionMs`, 1 h): it is another process then, see the event `process-replaced`.
   */
  get processId(): string {
    return this.#node.local.processId
  }

  /** Membership, leadership, placement, handoffs, health: typed, see `ClusterEventMap`. */
  get events(): ClusterEvents {
    return this.#node.events
  }

  /** An actor by its kind and id, wherever it is. It comes to life with its first message. */
  ref<D extends ActorDefinition>(definition: D, id: string): ActorRef<ProtocolOfDefinition<D>>
  /**
   * As above with the definition's type alone: `ref<typeof Counter>('counter', 'c-42')`. Throws `UnknownKindError` for a kind that no node has ever hosted and that
   * is not among this node's `actors` (list it there to send before its first host is up).
   */
  ref<D extends ActorDefinition>(kind: D['kind'], id: string): ActorRef<ProtocolOfDefinition<D>>
  ref(definition: ActorDefinition | string, id: string): ActorRef {
    const kind = typeof definition === 'string' ? definition : definition.kind
    checkActorId(kind, id)
    this.#requireKnown(kind)
    return new ActorRef(this.#node.router, { kind, id })
  }

  /**
   * Remembers an actor: it is started now, and again wherever its shard comes to be. Resolves when that is written and it runs. Idempotent.
   * Rejects with `ManagementError` when the shard's owner could not be reached in time.
   */
  register(definition: ActorDefinition | string, id: string, options: RegisterOptions = {}): Promise<void> {
    return this.#remember(definition, id, true, options)
  }

  /** Forgets it again. A live activation goes on. */
  unregister(definition: ActorDefinition | string, id: string, options: RegisterOptions = {}): Promise<void> {
    return this.#remember(definition, id, false, options)
  }

  /** Returns what ends the subscription. Dead letters of this process: sent by it, or to actors on it. */
  onDeadLetter(subscriber: (letter: DeadLetter) => void): () => void {
    return this.#node.deadLetters.add(subscriber)
  }

  /** All of this node, as of now; names and meanings in `ClusterMetricsSnapshot`. */
  metrics(): ClusterMetricsSnapshot {
    return this.#node.metrics.snapshot()
  }

  /** Asks the store and every peer, and says what is degraded and since when. Never rejects. */
  async health(): Promise<ClusterHealth> {
    const node = this.#node
    const [roundTripMs, peers] = await Promise.all([node.store.ping().catch(() => undefined), this.#pingPeers()])
    const { health, session, runtime } = node
    health.update()
    const error = health.storeError
    const lease = session.session === undefined ? 0 : Math.max(0, session.session.safeUntil() - runtime.leaseMs())
    return {
      status: health.status,
      forMs: health.statusForMs,
      problems: health.problems,
      store: {
        reachable: health.storeIsReachable,
        ...(roundTripMs === undefined ? {} : { roundTripMs }),
        ...(health.storeIsReachable ? {} : { unreachableForMs: health.storeUnreachableForMs }),
        ...(error === undefined ? {} : { error: error instanceof Error ? error.message : String(error) }),
      },
      session: { registered: session.self !== undefined, leaseRemainingMs: lease },
      peers,
      leader: node.leaderSeen?.nodeId,
    }
  }

  /** Hands everything of this node over to others, with its state: see `manager.drain`. */
  drain(options: ManagementOptions = {}): Promise<void> {
    return this.manager.drain(this.nodeId, options)
  }

  /**
   * Leaves in good order: hands its shards over (bounded by `stopTimeoutMs`; `drain: false` skips it), then closes sessions, links, transport and
   * store. Idempotent; never rejects for what others do wrong.
   */
  stop(options: { readonly drain?: boolean } = {}): Promise<void> {
    this.#stopping ??= stopNode(this.#node, { drain: options.drain ?? true })
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #pingPeers(): Promise<PeerHealth[]> {
    const { membership, options, local, runtime, peers } = this.#node
    const others = [...membership.nodes.keys()].filter((nodeId) => nodeId !== local.nodeId).sort()
    return Promise.all(
      others.map(async (nodeId): Promise<PeerHealth> => {
        const up = peers.isUp(nodeId)
        try {
          const roundTripMs = await within(runtime, options.messaging.ping(nodeId), PING_WITHIN_MS, () => new Error('late'))
          return { nodeId, up, roundTripMs }
        } catch {
          return { nodeId, up }
        }
      }),
    )
  }

  async #remember(definition: ActorDefinition | string, id: string, remember: boolean, options: RegisterOptions): Promise<void> {
    const kind = typeof definition === 'string' ? definition : definition.kind
    checkActorId(kind, id)
    const { runtime, rpc } = this.#node
    const timeoutMs = options.timeoutMs ?? 10_000
    const untilMs = runtime.monotonicMs() + timeoutMs
    let problem = 'its shard has no owner'
    for (;;) {
      if (this.#stopping !== undefined) throw new ClosedError('this node is stopping')
      const document = this.#requireKnown(kind)
      const restMs = untilMs - runtime.monotonicMs()
      if (restMs <= 0)
        throw new ManagementError(
          `${kind}/${id} could not be ${remember ? 'registered' : 'unregistered'} within ${timeoutMs} ms: ${problem}`,
        )
      const owner = document.shards[shardOf(id, document.shardCount)]?.owner
      if (owner) {
        try {
          const { pinnedTo } = (await rpc.request(owner, 'register', { kind, id, remember }, restMs)) as Registered
          if (pinnedTo === undefined || !remember) return
          if (pinnedTo !== null) {
            await rpc.request(pinnedTo, 'start', { kind, id }, untilMs - runtime.monotonicMs())
            return
          }
          problem = 'it is registered, and the pin that it was moved to has no owner'
        } catch (error) {
          // Another owner may do it: it is idempotent. Only what no owner would take is final.
          if (!(error instanceof ControlRpcError)) throw error
          problem = error.message
        }
      }
      await pause(runtime, Math.min(50, Math.max(1, restMs)))
    }
  }

  #requireKnown(kind: string): PlacementDocument {
    const { views } = this.#node
    const document = views.document(kind)
    if (document === undefined) {
      throw new UnknownKindError(
        kind,
        views.documents().map((each) => each.kind),
      )
    }
    return document
  }

  async #changeRegistry({ kind, id, remember }: { kind: string; id: string; remember: boolean }): Promise<Registered> {
    const { views, registry } = this.#node
    const shardCount = views.document(kind)?.shardCount
    if (shardCount === undefined) throw new ManagementError(`node '${this.nodeId}' does not know kind '${kind}'`)
    await registry.change(kind, shardOf(id, shardCount), id, remember)
    const pin = views.document(kind)?.pins.get(id)
    return pin === undefined ? {} : { pinnedTo: pin.owner }
  }

  /** What is remembered stands with the shard; who owns a pin reads it when the pin opens, and is told of what is remembered later. */
  #startPinned({ kind, id }: { kind: string; id: string }): void {
    const { views, keeper } = this.#node
    const document = views.document(kind)
    const held = document?.pins.has(id) ? keeper.find(unitOf(document, id)) : undefined
    if (held?.state !== 'active') throw new ManagementError(`node '${this.nodeId}' does not run ${kind}/${id} at the moment`)
    held.table.start(id)
  }
}
