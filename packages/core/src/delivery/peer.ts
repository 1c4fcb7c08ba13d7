// One peer process: the link to it and what lives on that link (interning, credit, endings on their way, streams that wait for room).
// Writes; what arrives is `inbound.ts` and `outbound.ts`. Handing frames to the transport is `flush`, driven by the endpoint.

import {
  creditCost,
  EXTRA_ALONE,
  EXTRA_CHAIN,
  EXTRA_DEADLINE,
  EXTRA_SENDER,
  EXTRA_STASHED,
  EXTRA_SUSPECT,
  HEADER_BYTES,
  ITEM_ACTOR,
  ITEM_CREDIT,
  ITEM_EPOCH,
  ITEM_MESSAGE,
  ITEM_MOVED,
  ITEM_NAME,
  MESSAGE_ASK,
  MESSAGE_EXTRA,
  MESSAGE_NEXT_ID,
  MESSAGE_RELIABLE,
  MESSAGE_SAME_ACTOR,
  MESSAGE_SAME_NAME,
} from '../messaging/frame-format.ts'
import { type FrameHeader, FrameWriter, writeHeader } from '../messaging/frame-writer.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import { allocateBuffer, asNativeBuffer } from '../messaging/native-buffer.ts'
import { encodePayload, writePayload } from '../messaging/payload-codec.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { ControlChannel } from './control-channel.ts'
import type { DeliveryCore } from './delivery-core.ts'
import { Endings } from './endings.ts'
import type { InStream } from './in-stream.ts'
import { InTable, OutActors, OutNames } from './interning.ts'
import { Link } from './link.ts'
import type { OutEntry } from './out-entry.ts'
import type { OutStream } from './out-stream.ts'
import { PeerFrame } from './peer-frame.ts'

/** An answer that an actor has moved, on its way to the sender. */
export interface MovedAnswer {
  readonly stream: InStream
  readonly sentUnder: number
  readonly epoch: number
  readonly owner: PeerId | null
}

export class Peer {
  readonly id: PeerId
  readonly link: Link<PeerFrame>
  readonly breaker: CircuitBreaker
  readonly endings: Endings = new Endings()
  /** Outlives this object with the source, because its numbers hold for the life of both processes. */
  control: ControlChannel
  readonly writer: FrameWriter<PeerFrame>
  readonly outNames: OutNames
  readonly outActors: OutActors
  readonly inNames: InTable<string>
  readonly inActors: InTable<InStream>
  /** Streams with something to send that wait for this peer, in order of asking. */
  queue: OutStream[] = []
  moved: MovedAnswer[] = []
  /** Messages that go to this peer and have not ended. */
  outCount = 0
  outBytes = 0
  /** Callers that wait for room. */
  waitingCallers = 0
  isGone = false
  /** The transport asked to wait for `onDrain`. */
  isTransportFull = false
  isDirty = false
  /** Its malformed bytes were reported; again only when it has been understood in between. */
  isErrorReported = false
  downSinceMs: number | undefined = undefined
  /** Its next frame has something in it that may not leave now. */
  stalledSinceMs: number | undefined = undefined
  /** When the timer of this peer fires; infinity: it is not set. */
  timerAtMs: number = Number.POSITIVE_INFINITY
  /** Cost of messages read from the peer on this link, and what it was told that it may send in all. */
  readCost = 0
  #creditTold = 0
  /** Cost of messages written to the peer on this link, and what it allows. */
  #sentCost = 0
  #creditLimit = 0
  readonly #core: DeliveryCore
  readonly #onIdleEvicted: (stream: OutStream) => void
  // What the last message of the open frame was, so that the next needs only say what differs.
  #baseHint = 0
  #lastId = 0
  #lastSlot = 0
  #lastName = -1
  #lastDeadlineMs = 0

