// Writes messages into the frames of one link: each says only what differs from the one before it, and actors and names go by numbers.
// Which messages, and when, is `peer.ts` and `outbound.ts`.

import {
  EXTRA_CHAIN,
  EXTRA_DEADLINE,
  EXTRA_SENDER,
  EXTRA_STASHED,
  ITEM_ACTOR,
  ITEM_EPOCH,
  ITEM_MESSAGE,
  ITEM_NAME,
  MESSAGE_ASK,
  MESSAGE_EXTRA,
  MESSAGE_NEXT_ID,
  MESSAGE_RELIABLE,
  MESSAGE_SAME_ACTOR,
  MESSAGE_SAME_NAME,
} from '../messaging/frame-format.ts'
import { FrameWriter } from '../messaging/frame-writer.ts'
import { asNativeBuffer } from '../messaging/native-buffer.ts'
import { encodePayload, writePayload } from '../messaging/payload-codec.ts'
import type { DeliveryLimits } from './delivery-limits.ts'
import { OutActors, OutNames } from './interning.ts'
import type { OutEntry } from './out-entry.ts'
import type { OutStream } from './out-stream.ts'
import { PeerFrame } from './peer-frame.ts'

export class MessageWriter {
  readonly frames: FrameWriter<PeerFrame>
  readonly actors: OutActors
  readonly #names: OutNames
  readonly #limits: DeliveryLimits
  readonly #onIdleEvicted: (stream: OutStream) => void
  // What the last message of the open frame was, so that the next needs only say what differs.
  #baseHint = 0
  #lastId = 0
  #lastSlot = 0
  #lastName = -1
  #lastDeadlineMs = 0

