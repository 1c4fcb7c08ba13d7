// The node's mail: control messages to and from other nodes, each handed to whom it is for.

import type { PeerId } from '../messaging/messaging-system.ts'
import type { ClusterNode } from './cluster-node.ts'
import { type ControlMessage, fromWireUnit, readControlMessage } from './control-messages.ts'
import type { HeldUnit } from './held-unit.ts'
import { packShipment } from './shipment.ts'

/** What a chunk of shipped state takes beside its bytes, within the limit of a control message. */
const CHUNK_OVERHEAD_BYTES = 1_024

export class ControlDesk {
  readonly #node: ClusterNode

  constructor(node: ClusterNode) {
    this.#node = node
  }

  receive(from: PeerId, body: unknown): void {
    let message: ControlMessage | undefined
    try {
      message = readControlMessage(body, this.#node.protocol)
    } catch (error) {
      return this.#node.warn(`node '${from.nodeId}' sent a control message that can not be read`, error)
    }
    if (message !== undefined && !this.#node.stopped) this.#hear(from, message)
  }

  #hear(from: PeerId, message: ControlMessage): void {
    switch (message.t) {
      case 'ship-begin':
      case 'ship-chunk':
      case 'ship-end': {
        const isNew = message.t === 'ship-begin' && this.#node.target.handoffOf(fromWireUnit(message.unit))?.handoffId !== message.handoffId
        const answer = this.#node.target.receive(from.nodeId, message)
        if (isNew) {
          const unit = fromWireUnit(message.unit)
          this.#node.events.emit('handoff-started', {
            ...unit,
            handoffId: message.handoffId,
            role: 'target',
            from: from.nodeId,
            to: this.#node.local.nodeId,
          })
        }
        if (answer !== undefined) this.say(from, answer)
        return
      }
      case 'ship-copied':
      case 'ship-again':
        return this.#node.source.receive(from, message)
      case 'released':
        return this.#node.leader.released(from, fromWireUnit(message.unit), message.handoffId, message.epoch)
      case 'request':
      case 'response':
        return this.#node.rpc.receive(from, message)
    }
  }

  say(to: PeerId, message: ControlMessage): void {
    if (to.processId === this.#node.local.processId) this.#hear(this.#node.local, message)
    else this.post(to, message)
  }

  /** To another process, in the version that everybody reads. */
  post(to: PeerId, message: ControlMessage): void {
    this.#node.endpoint.control(to, { v: this.#node.protocolVersion, ...message })
  }

  *chunksOf(held: HeldUnit | undefined): Generator<Uint8Array> {
    if (held === undefined || held.state !== 'sealed') return
    const chunkBytes = Math.max(CHUNK_OVERHEAD_BYTES, this.#node.options.handoff.chunkBytes - CHUNK_OVERHEAD_BYTES)
    yield* packShipment(held.items(), chunkBytes, (actor, error) =>
      this.#node.logger.warn('state can not be moved; the actor starts afresh on the other side', {
        kind: actor.kind,
        id: actor.id,
        error,
      }),
    )
  }
}
