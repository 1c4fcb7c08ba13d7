// Kafka as the broker of `@cajun/messaging-broker`: each inbox is a topic of one partition. Owns connecting again, and the own inbox from its creation on.
//
//   closed ── open ──> connecting ──connected, inbox there, end known──> up ──connection ended──> pausing ──> connecting

import { type LocalIdentity, type Timer, TransportError } from '@cajun/core/adapter'
import { type Broker, type BrokerEvents, reconnectDelayMs } from '@cajun/messaging-broker'
import { deleteExpiredInboxes, SIGN_OF_LIFE, signOfLifeEveryMs } from './inbox-expiry.ts'
import { InboxReader } from './inbox-reader.ts'
import { inboxPrefix, inboxTopic } from './inbox-topic.ts'
import { InboxWriter, type Settled } from './inbox-writer.ts'
import { KafkaConnection } from './kafka-connection.ts'
import type { ResolvedKafkaOptions } from './options.ts'

/** Kafka's own default for a batch, written down so that a broker's other default does not matter. */
const MAX_BATCH_BYTES = 1_048_588
/** What is left for packets, with room for Kafka's heads. */
export const MAX_PACKET_BYTES = 1_000_000
const READ_BYTES = 4 * 1_048_576

interface Up {
  readonly connection: KafkaConnection
  readonly reader: InboxReader
  readonly writers: Map<string, InboxWriter>
}

export class KafkaBroker implements Broker {
  readonly maxPacketBytes: number = MAX_PACKET_BYTES
  readonly #options: ResolvedKafkaOptions
  #prefix = ''
  #inbox = ''
  #events: BrokerEvents | undefined
  #up: Up | undefined
  #connecting: KafkaConnection | undefined
  /** Where to go on reading; undefined before the first connection. */
  #offset: number | undefined
  #failures = 0
  #retry: Timer | undefined
  #life: Timer | undefined
  #closed = false

  constructor(options: ResolvedKafkaOptions) {
    this.#options = options
  }

  get isUp(): boolean {
    return this.#up !== undefined
  }

  inboxOf({ clusterId, nodeId }: LocalIdentity): string {
    this.#prefix = inboxPrefix(clusterId)
    return inboxTopic(clusterId, nodeId)
  }

  async open(inbox: string, events: BrokerEvents): Promise<void> {
    this.#inbox = inbox
    this.#events = events
    try {
      await this.#connect()
    } catch (error) {
      throw new TransportError(`Kafka at ${this.#options.brokers.join(', ')}: ${(error as Error).message}`, { cause: error })
    }
  }

  publish(inbox: string, packet: Uint8Array, settled: Settled): void {
    const up = this.#up
    if (up === undefined) {
      this.#options.runtime.nextTurn(() => settled(new TransportError('there is no connection to Kafka now')))
      return
    }
    let writer = up.writers.get(inbox)
    if (writer === undefined) {
      const onFailed = (): void => {
        up.writers.delete(inbox)
        up.connection.forget(inbox)
      }
      const { runtime } = this.#options
      writer = new InboxWriter({ runtime, connection: up.connection, topic: inbox, maxBatchBytes: MAX_PACKET_BYTES, onFailed })
      up.writers.set(inbox, writer)
    }
    writer.write(packet, settled)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#retry?.cancel()
    this.#life?.cancel()
    const closed = new TransportError('the messaging system was stopped')
    this.#connecting?.drop(closed)
    const up = this.#up
    if (up === undefined) return
    up.reader.stop()
    await this.#atMost(this.#options.closeTimeoutMs, Promise.all([...up.writers.values()].map((writer) => writer.idle())))
    this.#up = undefined
    up.connection.drop(closed)
  }

