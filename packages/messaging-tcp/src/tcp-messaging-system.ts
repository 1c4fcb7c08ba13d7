// MessagingSystem over TCP.

import { resolveStreamOptions, type StreamMessagingOptions, StreamMessagingSystem, TlsCredentials } from '@cajun/messaging-stream'
import { TcpCarrier } from './tcp-carrier.ts'

/**
 * The TCP transport. Ordered and not durable: what was accepted for a peer is lost when its connection is lost, and core sends it again.
 *
 * Without options `tls` and `secrets` it is neither encrypted nor authenticated: it listens on the loopback interface then, unless `insecure: true` says that
 * everybody who reaches the port is trusted.
 *
 * Gotcha: a frame that `onFrame` gets may be a view into the chunk that the socket read; whoever keeps a small part of it keeps up to 64 KiB alive.
 */
export class TcpMessagingSystem extends StreamMessagingSystem {
  /** Throws `ConfigError` for options that are wrong or contradict each other. */
  constructor(options: StreamMessagingOptions) {
    const resolved = resolveStreamOptions(options)
    const credentials = resolved.tls && new TlsCredentials(resolved.tls, resolved.runtime)
    super(resolved, new TcpCarrier(resolved, credentials), { secrets: resolved.secrets, credentials })
  }
}
