// What refs of a cluster send through: hands messages to delivery, with the tenure of the turn that sends them.

import type { Destination, OutboundOptions } from '../actor/destination.ts'
import type { ActorTable } from '../actor/table.ts'
import type { DeliveryEndpoint } from '../delivery/delivery-endpoint.ts'
import type { DeliveryCall } from '../delivery/delivery-options.ts'
import type { Tenure } from '../delivery/tenure.ts'
import type { ActorAddress } from '../messaging/address.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { ClusterMetrics } from './metrics.ts'

export class ClusterRouter implements Destination {
  /** Which tenure an actor's table stands for: what its turns send may leave only while that holds. */
  readonly #tenures = new WeakMap<ActorTable, Tenure>()
  readonly #runtime: Runtime
  #endpoint: DeliveryEndpoint | undefined
  #latency: ClusterMetrics['latency']

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** The endpoint is made after the host that needs this router. */
  connect(endpoint: DeliveryEndpoint, latency: ClusterMetrics['latency']): void {
    this.#endpoint = endpoint
    this.#latency = latency
  }

  bind(table: ActorTable, tenure: Tenure): void {
    this.#tenures.set(table, tenure)
  }

  tell(address: ActorAddress, type: string, payload: unknown, options: OutboundOptions | undefined): boolean {
    return this.#delivery.tell(address, type, payload, options === undefined ? undefined : this.#call(options))
  }

  send(address: ActorAddress, type: string, payload: unknown, options: OutboundOptions | undefined): Promise<void> {
    const sent = this.#delivery.send(address, type, payload, options === undefined ? undefined : this.#call(options))
    return this.#latency === undefined ? sent : this.#timed(sent, this.#latency.send)
  }

  ask(address: ActorAddress, type: string, payload: unknown, options: OutboundOptions | undefined): Promise<unknown> {
    const asked = this.#delivery.ask(address, type, payload, options === undefined ? undefined : this.#call(options))
    return this.#latency === undefined ? asked : this.#timed(asked, this.#latency.ask)
  }

  ready(address: ActorAddress): Promise<void> {
    return this.#delivery.ready(address)
  }

  get #delivery(): DeliveryEndpoint {
    if (this.#endpoint === undefined) throw new Error('the cluster system is not started')
    return this.#endpoint
  }

  #call(options: OutboundOptions): DeliveryCall {
    const { from } = options
    if (from === undefined) return options as DeliveryCall
    return { ...options, from: this.#tenures.get(from) }
  }

  async #timed<T>(promise: Promise<T>, histogram: { record(ms: number): void }): Promise<T> {
    const startedMs = this.#runtime.monotonicMs()
    const value = await promise
    histogram.record(this.#runtime.monotonicMs() - startedMs)
    return value
  }
}
