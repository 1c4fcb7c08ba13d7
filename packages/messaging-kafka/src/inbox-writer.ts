// What is written to one inbox: one batch at a time, ever, because two that are under way may change places, whatever kafkajs's limit of requests in flight is. What
// comes meanwhile is the next batch, so that more load makes larger batches and not more requests.

import type { Runtime } from '@cajun/core/adapter'
import type { KafkaConnection } from './kafka-connection.ts'

export type Settled = (error?: Error) => void

interface Waiting {
  readonly value: Uint8Array
  readonly settled: Settled
}

/** What Kafka adds to a record, and more. */
const RECORD_OVERHEAD_BYTES = 64

export interface InboxWriterOptions {
  readonly runtime: Runtime
  readonly connection: KafkaConnection
  readonly topic: string
  readonly maxBatchBytes: number
  /** It takes nothing more: what comes all the same is settled with the same error. */
  readonly onFailed: () => void
}

export class InboxWriter {
  readonly #options: InboxWriterOptions
  #waiting: Waiting[] = []
  #draining: Promise<void> | undefined
  #failed: Error | undefined

  constructor(options: InboxWriterOptions) {
    this.#options = options
  }

  /** How much may wait is the caller's to bound. `settled` comes later, once, in the order of the calls. */
  write(value: Uint8Array, settled: Settled): void {
    this.#waiting.push({ value, settled })
    this.#draining ??= this.#drain()
  }

  /** Resolves when nothing waits and nothing is under way. Never rejects. */
  async idle(): Promise<void> {
    await this.#draining
  }

  async #drain(): Promise<void> {
    const { runtime, connection, topic, onFailed } = this.#options
    // What is written in one turn of the event loop leaves as one batch.
    await new Promise<void>((resolve) => runtime.endOfTurn(resolve))
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch()
      try {
        if (this.#failed === undefined)
          await connection.append(
            topic,
            batch.map(({ value }) => value),
          )
      } catch (error) {
        // The broker may or may not have this batch; what is behind it must not overtake it.
        this.#failed = error as Error
        onFailed()
      }
      for (const { settled } of batch) settled(this.#failed)
    }
    this.#draining = undefined
  }

  /** As much as one request may carry; at least one. */
  #nextBatch(): Waiting[] {
    let count = 0
    let bytes = 0
    for (const { value } of this.#waiting) {
      bytes += value.byteLength + RECORD_OVERHEAD_BYTES
      if (count > 0 && bytes > this.#options.maxBatchBytes) break
      count++
    }
    const batch = this.#waiting
    this.#waiting = batch.splice(count)
    return batch
  }
}