  constructor(id: PeerId, core: DeliveryCore, nextLinkId: () => number, onIdleEvicted: (stream: OutStream) => void) {
    this.id = id
    this.#core = core
    this.control = new ControlChannel(core)
    this.#onIdleEvicted = onIdleEvicted
    const { limits } = core
    this.link = new Link<PeerFrame>(nextLinkId, limits)
    this.breaker = new CircuitBreaker(limits.breakerFailures, limits.breakerOpenMs)
    this.outNames = new OutNames(limits.internedNames)
    this.outActors = new OutActors(limits.internedActors)
    this.inNames = new InTable('name', 1_000_000)
    this.inActors = new InTable('actor', 4_000_000)
    this.writer = new FrameWriter<PeerFrame>(
      (bytes, start) => {
        this.#lastId = this.#baseHint
        this.#lastSlot = 0
        this.#lastName = -1
        this.#lastDeadlineMs = 0
        return new PeerFrame(bytes, start, this.#baseHint)
      },
      (frame) => this.link.append(frame),
    )
  }

  /** Messages may be written. */
  get isWritable(): boolean {
    return this.link.isOpen && this.link.bufferedBytes < this.#core.limits.linkBufferBytes
  }

  get hasCredit(): boolean {
    return this.#sentCost < this.#creditLimit
  }

  grantCredit(limit: number): void {
    if (limit > this.#creditLimit) this.#creditLimit = limit
  }

  /** A quarter of the window was read since the peer was told. */
  get owesCredit(): boolean {
    const window = this.#core.limits.creditBytes
    return this.readCost + window - this.#creditTold >= window / 4
  }

  /** One more message that goes to it and has not ended. */
  count(entry: OutEntry): void {
    this.outCount++
    this.outBytes += entry.cost
  }

  discount(entry: OutEntry): void {
    this.outCount--
    this.outBytes -= entry.cost
  }

  enqueue(stream: OutStream): void {
    if (stream.queuedAt === this) return
    stream.queuedAt = this
    this.queue.push(stream)
  }

  /** Everything that was said on the link is void. Frames not handed over are gone too; their messages are in the outbox. */
  linkLost(): void {
    this.writer.reset()
    this.outNames.clear()
    this.outActors.clear()
    this.inNames.clear()
    this.inActors.clear()
    this.control.linkLost()
    this.endings.linkLost()
    this.stalledSinceMs = undefined
    this.moved = []
    this.readCost = 0
    this.#creditTold = 0
    this.#sentCost = 0
    this.#creditLimit = 0
  }

  /**
   * Writes a message to the open frame. With `direct`, `entry.value` is encoded in place, and the entry remembers where.
   * Throws what the codec throws; nothing is written then.
   */
  write(entry: OutEntry, nowMs: number, direct: boolean): void {
    const { writer } = this
    const { stream } = entry
    if (!direct && entry.bytes === undefined) {
      const bytes = encodePayload(entry.value, this.#core.limits.maxPayloadBytes)
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
    this.#messageHead(entry, name, nowMs)
    if (direct) {
      const lengthAt = writer.at
      let end: number
      try {
        end = writePayload(entry.value, writer.bytes, lengthAt + 3, writer.end, this.#core.limits.maxPayloadBytes)
      } catch (error) {
        writer.at = itemAt
        this.#forgetLast()
        throw error
      }
      if (end < 0) {
        // No room (or a payload near the limit): encode it by itself, and begin a frame where it fits.
        writer.at = itemAt
        this.#forgetLast()
        this.write(entry, nowMs, false)
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
    entry.sentTo = this
    entry.sentEpoch = stream.epoch
    this.#sentCost += creditCost(entry.end - entry.start)
    if (entry.from !== undefined) frame.gate(entry.from, itemAt)
    if (!entry.isReliable) {
      if (frame.endings === undefined) frame.endings = [entry]
      else frame.endings.push(entry)
    }
  }

  /** Writes what waits besides messages. None of it waits for credit. */
  writeRest(): void {
    const { writer } = this
    if (this.moved.length > 0) {
      for (const answer of this.moved) this.#writeMoved(answer)
      this.moved = []
    }
    if (!this.endings.isEmpty) this.endings.write(writer)
    if (this.owesCredit) {
      writer.reserve(16)
      this.#creditTold = this.readCost + this.#core.limits.creditBytes
      writer.byte(ITEM_CREDIT)
      writer.varint(this.#creditTold)
    }
    if (this.control.wantsFlush) {
      this.control.write(writer, () => this.link.bufferedBytes < this.#core.limits.linkBufferBytes)
    }
  }

  /** A header without items: hello, probe, receipt. */
  header(header: FrameHeader, flags: number): Uint8Array {
    const bytes = allocateBuffer(HEADER_BYTES)
    this.link.fillHeader(header, this.#core.outbox.floor())
    header.version = this.#core.protocolVersion
    header.flags = flags
    writeHeader(bytes, 0, header)
    return bytes
  }

  #forgetLast(): void {
    this.#lastSlot = 0
    this.#lastName = -1
    // An id and a deadline must be said again as well; a difference to the wrong id would be read wrongly.
    this.writer.close()
  }

  #nameNumber(name: string): number {
    let number = this.outNames.get(name)
    if (number > 0) return number
    number = this.outNames.add(name)
    if (number > 0) {
      this.writer.reserve(textRoom(name) + 16)
      this.writer.byte(ITEM_NAME)
      this.writer.varint(number)
      this.writer.text(name)
    }
    return number
  }

  /** The peer has to know the actor by number, and the epoch that its messages are under. */
  #introduce(stream: OutStream): void {
    const { writer } = this
    if (stream.slot === 0) {
      const kind = this.#nameNumber(stream.kind)
      stream.slot = this.outActors.assign(stream, this.#onIdleEvicted)
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

  #messageHead(entry: OutEntry, name: number, nowMs: number): void {
    const { writer } = this
    const { stream, sender, chain } = entry
    const left = entry.atMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(entry.atMs - nowMs))
    let extra = 0
    if (left !== this.#lastDeadlineMs) extra |= EXTRA_DEADLINE
    if (sender !== undefined) extra |= EXTRA_SENDER
    if (chain !== undefined) extra |= EXTRA_CHAIN
    if (entry.isStashed) extra |= EXTRA_STASHED
    else if (entry.deaths > 0 || entry.holders !== undefined) extra |= this.#suspicion(entry)
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

  #suspicion(entry: OutEntry): number {
    const suspicion = entry.suspicionAt(this)
    entry.isSentAsSuspect = suspicion > 0
    if (suspicion === 0) return 0
    return suspicion < this.#core.limits.poisonDeaths - 1 ? EXTRA_SUSPECT : EXTRA_SUSPECT | EXTRA_ALONE
  }

  #writeMoved(answer: MovedAnswer): void {
    const { writer } = this
    const { stream, owner } = answer
    stream.isMovedPending = false
    writer.reserve(64 + (owner === null ? 0 : textRoom(owner.nodeId) + textRoom(owner.processId)))
    writer.byte(ITEM_MOVED)
    writer.varint(stream.slot)
    writer.varint(answer.sentUnder)
    writer.varint(answer.epoch)
    writer.byte(owner === null ? 0 : 1)
    if (owner === null) return
    writer.text(owner.nodeId)
    writer.text(owner.processId)
  }
}

function textRoom(text: string): number {
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
