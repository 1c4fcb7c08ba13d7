// The public names of this package: for transports over a stream of bytes. Users take one of those.

export { parseAddress } from './address.ts'
export { Connection, type ConnectionContext, openLimits } from './connection.ts'
export { nameFits } from './handshake-message.ts'
export { Listener } from './listener.ts'
export { PeerTable } from './peer-table.ts'
export type { ReconnectOptions } from './reconnect-delay.ts'
export { type ResolvedStreamOptions, resolveStreamOptions, type StreamMessagingOptions, streamMessagingDefaults } from './stream-options.ts'
export { MAX_NAME_BYTES } from './wire-format.ts'
