// One peer process: the link to it and what lives on that link (interning, credit, endings on their way, streams that wait for room).
// Writes; what arrives is `inbound.ts` and `outbound.ts`. Handing frames to the transport is `flush`, driven by the endpoint.

import { creditCost, EXTRA_ALONE, EXTRA_SUSPECT, HEADER_BYTES, ITEM_CREDIT, ITEM_MOVED } from '../messaging/frame-format.ts'
import { type FrameHeader, type FrameWriter, writeHeader } from '../messaging/frame-writer.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import { allocateBuffer } from '../messaging/native-buffer.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { ControlChannel } from './control-channel.ts'
import type { DeliveryCore } from './delivery-core.ts'
import { Endings } from './endings.ts'
import type { InStream } from './in-stream.ts'
import { InTable } from './interning.ts'
import { Link } from './link.ts'
import { MessageWriter, textRoom } from './message-writer.ts'
import type { OutEntry } from './out-entry.ts'
import type { OutStream } from './out-stream.ts'
import type { PeerFrame } from './peer-frame.ts'

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
  readonly messages: MessageWriter
  readonly writer: FrameWriter<PeerFrame>
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

  constructor(id: PeerId, core: DeliveryCore, nextLinkId: () => number, onIdleEvicted: (stream: OutStream) => void) {
    this.id = id
    this.#core = core
    this.control = new ControlChannel(core)
    const { limits } = core
    this.link = new Link<PeerFrame>(nextLinkId, limits)
    this.breaker = new CircuitBreaker(limits.breakerFailures, limits.breakerOpenMs)
    this.inNames = new InTable('name', 1_000_000)
    this.inActors = new InTable('actor', 4_000_000)
    this.messages = new MessageWriter(limits, (frame) => this.link.append(frame), onIdleEvicted)
    this.writer = this.messages.frames
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
    this.messages.reset()
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

  /** Writes a message to the open frame (`MessageWriter.write`). Throws what the codec throws; nothing is written then. */
  write(entry: OutEntry, nowMs: number, direct: boolean): void {
    const marks = (entry.deaths > 0 || entry.holders !== undefined) && !entry.isStashed ? this.#suspicion(entry) : 0
    this.messages.write(entry, nowMs, direct, marks)
    entry.sentTo = this
    entry.sentEpoch = entry.stream.epoch
    this.#sentCost += creditCost(entry.end - entry.start)
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
