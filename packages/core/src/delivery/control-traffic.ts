// The cluster's own traffic as its callers see it: bounded, with back-pressure; each message reported in a turn of its own.
// Numbers and repetition are `control-channel.ts`.

import { TransportError } from '../errors.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import { encodePayload } from '../messaging/payload-codec.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { Peer } from './peer.ts'

const CONTROL_DRAINED_BYTES = 256 * 1024

interface ControlWaiter {
  readonly peer: Peer
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class ControlTraffic {
  readonly #core: DeliveryCore
  readonly #markDirty: (peer: Peer) => void
  readonly #waiters: ControlWaiter[] = []

  constructor(core: DeliveryCore, markDirty: (peer: Peer) => void) {
    this.#core = core
    this.#markDirty = markDirty
  }

  /** Reliable and ordered within the life of both processes. At most 256 KiB each; larger ones are the caller's to split. */
  send(peer: Peer, body: unknown): void {
    const bytes = encodePayload(body, this.#core.limits.maxPayloadBytes, 'control message')
    if (peer.isGone || this.#core.isClosed) return
    if (peer.control.waitingBytes + bytes.length > this.#core.limits.controlBytesPerPeer) {
      throw new TransportError(
        `control messages to ${peer.id.nodeId} take more than ${this.#core.limits.controlBytesPerPeer} bytes; await controlDrained`,
      )
    }
    peer.control.send(bytes)
    this.#markDirty(peer)
  }

  /** Resolves when little is waiting for this peer; rejects when the process is gone. */
  drained(peer: Peer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ peer, resolve, reject })
      this.settle()
    })
  }

  /** Whoever waits for a peer to have taken most of it is told. */
  settle(): void {
    for (let i = 0; i < this.#waiters.length; ) {
      const { peer, resolve, reject } = this.#waiters[i] as ControlWaiter
      const isDone = peer.isGone || this.#core.isClosed || peer.control.waitingBytes < CONTROL_DRAINED_BYTES
      if (!isDone) {
        i++
        continue
      }
      this.#waiters.splice(i, 1)
      if (peer.isGone || this.#core.isClosed) reject(new TransportError(`process ${peer.id.processId} of node ${peer.id.nodeId} is gone`))
      else resolve()
    }
  }

  arrived(from: PeerId, body: unknown): void {
    // In a turn of its own, so that whatever the cluster does with it can't happen in the middle of a frame.
    this.#core.runtime.microtask(() => this.#core.options.onControl?.(from, body))
  }
}
