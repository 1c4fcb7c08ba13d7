// MessagingSystem over RabbitMQ.

import { BrokerMessagingSystem } from '@cajun/messaging-broker'
import { type RabbitMqMessagingOptions, resolveRabbitMqOptions } from './options.ts'
import { RabbitMqBroker } from './rabbitmq-broker.ts'

/**
 * The RabbitMQ transport. Each process has an inbox, a durable queue under `<prefix>/<cluster>/inbox/<node>/<process>` that it alone reads and that expires
 * after `inboxExpiresMs` without a reader.
 *
 * Ordered and not durable: a frame is for one process, and what was under way when the connection to the broker broke is not delivered later. Core keeps it,
 * and sends it again. All peers go down with the broker, and come back with it.
 *
 * `start` rejects with `TransportError` when no broker of `url` can be reached or lets this process in.
 */
export class RabbitMqMessagingSystem extends BrokerMessagingSystem {
  /** Throws `ConfigError` for options that are wrong or contradict each other. */
  constructor(options: RabbitMqMessagingOptions) {
    const resolved = resolveRabbitMqOptions(options)
    super(resolved, new RabbitMqBroker(resolved))
  }
}