  /** Rejects when it can't be had now. */
  async #connect(): Promise<void> {
    const { runtime, maxWaitMs } = this.#options
    const connection = await KafkaConnection.open(this.#options)
    this.#connecting = connection
    try {
      if (this.#closed) throw new TransportError('the messaging system was stopped')
      await this.#prepareInbox(connection)
    } catch (error) {
      connection.drop(error as Error)
      throw error
    } finally {
      this.#connecting = undefined
    }
    const reader = new InboxReader(
      { runtime, connection, topic: this.#inbox, offset: this.#offset as number, maxWaitMs, maxBytes: READ_BYTES },
      {
        onValue: (value) => {
          if (value.byteLength > 0) this.#events?.onPacket(value)
        },
        onGap: () => this.#events?.onError(new TransportError(`packets in the inbox ${this.#inbox} expired before they were read`)),
      },
    )
    this.#up = { connection, reader, writers: new Map() }
    this.#failures = 0
    void reader.run()
    connection.onEnd((reason) => this.#lost(reason))
    this.#liveOn(connection)
  }

  /** Its inbox, with the settings that it needs, and the place from which to read. */
  async #prepareInbox(connection: KafkaConnection): Promise<void> {
    const { inboxRetentionMs, inboxRetentionBytes, replicationFactor } = this.#options
    const isNew = await connection.createTopic({
      topic: this.#inbox,
      replicationFactor,
      config: {
        'cleanup.policy': 'delete',
        'retention.ms': String(inboxRetentionMs),
        'retention.bytes': String(inboxRetentionBytes),
        'segment.ms': String(inboxRetentionMs),
        'segment.bytes': String(Math.min(inboxRetentionBytes, 64 * 1_048_576)),
        'max.message.bytes': String(MAX_BATCH_BYTES),
      },
    })
    // What is there already is for processes that are gone, or was sent to this one and is to be read; in a new inbox there is nothing.
    if (isNew || this.#offset === undefined) this.#offset = isNew ? 0 : await connection.latestOffset(this.#inbox)
    await connection.append(this.#inbox, [SIGN_OF_LIFE])
  }

  #lost(reason: Error): void {
    const up = this.#up
    if (up === undefined || this.#closed) return
    this.#up = undefined
    this.#life?.cancel()
    up.reader.stop()
    this.#offset = up.reader.offset
    this.#events?.onDown(reason)
    this.#connectLater()
  }

  #connectLater(): void {
    if (this.#closed) return
    const { runtime, reconnect } = this.#options
    this.#retry = runtime.setTimer(() => void this.#reconnect(), reconnectDelayMs(this.#failures++, reconnect, runtime.random()))
  }

  async #reconnect(): Promise<void> {
    try {
      await this.#connect()
    } catch (error) {
      if (this.#closed) return
      // The first of a row is enough: an outage is one thing.
      if (this.#failures === 1) this.#events?.onError(error as Error)
      this.#connectLater()
      return
    }
    if (this.isUp) this.#events?.onUp()
  }

  /** The own sign of life, and a look for those that have stopped giving theirs. */
  #liveOn(connection: KafkaConnection): void {
    const { runtime, inboxRetentionMs } = this.#options
    void this.#expire(connection)
    this.#life = runtime.setTimer(() => {
      this.publish(this.#inbox, SIGN_OF_LIFE, () => {})
      if (connection.ended === undefined) this.#liveOn(connection)
    }, signOfLifeEveryMs(inboxRetentionMs))
  }

  async #expire(connection: KafkaConnection): Promise<void> {
    try {
      await deleteExpiredInboxes(connection, this.#prefix, this.#inbox)
    } catch (error) {
      // Not allowed to, or another node was faster: they cost nothing but their names.
      if (connection.ended === undefined && !this.#closed) {
        this.#events?.onError(new TransportError('expired inboxes could not be deleted', { cause: error }))
      }
    }
  }

  async #atMost(limitMs: number, work: Promise<unknown>): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer = this.#options.runtime.setTimer(late.resolve, limitMs)
    await Promise.race([work, late.promise])
    timer.cancel()
  }
}
