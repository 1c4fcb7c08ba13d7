// What arrives from other processes for actors of this one: frames' items become messages, which are accepted, parked, or answered with
// where the actor is now. Owns the tenures of this process and the streams that wait for them.

import { ProtocolError } from '../errors.ts'
import type { ActorAddress } from '../messaging/address.ts'
import {
  creditCost,
  EXTRA_ALONE,
  EXTRA_CHAIN,
  EXTRA_DEADLINE,
  EXTRA_SENDER,
  EXTRA_STASHED,
  EXTRA_SUSPECT,
  ITEM_VOID,
  MESSAGE_ASK,
  MESSAGE_EXTRA,
  MESSAGE_NEXT_ID,
  MESSAGE_RELIABLE,
  MESSAGE_SAME_ACTOR,
  MESSAGE_SAME_NAME,
} from '../messaging/frame-format.ts'
import type { FrameReader } from '../messaging/frame-reader.ts'
import { decodePayload } from '../messaging/payload-codec.ts'
import { judge } from './acceptance.ts'
import type { DeliveryCore } from './delivery-core.ts'
import { InStream, streamKey } from './in-stream.ts'
import { type InboundHost, InboundMessage } from './inbound-message.ts'
import type { Peer } from './peer.ts'
import type { Location } from './placement-view.ts'
import type { Source } from './records.ts'
import { Suspects } from './suspects.ts'
import type { Tenure } from './tenure.ts'
import type { Tenures } from './tenures.ts'

const MAX_CHAIN = 1_000

/** What inbound delivery needs of the endpoint. */
export type InboundSurroundings = Omit<InboundHost, 'suspectEnded'> & { markDirty(peer: Peer): void }

export class Inbound {
  readonly host: InboundHost & InboundSurroundings
  readonly #core: DeliveryCore
  readonly #tenures: Tenures
  readonly #suspects: Suspects
  /** Streams with waiting messages, by source and actor: a stream that gets another number on its link keeps its queue. */
  readonly #parked = new Map<Source, Map<string, InStream>>()
  // What the last message of the frame was.
  #lastId = 0
  #lastStream: InStream | undefined
  #lastName = ''
  #lastDeadlineMs = 0

