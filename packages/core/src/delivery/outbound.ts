// What this process sends to actors: which stream a message joins, where the stream goes, when it is written. How it ends is `out-endings.ts`,
// bounds are `admission.ts`, the short way into a mailbox of this process is `local-delivery.ts`.

import type { ActorAddress } from '../messaging/address.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'
import type { DeliveryCore } from './delivery-core.ts'
import { OutEndings, type OutEndingsHost } from './out-endings.ts'
import type { OutEntry } from './out-entry.ts'
import type { OutStream } from './out-stream.ts'
import { OutStreams } from './out-streams.ts'
import type { Peer } from './peer.ts'
import type { Location } from './placement-view.ts'
import type { Tenure } from './tenure.ts'

/** What outbound delivery needs of the endpoint. */
export interface OutboundHost extends OutEndingsHost {
  peerFor(id: PeerId): Peer
  tenureFor(kind: string, id: string): Tenure | undefined
  /** Sends what waits of a stream whose owner is this process. */
  pumpLocal(stream: OutStream, tenure: Tenure): void
  /** Local messages that came back join the stream, in order. */
  adopt(stream: OutStream): void
}

export class Outbound {
  readonly #host: OutboundHost
  readonly #core: DeliveryCore
  readonly streams: OutStreams = new OutStreams()
  readonly endings: OutEndings
  /** Some of them wait for the lease, which has to be asked for. */
  hasHeld = false

  constructor(host: OutboundHost) {
    this.#host = host
    this.#core = host.core
    this.endings = new OutEndings(host, this.streams)
  }

  // --- streams

  /** The stream to this actor, routed as the placement says now. */
  open(address: ActorAddress): OutStream {
    const { kind, id, path } = address
    const found = this.streams.find(kind, id, path)
    if (found !== undefined) return found
    const stream = this.streams.add(address)
    this.#route(stream, this.#core.options.placement.locate(kind, id))
    return stream
  }

  // --- routes

  /** The view has changed: streams whose location did go another way. */
  placementChanged(kind: string | undefined): void {
    for (const stream of this.streams.all(kind)) {
      const location = this.#core.options.placement.locate(stream.kind, stream.id)
      if (location === stream.location || location === undefined || !stream.isNewer(location)) continue
      stream.peer?.breaker.close()
      this.#route(stream, location)
    }
  }

  /** A node answered that the actor is elsewhere. Only news is followed. */
  moved(peer: Peer, slot: number, sentUnder: number, epoch: number, owner: PeerId | null): void {
    const stream = peer.messages.actors.find(slot)
    if (stream === undefined || stream.peer !== peer || stream.epoch !== sentUnder || epoch <= sentUnder) return
    const unit = stream.location?.unit
    if (unit === undefined) return
    this.#core.options.onViewBehind?.(stream.kind, epoch)
    if (stream.epoch < epoch) this.#route(stream, { unit, owner, epoch })
  }

