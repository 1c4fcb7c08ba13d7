// Reads one inbox from a given place on, without a consumer group. Kafka keeps no place for it: frames are for one process, so a new process begins at the end,
// and the same process goes on where it was after a reconnect.

import type { Runtime } from '@cajun/core/adapter'
import type { KafkaConnection } from './kafka-connection.ts'
import { brokerRefusal } from './kafkajs-internals.ts'

export interface InboxReaderOptions {
  readonly runtime: Runtime
  readonly connection: KafkaConnection
  readonly topic: string
  /** Where to go on. */
  readonly offset: number
  /** How long the broker holds a request for which there is nothing yet. It costs no latency: the first byte answers it. */
  readonly maxWaitMs: number
  readonly maxBytes: number
}

export interface InboxReaderEvents {
  onValue(value: Uint8Array): void
  /** What stood between the place to go on and the oldest that is left has expired unread. */
  onGap(): void
}

const RETRY_MS = 50

export class InboxReader {
  readonly #options: InboxReaderOptions
  readonly #events: InboxReaderEvents
  #offset: number
  #stopped = false

  constructor(options: InboxReaderOptions, events: InboxReaderEvents) {
    this.#options = options
    this.#events = events
    this.#offset = options.offset
  }

  /** The place after the last value that was handed over. */
  get offset(): number {
    return this.#offset
  }

  /** Resolves when it was stopped or its connection has ended. */
  async run(): Promise<void> {
    const { connection, topic, maxWaitMs, maxBytes } = this.#options
    while (!this.#stopped && connection.ended === undefined) {
      try {
        const { values, next } = await connection.read(topic, this.#offset, maxWaitMs, maxBytes)
        for (const value of values) {
          if (this.#stopped) return
          this.#events.onValue(value)
        }
        this.#offset = next
      } catch (error) {
        if (connection.ended === undefined) await this.#recover(error)
      }
    }
  }

  stop(): void {
    this.#stopped = true
  }

  /** What the broker refused: the place is no more, the leader is another one now, or the topic was taken away. */
  async #recover(error: unknown): Promise<void> {
    const { runtime, connection, topic } = this.#options
    const refusal = brokerRefusal(error) ?? String(error)
    if (refusal.startsWith('OFFSET_OUT_OF_RANGE')) {
      try {
        this.#offset = await connection.earliestOffset(topic)
        if (!this.#stopped) this.#events.onGap()
        return
      } catch {
        // As below.
      }
    }
    if (refusal.startsWith('UNKNOWN_TOPIC_OR_PARTITION')) {
      connection.drop(new Error(`the inbox ${topic} is gone`, { cause: error }))
      return
    }
    connection.forget(topic)
    await new Promise<void>((resolve) => void runtime.setTimer(resolve, RETRY_MS))
  }
}
