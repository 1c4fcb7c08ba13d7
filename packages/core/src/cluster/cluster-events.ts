// What happens to the cluster, as this node sees it: typed events for applications, logs and dashboards.

import type { ActorAddress } from '../messaging/address.ts'
import type { HealthStatus } from './health.ts'

/** A shard, or with `pin` one actor that was placed by hand. */
export interface EventUnit {
  readonly kind: string
  readonly shard: number
  readonly pin: string | undefined
}

export interface ClusterEventMap {
  /** A node registered. Also when it comes back under a new session (`incarnation`) or as a new process. */
  'node-joined': { readonly nodeId: string; readonly processId: string; readonly incarnation: string }
  /** The store says that a node's session is over: it stopped, crashed, or was cut off. */
  'node-left': { readonly nodeId: string; readonly processId: string; readonly incarnation: string }
  /** `nodeId` undefined: nobody leads at the moment. */
  'leader-changed': { readonly nodeId: string | undefined; readonly processId: string | undefined }
  /** Another document is in force here. */
  'placement-changed': { readonly kind: string; readonly epoch: number; readonly revision: number }
  /** This node hands a unit over (`source`) or receives one (`target`). */
  'handoff-started': HandoffEvent
  'handoff-finished': HandoffEvent
  'handoff-aborted': HandoffEvent
  /** The session is over: no turns run here until it is replaced. */
  suspended: { readonly incarnation: string; readonly reason: string }
  /** This process is registered again. Which of its actors go on is for the placement to say. */
  resumed: { readonly incarnation: string }
  /** State of actors was lost with the session: another owner was named in between, or nobody kept the unit for us. */
  discarded: EventUnit & { readonly epoch: number; readonly actors: number }
  /**
   * This process was out of the cluster for about as long as others remember what they handled of it (`delivery.sourceRetentionMs`), and goes on as
   * another process: what it owned is discarded, what was outstanding has ended.
   */
  'process-replaced': { readonly former: string; readonly processId: string; readonly awayMs: number }
  'health-changed': { readonly status: HealthStatus; readonly problems: readonly string[] }
  'store-lost': { readonly error: unknown }
  'store-regained': { readonly afterMs: number }
  /** The store that answers is another one than before: its data were lost. */
  'store-reborn': { readonly storeId: string }
  'peer-up': { readonly nodeId: string }
  'peer-down': { readonly nodeId: string; readonly reason: string }
  /** A node that leaves: how many units it still has to hand over. */
  'drain-progress': { readonly nodeId: string; readonly remaining: number }
  /** A background task failed and will be tried again. */
  warning: { readonly what: string; readonly error: unknown; readonly actor?: ActorAddress }
}

export interface HandoffEvent extends EventUnit {
  readonly handoffId: string
  readonly role: 'source' | 'target'
  readonly from: string
  readonly to: string
}

export type ClusterEventName = keyof ClusterEventMap

export class ClusterEvents {
  readonly #listeners = new Map<ClusterEventName, Set<(event: never) => void>>()
  readonly #onListenerError: (error: unknown) => void

  constructor(onListenerError: (error: unknown) => void) {
    this.#onListenerError = onListenerError
  }

  /** Returns what takes the listener off again. A listener that throws harms nobody: the error is logged. */
  on<K extends ClusterEventName>(name: K, listener: (event: ClusterEventMap[K]) => void): () => void {
    if (typeof listener !== 'function') throw new TypeError(`the listener of '${name}' is ${typeof listener}; it must be a function`)
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    // A wrapper of its own, so that one function can be added twice and taken off once.
    const entry = (event: ClusterEventMap[K]): void => listener(event)
    listeners.add(entry as (event: never) => void)
    return () => {
      listeners.delete(entry as (event: never) => void)
    }
  }

  once<K extends ClusterEventName>(name: K, listener: (event: ClusterEventMap[K]) => void): () => void {
    const off = this.on(name, (event) => {
      off()
      listener(event)
    })
    return off
  }

  emit<K extends ClusterEventName>(name: K, event: ClusterEventMap[K]): void {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined) return
    for (const listener of [...listeners]) {
      try {
        ;(listener as (event: ClusterEventMap[K]) => void)(event)
      } catch (error) {
        this.#onListenerError(error)
      }
    }
  }
}
