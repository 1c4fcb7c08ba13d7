// MessagingSystem: how bytes travel between processes. A transport moves opaque frames; it may lose, repeat or delay them
// across reconnects, and says so in its capabilities. Guarantees are core's (`delivery/`), so they hold over every transport.

/** A process as a transport knows it: a node, and which incarnation of it. */
export interface PeerId {
  readonly nodeId: string
  /** Made once at the start of the process, random, never reused. */
  readonly processId: string
}

/** Who this process is. Gotcha: not to be copied, see promise 17 of {@link MessagingSystem}. */
export interface LocalIdentity extends PeerId {
  readonly clusterId: string
}

export interface PeerAddress extends PeerId {
  /** As the peer's `start` returned it, or as static configuration gives it. Its form is the transport's own. */
  readonly address: string
}

export interface MessagingHandler {
  /** A whole frame arrived. The bytes are the receiver's from now on: the transport never writes to them again. Must not throw. */
  onFrame(from: PeerId, frame: Uint8Array): void
  /** Frames can flow both ways from now on. Called again after each reconnect (the state of a link is core's to resume), and when a new process took the node's place. */
  onPeerUp(peer: PeerId): void
  /** Nothing flows any more: frames accepted and not yet delivered may be lost. */
  onPeerDown(peer: PeerId, reason: Error): void
  /** After `send` returned false for a frame that was taken: there is room again. Not called for a peer that went down in between. */
  onDrain(peer: PeerId): void
  /**
   * Whether this is the present process of its node, as the store says. Transports to which peers connect ask it of each that wants in, after it has proved
   * who it is; false, or a rejection, keeps it out, and it may try again. Without it nobody is kept out.
   */
  isCurrent?(peer: PeerId): boolean | Promise<boolean>
  /**
   * Something from outside was wrong (malformed bytes, a refused handshake, an address that can't be reached) and was dealt with: for logs and metrics.
   * `peer` is there when it is known whom it concerns. Repeated failures of the same attempt may be reported once.
   */
  onError?(error: Error, peer?: PeerId): void
}

export interface MessagingCapabilities {
  /** Frames from one process to another arrive in the order sent, as long as the peer stays up. */
  readonly ordered: boolean
  /** Accepted frames survive a crash of the receiving node (brokers). */
  readonly durable: boolean
  /** The largest frame in bytes. */
  readonly maxFrameBytes: number
}

/**
 * The contract. Each number has a test in `messagingSystemContract` (package contract-tests).
 *
 * 1. `start` resolves with an address under which peers of the same cluster reach this process; it rejects with `TransportError` naming the address when it can't listen (port taken).
 * 2. After `connect(peer)` (on either side) both handlers get `onPeerUp` with the other's exact node and process id.
 * 3. A frame accepted while the peer is up arrives whole and unaltered, at any size from 1 byte to `maxFrameBytes`. It may be lost only with its connection, and then both sides get `onPeerDown`:
 *    a frame never disappears between two frames that arrive while the peer stays up. The sender leaves the bytes alone once they were handed over, and so does the transport.
 * 4. With `ordered`: in the order sent, without repetition, while the peer stays up.
 * 5. `send` returns false when the peer is not up (the frame was not taken) or when its buffer is above the high-water mark (the frame was taken); `onDrain` follows when there is room, unless the peer goes down first.
 *    `send` never throws for delivery reasons, and never blocks. It may be called from every handler.
 * 6. `send` of a frame over `maxFrameBytes` throws a `TypeError` that names both sizes; so does an empty one.
 * 7. Memory for a slow or dead peer is bounded: `bufferedBytes(peer)` stays below the high-water mark plus one frame when the caller heeds `false`, and is 0 while the peer is down.
 * 8. A lost connection gives `onPeerDown` once, then reconnection with backoff and jitter without being asked, until `disconnect`; each success gives `onPeerUp`. For one peer the two alternate.
 * 9. A peer that vanished without closing (frozen, cable cut, one way or both) is found by heartbeats within `heartbeatTimeoutMs`.
 * 10. A frame for another incarnation of this node, or from another cluster, never reaches `onFrame`. No frame reaches it from a peer that is not up.
 * 11. When both sides connect at once, one connection remains and both see the peer up.
 * 12. `disconnect(nodeId)` ends the connection and the attempts; `onPeerDown` is called if it was up. That process's own attempts are refused until `connect` names it again.
 * 13. `ping(nodeId)` resolves with a round trip in milliseconds, and rejects when the peer does not answer in time or is not up.
 * 14. `stop()` closes everything, is idempotent, waits for what was accepted to be written (bounded), gives `onPeerDown` for each peer that was up, and no handler is called after it has resolved.
 *     No process is kept alive by a stopped system. Afterwards `send` returns false and `connect` throws `ClosedError`.
 * 15. Malformed bytes close that connection with a `ProtocolError` to `onError`; they crash nothing, and no frame comes of them.
 * 16. A reconnecting process with a new `processId` gives `onPeerDown` for the old and `onPeerUp` for the new incarnation. The process that `connect` named last is preferred: while it is up, no other one of that node takes its place.
 * 17. `local` is read anew for each connection (brokers: each frame), never copied: its `processId` changes when a process was out of the cluster for too long. Whoever changes it
 *     disconnects every peer before and connects anew afterwards; then both sides see the new process, as in 16.
 */
export interface MessagingSystem extends AsyncDisposable {
  readonly capabilities: MessagingCapabilities
  start(local: LocalIdentity, handler: MessagingHandler): Promise<{ readonly address: string }>
  /** Wants a connection to this process from now on; returns at once. Idempotent; a new process id or address for the same node replaces the old. */
  connect(peer: PeerAddress): void
  disconnect(nodeId: string): void
  send(nodeId: string, frame: Uint8Array): boolean
  bufferedBytes(nodeId: string): number
  ping(nodeId: string): Promise<number>
  stop(): Promise<void>
}
