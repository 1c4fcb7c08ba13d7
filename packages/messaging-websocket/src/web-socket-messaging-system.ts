// MessagingSystem over WebSocket.

import { StreamMessagingSystem, TlsCredentials } from '@cajun/messaging-stream'
import { resolveWebSocketOptions, type WebSocketMessagingOptions } from './options.ts'
import { WebSocketCarrier } from './web-socket-carrier.ts'

/**
 * The WebSocket transport, for networks where only HTTP passes. Ordered and not durable: what was accepted for a peer is lost when its connection is
 * lost, and core sends it again.
 *
 * Without options `tls` and `secrets` it is neither encrypted nor authenticated: it listens on the loopback interface then, unless `insecure: true` says that
 * everybody who reaches the port is trusted.
 *
 * Gotcha: a frame that `onFrame` gets may be a view into the chunk that the socket read; whoever keeps a small part of it keeps up to 64 KiB alive.
 */
export class WebSocketMessagingSystem extends StreamMessagingSystem {
  /** Throws `ConfigError` for options that are wrong or contradict each other. */
  constructor(options: WebSocketMessagingOptions) {
    const resolved = resolveWebSocketOptions(options)
    const { tls, runtime, secrets } = resolved.stream
    const credentials = tls && new TlsCredentials(tls, runtime)
    super(resolved.stream, new WebSocketCarrier(resolved, credentials), { secrets, credentials })
  }
}
