// Delivery of one process: everything it sends and receives passes here. (Signatures first; the body follows.)

import type { ActorAddress } from '../messaging/address.ts'
import type { MessagingHandler, PeerId } from '../messaging/messaging-system.ts'
import type { DeliveryCall, DeliveryOptions } from './delivery-options.ts'
import type { Tenure, TenureOptions } from './tenure.ts'

/** The transport's handler: the cluster calls `transport.start(local, endpoint)`. */
export class DeliveryEndpoint implements MessagingHandler {
  constructor(options: DeliveryOptions) {
    void options
  }

  /** `false`: slow down (`ready`), or it became a dead letter. Throws only for a payload that can't travel, or is too large. */
  tell(address: ActorAddress, type: string, payload: unknown, call?: DeliveryCall): boolean {
    return this.#todo(address, type, payload, call)
  }
  /** Resolves when the turn ended (at-most-once: when it was written). Rejects with `NotExecutedError`, `DeliveryUnknownError` or the actor's failure. */
  send(address: ActorAddress, type: string, payload: unknown, call?: DeliveryCall): Promise<void> {
    return this.#todo(address, type, payload, call)
  }
  ask(address: ActorAddress, type: string, payload: unknown, call?: DeliveryCall): Promise<unknown> {
    return this.#todo(address, type, payload, call)
  }
  /** Resolves when `tell` would return true again. */
  ready(address: ActorAddress): Promise<void> {
    return this.#todo(address)
  }

  /** The cached document was replaced: streams whose location changed are re-routed. Undefined: of every kind. */
  placementChanged(kind?: string): void {
    this.#todo(kind)
  }
  /** The gate may have opened (session renewed or regained): what was held leaves. Also found by a timer within 50 ms. */
  leaseRenewed(): void {}

  /** The store says that this process is gone: its link closes, what was outstanding waits for the new placement; its records go after `sourceRetentionMs`. */
  peerGone(processId: string): void {
    this.#todo(processId)
  }
  /** As `peerGone`, and its records go now. */
  retireSource(processId: string): void {
    this.#todo(processId)
  }

  openTenure(options: TenureOptions): Tenure {
    return this.#todo(options)
  }
  /** A pin's tenure before its shard's. */
  findTenure(kind: string, id: string): Tenure | undefined {
    return this.#todo(kind, id)
  }

  /** Reliable and ordered within the life of both processes. At most 256 KiB each; larger ones are the caller's to split. */
  control(to: PeerId, body: unknown): void {
    this.#todo(to, body)
  }
  /** Resolves when little is waiting for this peer; rejects when the process is gone. */
  controlDrained(to: PeerId): Promise<void> {
    return this.#todo(to)
  }

  onPeerUp(peer: PeerId): void {
    this.#todo(peer)
  }
  onPeerDown(peer: PeerId, reason: Error): void {
    this.#todo(peer, reason)
  }
  onFrame(from: PeerId, frame: Uint8Array): void {
    this.#todo(from, frame)
  }
  onDrain(peer: PeerId): void {
    this.#todo(peer)
  }

  /** Ends everything outstanding with `shutdown`. Idempotent. The transport is the caller's to stop. */
  close(): void {}

  #todo(..._: unknown[]): never {
    throw new Error('delivery is being written')
  }
}
