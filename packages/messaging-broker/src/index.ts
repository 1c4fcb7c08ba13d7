// The public names of this package: for transports over a message broker. Users take one of those.

export { reconnectDelayMs } from '@cajun/messaging-stream'
export type { Broker, BrokerEvents } from './broker.ts'
export { BrokerMessagingSystem } from './broker-messaging-system.ts'
export { type BrokerMessagingOptions, type ResolvedBrokerOptions, resolveBrokerOptions } from './broker-options.ts'
export type { FrameKey } from './frame-key.ts'