  constructor(surroundings: InboundSurroundings, tenures: Tenures) {
    this.#core = surroundings.core
    this.#tenures = tenures
    this.host = { ...surroundings, suspectEnded: (message) => this.#suspects.ended(message) }
    this.#suspects = new Suspects({ ...surroundings, retry: (stream) => this.retry(stream) })
  }

  beginFrame(baseId: number): void {
    this.#lastId = baseId
    this.#lastStream = undefined
    this.#lastName = ''
    this.#lastDeadlineMs = 0
  }

  /** ACTOR: the peer gives a number to an actor. */
  define(peer: Peer, source: Source, reader: FrameReader): void {
    const slot = reader.varint()
    const epoch = reader.varint()
    const kindNumber = reader.varint()
    const kind = kindNumber === 0 ? reader.text() : peer.inNames.get(kindNumber)
    const id = reader.text()
    const path = reader.optionalText()
    const waiting = this.#parked.get(source)?.get(streamKey(kind, id, path))
    const stream = waiting ?? new InStream(peer, source, kind, id, path, slot, epoch)
    stream.slot = slot
    stream.epoch = epoch
    peer.inActors.set(slot, stream)
  }

  /** MESSAGE: `flags` is its first byte. */
  message(peer: Peer, reader: FrameReader, flags: number): void {
    const extra = flags & MESSAGE_EXTRA ? reader.byte() : 0
    const id = flags & MESSAGE_NEXT_ID ? this.#lastId + 1 : this.#lastId + reader.zigzag()
    if (!Number.isSafeInteger(id) || id < 1) throw new ProtocolError(`message id ${id} is out of range`)
    this.#lastId = id
    let stream: InStream
    if (flags & MESSAGE_SAME_ACTOR) {
      if (this.#lastStream === undefined) throw new ProtocolError('message names the actor of the message before it, and is the first')
      stream = this.#lastStream
    } else {
      stream = peer.inActors.get(reader.varint())
      this.#lastStream = stream
    }
    if (!(flags & MESSAGE_SAME_NAME)) {
      const number = reader.varint()
      this.#lastName = number === 0 ? reader.text() : peer.inNames.get(number)
    }
    if (extra & EXTRA_DEADLINE) this.#lastDeadlineMs = reader.varint()
    const sender = extra & EXTRA_SENDER ? readAddress(reader) : undefined
    const chain = extra & EXTRA_CHAIN ? readChain(reader) : undefined
    const length = reader.u24()
    const start = reader.skip(length)
    const cost = creditCost(length)
    if (flags & ITEM_VOID) {
      this.#read(peer, cost)
      return
    }
    let payload: unknown
    let malformed: Error | undefined
    try {
      payload = decodePayload(reader.bytes, start, start + length)
    } catch (error) {
      malformed = error as Error
    }
    const message = new InboundMessage(
      this.host,
      stream,
      id,
      this.#lastName,
      payload,
      (flags & MESSAGE_ASK) !== 0,
      (flags & MESSAGE_RELIABLE) !== 0,
      sender,
      chain,
    )
    message.cost = cost
    message.malformed = malformed
    if (this.#lastDeadlineMs > 0) message.atMs = this.#core.now() + this.#lastDeadlineMs
    if (extra & EXTRA_STASHED) message.isReminder = true
    if (extra & EXTRA_SUSPECT) {
      message.isSuspect = true
      message.runsAlone = (extra & EXTRA_ALONE) !== 0
    }
    if (stream.parked.length > 0) {
      stream.park(message)
      this.#announceAhead(stream)
    } else if (!this.#take(stream, message)) this.#park(stream, message)
  }

  /** The link is lost, and with it what waits on it: its sender has all of it, and sends it again. */
  linkLost(peer: Peer): void {
    for (const streams of [...this.#parked.values()]) {
      for (const stream of [...streams.values()]) {
        if (stream.peer !== peer) continue
        for (const message of stream.parked.splice(0)) message.lost('peer-down')
        this.#forgetParked(stream)
      }
    }
  }

  /** Tenures or the view have changed: what waits for them is judged again. */
  retryParked(kind?: string): void {
    for (const streams of [...this.#parked.values()]) {
      for (const stream of [...streams.values()]) if (kind === undefined || stream.kind === kind) this.retry(stream)
    }
  }

  retry(stream: InStream): void {
    while (stream.parked.length > 0) {
      if (!this.#take(stream, stream.parked[0] as InboundMessage)) {
        this.#announceAhead(stream)
        return
      }
      stream.unpark()
    }
    this.#forgetParked(stream)
  }

  get parkedStreams(): number {
    let count = 0
    for (const streams of this.#parked.values()) count += streams.size
    return count
  }

  /** True: the message has been dealt with. False: it stays, and everything behind it in its stream. */
  #take(stream: InStream, message: InboundMessage): boolean {
    const tenure = this.#tenureOf(stream)
    if (tenure !== undefined && tenure.epoch === message.epoch && tenure.isAccepting) {
      message.tenure = tenure
      if (message.isSuspect && !this.#suspects.mayStart(message)) return false
      if (!tenure.sink.deliver(stream.id, stream.path, message)) {
        tenure.waitForRoom(stream.id, stream)
        return false
      }
      this.#core.messagesReceived++
      this.#read(stream.peer, message.cost)
      return true
    }
    const location = this.#core.options.placement.locate(stream.kind, stream.id)
    const verdict = judge(tenure, location, message.epoch)
    if (verdict === 'park') {
      if (message.epoch > (location?.epoch ?? -1)) this.#core.options.onViewBehind?.(stream.kind, message.epoch)
      return false
    }
    if (verdict === 'moved') this.#answerMoved(stream, message, tenure, location)
    else message.returned()
    this.#read(stream.peer, message.cost)
    return true
  }

  #tenureOf(stream: InStream): Tenure | undefined {
    if (stream.checkedVersion !== this.#core.version) {
      stream.checkedVersion = this.#core.version
      stream.tenure = this.#tenures.find(stream.kind, stream.id)
    }
    return stream.tenure
  }

  #answerMoved(stream: InStream, message: InboundMessage, tenure: Tenure | undefined, location: Location | undefined): void {
    message.lost('moved')
    const { peer } = stream
    if (peer === undefined || (stream.isMovedPending && stream.movedFromEpoch === message.epoch)) return
    stream.isMovedPending = true
    stream.movedFromEpoch = message.epoch
    const isNewer = tenure === undefined || (location !== undefined && location.epoch > tenure.epoch)
    const owner = isNewer ? (location?.owner ?? null) : this.#core.options.local
    peer.moved.push({ stream, sentUnder: message.epoch, epoch: isNewer ? (location?.epoch ?? 0) : (tenure as Tenure).epoch, owner })
    this.host.markDirty(peer)
  }

  /**
   * Suspects are announced while they wait, so that a stream of them takes one round trip and not one for each; but none before one that runs alone, which
   * is asked for when it is the first.
   */
  #announceAhead(stream: InStream): void {
    const tenure = this.#tenureOf(stream)
    if (tenure === undefined || !tenure.isAccepting) return
    for (; stream.lookedAt < stream.parked.length; stream.lookedAt++) {
      const message = stream.parked[stream.lookedAt] as InboundMessage
      if (!message.isSuspect) continue
      if (message.runsAlone || message.epoch !== tenure.epoch) return
      message.tenure = tenure
      this.#suspects.mayStart(message)
    }
  }

  #park(stream: InStream, message: InboundMessage): void {
    stream.park(message)
    let streams = this.#parked.get(stream.source)
    if (streams === undefined) {
      streams = new Map()
      this.#parked.set(stream.source, streams)
    }
    streams.set(stream.key, stream)
  }

  #forgetParked(stream: InStream): void {
    const streams = this.#parked.get(stream.source)
    const { key } = stream
    // A stream of a link that was lost may still be asked to go on; its successor is not to be forgotten for it.
    if (streams?.get(key) === stream) streams.delete(key)
    if (streams?.size === 0) this.#parked.delete(stream.source)
  }

  /** A message no longer counts against the credit. */
  #read(peer: Peer | undefined, cost: number): void {
    if (peer === undefined) return
    peer.readCost += cost
    if (peer.owesCredit) this.host.markDirty(peer)
  }
}

function readAddress(reader: FrameReader): ActorAddress {
  const kind = reader.text()
  const id = reader.text()
  const path = reader.optionalText()
  return path === undefined ? { kind, id } : { kind, id, path }
}

function readChain(reader: FrameReader): string[] {
  const count = reader.varint()
  if (count > MAX_CHAIN) throw new ProtocolError(`message has a chain of ${count} turns; at most ${MAX_CHAIN} are allowed`)
  const chain: string[] = []
  for (let i = 0; i < count; i++) chain.push(reader.text())
  return chain
}