  #route(stream: OutStream, location: Location | undefined): void {
    const owner = location?.owner ?? null
    const isHere = owner?.processId === this.#core.processId
    const peer = owner === null || isHere ? undefined : this.#host.peerFor(owner)
    const before = stream.peer
    if (before !== peer) {
      for (let entry = stream.head; entry !== undefined; entry = entry.next) {
        if (before !== undefined) before.discount(entry)
        if (peer !== undefined) peer.count(entry)
      }
    }
    stream.reroute(location, peer)
    this.#dropUnrepeatable(stream, 'moved')
    if (!stream.isIdle) this.pump(stream)
  }

  /** The link has lost its state: its streams send again everything that is outstanding, before anything newer. */
  linkLost(peer: Peer): void {
    for (const stream of this.streams.all()) {
      if (stream.peer !== peer) continue
      stream.slot = 0
      stream.slotEpoch = -1
      stream.rewind()
      this.#dropUnrepeatable(stream, 'peer-down')
      if (stream.isIdle) this.streams.evict(stream)
      else peer.enqueue(stream)
    }
    if (!peer.link.isUp) this.dropUnsentAtMostOnce(peer)
    this.#host.markDirty(peer)
  }

  /** At-most-once messages that may have arrived are never sent again. */
  #dropUnrepeatable(stream: OutStream, reason: DeadLetterReason): void {
    for (let entry = stream.head; entry !== undefined; ) {
      const { next } = entry
      if (!entry.isReliable && entry.mayHaveArrived) this.endings.endEarly(entry, reason)
      entry = next
    }
  }

  /**
   * The owner's process is gone: what was in hand counts that. Of a message that nobody suspected it isn't known, so the first death makes a suspect of
   * everything that may have arrived; of a suspect the owner has said so before it began (`suspects.ts`).
   */
  ownerDied(peer: Peer): void {
    for (const stream of this.streams.all()) {
      for (let entry = stream.head; entry !== undefined; ) {
        const { next } = entry
        if (entry.isReliable && !entry.isStashed && entry.countsDeathOf(peer) && entry.deaths >= this.#core.limits.poisonDeaths) {
          this.endings.endEarly(entry, 'poison')
        }
        entry = next
      }
    }
  }

  // --- sending

  /** Takes a message whose payload is in `entry.value` or encoded. Throws what the codec throws. */
  submit(entry: OutEntry): void {
    const { stream } = entry
    const { peer } = stream
    const isDirect =
      stream.cursor === undefined &&
      stream.returned === undefined &&
      peer !== undefined &&
      entry.bytes === undefined &&
      peer.isWritable &&
      (peer.hasCredit || isOldest(stream, entry)) &&
      (entry.from === undefined || entry.from.mayLeaveNow()) &&
      this.localHold(stream) === undefined
    if (!isDirect) {
      this.#append(entry)
      this.pump(stream)
      return
    }
    this.#append(entry)
    stream.cursor = undefined
    try {
      peer.write(entry, this.#core.now(), true)
    } catch (error) {
      this.endings.finish(entry)
      throw error
    }
    this.#recount(entry)
    this.#host.markDirty(peer)
  }

  #append(entry: OutEntry): void {
    const { stream } = entry
    this.#core.outbox.add(entry)
    stream.append(entry)
    if (stream.cursor === undefined) stream.cursor = entry
    if (stream.peer !== undefined) stream.peer.count(entry)
  }

  #recount(entry: OutEntry): void {
    const cost = entry.end - entry.start
    const { peer } = entry.stream
    if (peer !== undefined) peer.outBytes += cost - entry.cost
    this.#core.outbox.recount(entry, cost)
  }

  /** Sends what the stream has that was not sent under its present route, as far as it goes. */
  pump(stream: OutStream): void {
    if (stream.returned !== undefined) this.#host.adopt(stream)
    if (stream.head === undefined) {
      this.streams.closeIfIdle(stream)
      return
    }
    const tenure = this.localHold(stream)
    if (tenure !== undefined || stream.peer === undefined) {
      this.#pumpHere(stream, tenure)
      return
    }
    const { peer } = stream
    let wrote = false
    while (stream.cursor !== undefined) {
      const entry = stream.cursor
      if (!entry.isReliable && !peer.link.isOpen) {
        this.endings.endEarly(entry, 'peer-down')
        continue
      }
      if (entry.from?.isFenced) {
        this.endings.endEarly(entry, 'fenced')
        continue
      }
      if (!peer.isWritable) {
        peer.enqueue(stream)
        break
      }
      if (entry.from !== undefined && !entry.from.mayLeaveNow()) {
        this.hold(stream)
        break
      }
      // The oldest message of a stream never waits for credit: it may be what the receiver needs to take the others.
      if (!peer.hasCredit && !isOldest(stream, entry)) {
        peer.enqueue(stream)
        break
      }
      stream.cursor = entry.next
      if (!this.#write(peer, entry)) continue
      wrote = true
    }
    if (wrote) this.#host.markDirty(peer)
  }

  #write(peer: Peer, entry: OutEntry): boolean {
    try {
      peer.write(entry, this.#core.now(), false)
      return true
    } catch (error) {
      // Only a payload that was passed by reference until now can be refused this late.
      this.endings.end(entry, 'invalid-payload', error as Error)
      return false
    }
  }

  /** The tenure of this process that messages to the actor still belong to: nothing overtakes what is in its mailboxes. */
  localHold(stream: OutStream): Tenure | undefined {
    const { version } = this.#core
    if (stream.tenureVersion !== version) {
      stream.tenureVersion = version
      stream.tenure = this.#host.tenureFor(stream.kind, stream.id)
    }
    return stream.tenure
  }

  #pumpHere(stream: OutStream, tenure: Tenure | undefined): void {
    const isHere = stream.location?.owner?.processId === this.#core.processId
    if (isHere && tenure?.isAccepting && !tenure.isClosing(stream.id)) {
      this.#host.pumpLocal(stream, tenure)
      return
    }
    if (!isHere && tenure === undefined) {
      for (let entry = stream.cursor; entry !== undefined; ) {
        const { next } = entry
        if (!entry.isReliable) this.endings.endEarly(entry, this.endings.lateReason(entry))
        entry = next
      }
    }
    if (stream.head !== undefined) this.#wait(stream)
  }

  /** Its next message comes from a turn, and may not leave now. */
  hold(stream: OutStream): void {
    this.hasHeld = true
    this.#wait(stream)
  }

  #wait(stream: OutStream): void {
    stream.isWaiting = true
    this.streams.waiting.add(stream)
  }

  /** Something that streams may wait for has changed: tenures, placement, the lease. */
  pumpWaiting(kind?: string): void {
    if (this.streams.waiting.size === 0) return
    for (const stream of [...this.streams.waiting]) {
      if (kind !== undefined && stream.kind !== kind) continue
      this.streams.waiting.delete(stream)
      stream.isWaiting = false
      this.pump(stream)
    }
  }

  /** There may be room on this link. */
  pumpPeer(peer: Peer): void {
    if (peer.queue.length === 0 || !peer.isWritable) return
    const queue = peer.queue
    peer.queue = []
    for (const stream of queue) if (stream.queuedAt === peer) stream.queuedAt = undefined
    for (let i = 0; i < queue.length; i++) {
      const stream = queue[i] as OutStream
      if (stream.peer !== peer || stream.isIdle) continue
      if (peer.isWritable) this.pump(stream)
      else peer.enqueue(stream)
    }
  }

  /** The peer is down, and at-most-once messages are not kept for it. Those in a mailbox of this process, before the actor was the peer's, are none of its business. */
  dropUnsentAtMostOnce(peer: Peer): void {
    for (const stream of peer.queue) {
      if (stream.peer !== peer) continue
      for (let entry = stream.cursor; entry !== undefined; ) {
        const { next } = entry
        if (!entry.isReliable && entry.local === undefined) this.endings.endEarly(entry, 'peer-down')
        entry = next
      }
    }
  }
}

/** Whether everything before it in the stream has been handled (or stashed, which is handling). */
function isOldest(stream: OutStream, entry: OutEntry): boolean {
  if (stream.head === entry || stream.head === undefined) return true
  for (let before = entry.previous; before !== undefined; before = before.previous) if (!before.isStashed) return false
  return entry.previous !== undefined
}
