// The seam below a connection: bytes in order, both ways, whatever carries them (a TCP socket, TLS, a WebSocket). A channel knows nothing of
// messages, and where one chunk ends and the next begins means nothing.

import type { ChannelSecurity } from './channel-security.ts'

export interface ByteChannel {
  /** What TLS says, from the moment the channel is open. Undefined: it is plain. */
  readonly security?: ChannelSecurity | undefined
  /** Called once, before anything happens. */
  attach(listener: ChannelListener): void
  /**
   * Takes the buffers, in order, and leaves them as they are. `written` is called when the system below has taken them all; never, if the channel ends
   * before. Does nothing when the channel has ended.
   */
  write(parts: readonly Uint8Array[], written: () => void): void
  /** Sends what it took, then ends its own direction. What still comes is handed on. */
  end(): void
  /** Ends both directions at once. */
  destroy(): void
}

export interface ChannelListener {
  /** A dialed channel can be written to. Accepted ones can be from the beginning. */
  onOpen(): void
  /** The bytes are the listener's. */
  onData(chunk: Uint8Array): void
  /** Something went wrong; `onClose` follows. */
  onError(error: Error): void
  /** The other side sends nothing more. */
  onEnd(): void
  /** Both directions have ended. Once, and last. */
  onClose(): void
}
