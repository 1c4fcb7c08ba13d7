// What this transport takes from kafkajs below its public interface, in one place: the cluster object, for an inbox that is read without a consumer group (a group
// takes three seconds to join, and rebalances), and its polling loop, which is stopped. Checked at run time, because no version promises either.

import { createRequire } from 'node:module'
import { ConfigError } from '@cajun/core/adapter'
import kafkajs, { type Kafka } from 'kafkajs'

export interface KafkaRecord {
  readonly offset: string
  readonly value: Buffer | null
}

export interface FetchedPartition {
  readonly partition: number
  readonly messages: readonly KafkaRecord[]
}

export interface PartitionOffset {
  readonly partition: number
  readonly errorCode: number
  /** Of the one that was asked for; as a string, because it is 64 bits wide. */
  readonly offset: string
}

/** One broker of a Kafka cluster. Each call is one request, without retries. */
export interface KafkaBroker {
  fetch(request: {
    readonly maxWaitTime: number
    readonly minBytes: number
    readonly maxBytes: number
    readonly isolationLevel: number
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly fetchOffset: string; readonly maxBytes: number }[]
    }[]
  }): Promise<{ readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchedPartition[] }[] }>
  produce(request: {
    readonly acks: number
    readonly timeout: number
    readonly topicData: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly messages: readonly { readonly value: Uint8Array }[] }[]
    }[]
  }): Promise<unknown>
  listOffsets(request: {
    readonly topics: readonly {
      readonly topic: string
      readonly partitions: readonly { readonly partition: number; readonly timestamp: number }[]
    }[]
  }): Promise<{ readonly responses: readonly { readonly topic: string; readonly partitions: readonly PartitionOffset[] }[] }>
  createTopics(request: {
    readonly timeout: number
    readonly topics: readonly {
      readonly topic: string
      readonly numPartitions: number
      readonly replicationFactor: number
      readonly configEntries: readonly { readonly name: string; readonly value: string }[]
    }[]
  }): Promise<unknown>
  deleteTopics(request: { readonly timeout: number; readonly topics: readonly string[] }): Promise<unknown>
  metadata(topics: readonly string[]): Promise<{ readonly topicMetadata: readonly { readonly topic: string }[] }>
}

export interface KafkaCluster {
  connect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  refreshMetadata(): Promise<void>
  /** Asked for at each refresh; one that is gone makes all of it fail. */
  readonly targetTopics: Set<string>
  findBroker(node: { readonly nodeId: number | string }): Promise<KafkaBroker>
  findControllerBroker(): Promise<KafkaBroker>
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>
}

const CREATE_CLUSTER = 'private:Kafka:createCluster'

/** Throws {@link ConfigError} when this kafkajs is not built as the one that it was written for. */
export function createCluster(kafka: Kafka): KafkaCluster {
  stopPolling()
  const symbol = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === CREATE_CLUSTER)
  const create: unknown = symbol === undefined ? undefined : Reflect.get(kafka, symbol)
  if (typeof create !== 'function')
    throw new ConfigError('this version of kafkajs has no cluster object where 2.2.4 has it; install kafkajs 2.2.4')
  // Nobody writes in transactions, so there is nothing uncommitted to wait for; topics are created with settings of ours, never by asking for them.
  return create({ allowAutoTopicCreation: false, metadataMaxAge: 300_000 }) as KafkaCluster
}

interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

let polls = true

/**
 * kafkajs looks for pending requests with a timer that, when there are none, is set to a time long past: Node 24 warns of the negative time-out, and the loop
 * comes back each millisecond, for each connection, for ever. When nothing is pending there is nothing to look for: what comes later is looked at when it comes.
 */
function stopPolling(): void {
  if (!polls) return
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as { prototype?: RequestQueue }
  const schedule = prototype?.scheduleCheckPendingRequests
  if (prototype === undefined || typeof schedule !== 'function') return
  polls = false
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this)
  }
}

/** Type and message of an error that the broker answered with, or undefined: the connection is fine then. */
export function brokerRefusal(error: unknown): string | undefined {
  const { name, type, message } = error as { name?: string; type?: string; message?: string }
  if (error instanceof kafkajs.KafkaJSProtocolError || name === 'KafkaJSProtocolError') return `${type}: ${message}`
  return undefined
}
