// The public names of this package: for transports over a stream of bytes. Users take one of those.

export { formatHostPort, isLoopback, isWildcard, parseAddress } from './address.ts'
export type { ByteChannel, ChannelListener } from './byte-channel.ts'
export type { Carrier, CarrierEvents } from './carrier.ts'
export {
  type ConnectionOptions,
  connectionDefaults,
  duration,
  integer,
  type ResolvedConnectionOptions,
  resolveConnectionOptions,
} from './connection-options.ts'
export { Doorway, type DoorwayLimits, Entrant } from './doorway.ts'
export { Listener } from './listener.ts'
export { type ReconnectOptions, reconnectDelayMs } from './reconnect-delay.ts'
export { StreamMessagingSystem } from './stream-messaging-system.ts'
export { type ResolvedStreamOptions, resolveStreamOptions, type StreamMessagingOptions, streamMessagingDefaults } from './stream-options.ts'
