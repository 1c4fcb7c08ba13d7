// MessagingSystem over a broker: connections as over TCP, on channels through inboxes.

import { StreamMessagingSystem } from '@cajun/messaging-stream'
import type { Broker } from './broker.ts'
import { BrokerCarrier } from './broker-carrier.ts'
import type { ResolvedBrokerOptions } from './broker-options.ts'

/**
 * Ordered and not durable: a frame is for one process, and what was under way when a connection broke is not delivered later. Core keeps it, and sends it again.
 * Peers go down with the broker, and come back with it.
 */
export abstract class BrokerMessagingSystem extends StreamMessagingSystem {
  protected constructor(options: ResolvedBrokerOptions, broker: Broker) {
    super(options, new BrokerCarrier(broker, options))
  }
}
