// Reads the items of a frame that its link has taken, and hands each to the part of delivery that it is for.

import { ProtocolError } from '../errors.ts'
import {
  ITEM_ACKS,
  ITEM_ACTOR,
  ITEM_CONTROL,
  ITEM_CONTROL_RECEIPT,
  ITEM_CREDIT,
  ITEM_EPOCH,
  ITEM_MESSAGE,
  ITEM_MOVED,
  ITEM_NAME,
  ITEM_OUTCOME,
  ITEM_VOID,
} from '../messaging/frame-format.ts'
import type { FrameReader } from '../messaging/frame-reader.ts'
import { decodePayload } from '../messaging/payload-codec.ts'
import type { ControlTraffic } from './control-traffic.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { Inbound } from './inbound.ts'
import type { Outbound } from './outbound.ts'
import type { Peer } from './peer.ts'
import type { Source } from './records.ts'

export class FrameIntake {
  readonly #core: DeliveryCore
  readonly #inbound: Inbound
  readonly #outbound: Outbound
  readonly #control: ControlTraffic
  readonly #markDirty: (peer: Peer) => void

  constructor(core: DeliveryCore, inbound: Inbound, outbound: Outbound, control: ControlTraffic, markDirty: (peer: Peer) => void) {
    this.#core = core
    this.#inbound = inbound
    this.#outbound = outbound
    this.#control = control
    this.#markDirty = markDirty
  }

  /** Throws `ProtocolError` where the bytes are not what the protocol says. */
  read(peer: Peer, source: Source, reader: FrameReader): void {
    this.#inbound.beginFrame(reader.header.baseId)
    while (reader.hasMore) this.#item(peer, source, reader)
    // After the items: the floor may pass messages that this very frame ends.
    source.raiseFloor(reader.header.floor)
  }

  #item(peer: Peer, source: Source, reader: FrameReader): void {
    const first = reader.byte()
    if (first & ITEM_MESSAGE) {
      this.#inbound.message(peer, reader, first)
      return
    }
    const isVoid = (first & ITEM_VOID) !== 0
    switch (first & ~ITEM_VOID) {
      case ITEM_ACKS: {
        const epoch = reader.varint()
        let end = 0
        for (let runs = reader.varint(); runs > 0; runs--) {
          const start = end + reader.varint()
          const length = reader.varint()
          end = start + length
          if (end > this.#core.outbox.lastId + 1) throw new ProtocolError(`acknowledgement of message ${end - 1}, which was never sent`)
          if (!isVoid) this.#outbound.endings.acknowledged(peer, epoch, start, length)
        }
        return
      }
      case ITEM_OUTCOME: {
        const epoch = reader.varint()
        const id = reader.varint()
        const outcome = reader.byte()
        const length = reader.u24()
        const start = reader.skip(length)
        if (!isVoid) this.#outbound.endings.outcome(peer, epoch, id, outcome, reader.bytes, start, start + length)
        return
      }
      case ITEM_MOVED: {
        const slot = reader.varint()
        const sentUnder = reader.varint()
        const epoch = reader.varint()
        const owner = reader.byte() === 0 ? null : { nodeId: reader.text(), processId: reader.text() }
        this.#outbound.moved(peer, slot, sentUnder, epoch, owner)
        return
      }
      case ITEM_CREDIT:
        peer.grantCredit(reader.varint())
        this.#markDirty(peer)
        return
      case ITEM_ACTOR:
        this.#inbound.define(peer, source, reader)
        return
      case ITEM_NAME:
        peer.inNames.set(reader.varint(), reader.text())
        return
      case ITEM_EPOCH:
        peer.inActors.get(reader.varint()).epoch = reader.varint()
        return
      case ITEM_CONTROL: {
        const number = reader.varint()
        const length = reader.u32()
        const start = reader.skip(length)
        if (peer.control.takes(number)) {
          const body = decodePayload(reader.bytes, start, start + length)
          this.#control.arrived(peer.id, body)
        }
        this.#markDirty(peer)
        return
      }
      case ITEM_CONTROL_RECEIPT:
        peer.control.receipted(reader.varint())
        this.#control.settle()
        return
      default:
        throw new ProtocolError(`frame has an unknown item ${first}`)
    }
  }
}
