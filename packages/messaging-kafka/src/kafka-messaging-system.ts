// MessagingSystem over Kafka.

import { BrokerMessagingSystem } from '@cajun/messaging-broker'
import { KafkaBroker } from './kafka-broker.ts'
import { type KafkaMessagingOptions, resolveKafkaOptions } from './options.ts'

/**
 * The Kafka transport. Each node has an inbox, a topic `cajun.<cluster>.<node>` of one partition, which it makes itself and reads without a consumer group.
 *
 * Ordered and not durable: a frame is for one process, and what was under way when the connection to the brokers broke is not delivered later. Core keeps it,
 * and sends it again. All peers go down with the brokers, and come back with them.
 *
 * `start` rejects with `TransportError` when no broker of `brokers` can be reached or lets this process in, or the inbox can't be made.
 */
export class KafkaMessagingSystem extends BrokerMessagingSystem {
  /** Throws `ConfigError` for options that are wrong or contradict each other. */
  constructor(options: KafkaMessagingOptions) {
    const resolved = resolveKafkaOptions(options)
    super(resolved, new KafkaBroker(resolved))
  }
}