  constructor(limits: DeliveryLimits, onFrame: (frame: PeerFrame) => void, onIdleEvicted: (stream: OutStream) => void) {
    this.#limits = limits
    this.#onIdleEvicted = onIdleEvicted
    this.#names = new OutNames(limits.internedNames)
    this.actors = new OutActors(limits.internedActors)
    this.frames = new FrameWriter<PeerFrame>((bytes, start) => {
      this.#lastId = this.#baseHint
      this.#lastSlot = 0
      this.#lastName = -1
      this.#lastDeadlineMs = 0
      return new PeerFrame(bytes, start, this.#baseHint)
    }, onFrame)
  }

  /** The link has lost its state, and the numbers with it. */
  reset(): void {
    this.frames.reset()
    this.#names.clear()
    this.actors.clear()
  }

  /**
   * Writes a message to the open frame. With `direct`, `entry.value` is encoded in place, and the entry remembers where.
   * `marks`: bits of its extra byte besides those that follow from the entry. Throws what the codec throws; nothing is written then.
   */
  write(entry: OutEntry, nowMs: number, direct: boolean, marks: number): void {
    const writer = this.frames
    const { stream } = entry
    if (!direct && entry.bytes === undefined) {
      const bytes = encodePayload(entry.value, this.#limits.maxPayloadBytes)
      entry.bytes = asNativeBuffer(bytes)
      entry.start = 0
      entry.end = bytes.length
    }
    this.#baseHint = entry.id - 1
    const name = this.#nameNumber(entry.type)
    this.#introduce(stream)
    const sender = entry.sender
    const extraBytes =
      (sender === undefined ? 0 : textRoom(sender.kind) + textRoom(sender.id) + textRoom(sender.path ?? '')) + chainRoom(entry.chain)
    const fixedBytes = 48 + (name === 0 ? textRoom(entry.type) : 0) + extraBytes
    const frame = writer.reserve(fixedBytes + (direct ? 64 : entry.end - entry.start))
    const itemAt = writer.at
    this.#messageHead(entry, name, nowMs, marks)
    if (direct) {
      const lengthAt = writer.at
      let end: number
      try {
        do end = writePayload(entry.value, writer.bytes, lengthAt + 3, writer.end, this.#limits.maxPayloadBytes)
        while (end < 0 && writer.grow(writer.end - lengthAt + 1))
      } catch (error) {
        writer.at = itemAt
        this.#forgetLast()
        throw error
      }
      if (end < 0) {
        // No room (or a payload near the limit): encode it by itself, and begin a frame where it fits.
        writer.at = itemAt
        this.#forgetLast()
        this.write(entry, nowMs, false, marks)
        return
      }
      writer.u24(end - lengthAt - 3, lengthAt)
      entry.bytes = writer.bytes
      entry.start = lengthAt + 3
      entry.end = end
      writer.at = end
    } else {
      writer.block(entry.bytes as Uint8Array, entry.start, entry.end)
    }
    if (entry.value !== undefined) entry.value = undefined
    entry.frame = frame
    entry.itemAt = itemAt
    entry.isExposed = true
    if (entry.from !== undefined) frame.gate(entry.from, itemAt)
    if (!entry.isReliable) {
      if (frame.endings === undefined) frame.endings = [entry]
      else frame.endings.push(entry)
    }
  }

  #forgetLast(): void {
    this.#lastSlot = 0
    this.#lastName = -1
    // An id and a deadline must be said again as well; a difference to the wrong id would be read wrongly.
    this.frames.close()
  }

  #nameNumber(name: string): number {
    let number = this.#names.get(name)
    if (number > 0) return number
    number = this.#names.add(name)
    if (number > 0) {
      this.frames.reserve(textRoom(name) + 16)
      this.frames.byte(ITEM_NAME)
      this.frames.varint(number)
      this.frames.text(name)
    }
    return number
  }

  /** The peer has to know the actor by number, and the epoch that its messages are under. */
  #introduce(stream: OutStream): void {
    const writer = this.frames
    if (stream.slot === 0) {
      const kind = this.#nameNumber(stream.kind)
      stream.slot = this.actors.assign(stream, this.#onIdleEvicted)
      // The number may have been another actor's, also that of the message before.
      if (stream.slot === this.#lastSlot) this.#lastSlot = 0
      writer.reserve(40 + textRoom(stream.kind) + textRoom(stream.id) + textRoom(stream.path ?? ''))
      writer.byte(ITEM_ACTOR)
      writer.varint(stream.slot)
      writer.varint(stream.epoch)
      writer.varint(kind)
      if (kind === 0) writer.text(stream.kind)
      writer.text(stream.id)
      writer.optionalText(stream.path)
    } else if (stream.slotEpoch !== stream.epoch) {
      writer.reserve(32)
      writer.byte(ITEM_EPOCH)
      writer.varint(stream.slot)
      writer.varint(stream.epoch)
    }
    stream.slotEpoch = stream.epoch
  }

  #messageHead(entry: OutEntry, name: number, nowMs: number, marks: number): void {
    const writer = this.frames
    const { stream, sender, chain } = entry
    const left = entry.atMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(entry.atMs - nowMs))
    let extra = marks
    if (left !== this.#lastDeadlineMs) extra |= EXTRA_DEADLINE
    if (sender !== undefined) extra |= EXTRA_SENDER
    if (chain !== undefined) extra |= EXTRA_CHAIN
    if (entry.isStashed) extra |= EXTRA_STASHED
    let flags = ITEM_MESSAGE
    if (entry.isReliable) flags |= MESSAGE_RELIABLE
    if (entry.isAsk) flags |= MESSAGE_ASK
    if (stream.slot === this.#lastSlot) flags |= MESSAGE_SAME_ACTOR
    if (name === this.#lastName && name !== 0) flags |= MESSAGE_SAME_NAME
    if (entry.id === this.#lastId + 1) flags |= MESSAGE_NEXT_ID
    if (extra !== 0) flags |= MESSAGE_EXTRA
    writer.byte(flags)
    if (extra !== 0) writer.byte(extra)
    if (!(flags & MESSAGE_NEXT_ID)) writer.zigzag(entry.id - this.#lastId)
    if (!(flags & MESSAGE_SAME_ACTOR)) writer.varint(stream.slot)
    if (!(flags & MESSAGE_SAME_NAME)) {
      writer.varint(name)
      if (name === 0) writer.text(entry.type)
    }
    if (extra & EXTRA_DEADLINE) writer.varint(left)
    if (sender !== undefined) {
      writer.text(sender.kind)
      writer.text(sender.id)
      writer.optionalText(sender.path)
    }
    if (chain !== undefined) {
      writer.varint(chain.length)
      for (const link of chain) writer.text(link)
    }
    this.#lastId = entry.id
    this.#lastSlot = stream.slot
    this.#lastName = name
    this.#lastDeadlineMs = left
  }
}

/** Most that a text takes. */
export function textRoom(text: string): number {
  return text.length * 3 + 8
}

function chainRoom(chain: readonly string[] | undefined): number {
  let room = 0
  if (chain !== undefined) {
    room = 8
    for (const link of chain) room += textRoom(link)
  }
  return room
}
