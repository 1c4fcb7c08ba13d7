// The seam to a message broker: packets into inboxes, and out of one's own. All that differs between RabbitMQ and Kafka. Losing and repeating
// packets is allowed across reconnects; changing their order is not.

import type { LocalIdentity } from '@cajun/core/adapter'

export interface Broker {
  /** What the inbox of a process is called. Several processes of a node may share one: packets name the process that they are for. */
  inboxOf(local: LocalIdentity): string
  /** A packet is at most so large. */
  readonly maxPacketBytes: number
  /** Makes the own inbox and reads it. Rejects with `TransportError` when it can't be had. From then on it reconnects by itself, until `close`. */
  open(inbox: string, events: BrokerEvents): Promise<void>
  /** Between `onDown` and `onUp`, and before `open`, it is false. */
  readonly isUp: boolean
  /**
   * One packet into an inbox; those of one inbox stay in order. `settled` is called once: without an error when the broker has it, with one when it was
   * refused or when nobody can know. Never called within this call. The bytes are the broker's from now on.
   */
  publish(inbox: string, packet: Uint8Array, settled: (error?: Error) => void): void
  /** Waits for what was published, with a bound; then ends everything. */
  close(): Promise<void>
}

export interface BrokerEvents {
  /** The bytes are the receiver's. */
  onPacket(packet: Uint8Array): void
  /** Once more after each loss. */
  onUp(): void
  /** Packets under way may be lost, in both directions. */
  onDown(reason: Error): void
  /** For logs and metrics: something was dealt with. */
  onError(error: Error): void
}
