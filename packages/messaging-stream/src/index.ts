// The public names of this package: for transports over a stream of bytes. Users take one of those.

export { formatHostPort, isLoopback, isWildcard, parseAddress } from './address.ts'
export { Authenticator, type SharedSecret } from './authenticator.ts'
export type { ByteChannel, ChannelListener } from './byte-channel.ts'
export type { Carrier, CarrierEvents } from './carrier.ts'
export { type ChannelSecurity, nodeUri } from './channel-security.ts'
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
export { StreamMessagingSystem, type StreamSecurity } from './stream-messaging-system.ts'
export { type ResolvedStreamOptions, resolveStreamOptions, type StreamMessagingOptions, streamMessagingDefaults } from './stream-options.ts'
export { TlsCredentials, type TlsFiles, type TlsMaterial } from './tls-credentials.ts'
export { channelError, reportRefusals, securityOf, tlsClientOptions, tlsServerOptions } from './tls-security.ts'
export { HANDSHAKE_LIMIT_BYTES } from './wire-format.ts'
