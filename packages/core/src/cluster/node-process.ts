// Who this process is to others: its id, and the delivery endpoint that speaks under it. Both are replaced when it was out of the cluster for so long that others
// have forgotten what they handled of it (decision 21). What goes with them is `cluster-node.ts`.

import type { DeliveryEndpoint } from '../delivery/delivery-endpoint.ts'
import type { LocalIdentity, MessagingHandler } from '../messaging/messaging-system.ts'
import { newIdentity } from '../runtime/identity.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { countedOn, type DeliveryCounters } from './metrics.ts'

export interface NodeProcessOptions {
  readonly runtime: Runtime
  readonly clusterId: string
  readonly nodeId: string
  readonly sourceRetentionMs: number
  readonly sessionTtlMs: number
  /** Under the id of the moment. */
  readonly newEndpoint: () => DeliveryEndpoint
}

export class NodeProcess {
  /** One object for good. Its process id changes: read it each time. */
  readonly identity: LocalIdentity
  /** What the transport calls: whichever endpoint is in force. */
  readonly handler: MessagingHandler
  readonly #options: NodeProcessOptions
  readonly #identity: { -readonly [K in keyof LocalIdentity]: LocalIdentity[K] }
  readonly #formerIds = new Set<string>()
  #endpoint: DeliveryEndpoint | undefined
  /** By former endpoints. */
  #counted: DeliveryCounters | undefined

  constructor(options: NodeProcessOptions) {
    this.#options = options
    this.#identity = { clusterId: options.clusterId, nodeId: options.nodeId, processId: newIdentity(options.runtime) }
    this.identity = this.#identity
    this.handler = {
      isCurrent: (peer) => this.endpoint.isCurrent(peer),
      onFrame: (from, frame) => this.endpoint.onFrame(from, frame),
      onPeerUp: (peer) => this.endpoint.onPeerUp(peer),
      onPeerDown: (peer, reason) => this.endpoint.onPeerDown(peer, reason),
      onDrain: (peer) => this.endpoint.onDrain(peer),
      onError: (error, peer) => this.endpoint.onError(error, peer),
    }
  }

  get endpoint(): DeliveryEndpoint {
    this.#endpoint ??= this.#options.newEndpoint()
    return this.#endpoint
  }

  /** Of all endpoints: counters never fall. */
  get counters(): DeliveryCounters {
    return countedOn(this.#counted, this.endpoint.counters)
  }

  /** Whether it went by this id before. */
  was(processId: string): boolean {
    return this.#formerIds.has(processId)
  }

  /**
   * Whether others may have forgotten what they handled of it by the time that it is registered again. They count from when they saw it gone, which is later
   * than it was; what is taken off covers the time that registering takes, and clocks that run apart.
   */
  isForgottenAfter(awayMs: number): boolean {
    const { sourceRetentionMs, sessionTtlMs } = this.#options
    return awayMs > Math.max(sourceRetentionMs / 2, sourceRetentionMs - 2 * sessionTtlMs)
  }

  /** It goes by another id from now on; what was outstanding under the former one ends. Every connection must have been ended before. */
  replace(): void {
    this.endpoint.close('process-replaced')
    this.#counted = this.counters
    this.#formerIds.add(this.#identity.processId)
    this.#identity.processId = newIdentity(this.#options.runtime)
    this.#endpoint = undefined
  }
}
