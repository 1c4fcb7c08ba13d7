// What this process sends to actors: which stream a message joins, where the stream goes, when it is written, and how it ends.
// Bounds are `admission.ts`, the short way into a mailbox of this process is `local-delivery.ts`.

import { DeliveryUnknownError, NotExecutedError } from '../errors.ts'
import { type ActorAddress, formatAddress } from '../messaging/address.ts'
import { OUTCOME_BEGUN, OUTCOME_STASHED } from '../messaging/frame-format.ts'
import { voidItem } from '../messaging/frame-writer.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { OutEntry } from './out-entry.ts'
import { OutStream } from './out-stream.ts'
import { decodeOutcome } from './outcome.ts'
import type { Peer } from './peer.ts'
import type { PeerFrame } from './peer-frame.ts'
import type { Location } from './placement-view.ts'
import type { Tenure } from './tenure.ts'

/** What outbound delivery needs of the endpoint. */
export interface OutboundHost {
  readonly core: DeliveryCore
  peerFor(id: PeerId): Peer
  tenureFor(kind: string, id: string): Tenure | undefined
  /** Sends what waits of a stream whose owner is this process. */
  pumpLocal(stream: OutStream, tenure: Tenure): void
  /** Local messages that came back join the stream, in order. */
  adopt(stream: OutStream): void
  markDirty(peer: Peer): void
  /** Something has ended: there may be room for callers that wait. */
  roomMade(): void
}

export class Outbound {
  readonly #host: OutboundHost
  readonly #core: DeliveryCore
  readonly #kinds = new Map<string, Map<string, OutStream>>()
  readonly #children = new Map<string, OutStream>()
  /** Streams that wait for something other than a link: an owner, a tenure of this process, the lease. */
  readonly waiting: Set<OutStream> = new Set()
  /** Some of them wait for the lease, which has to be asked for. */
  hasHeld = false

  constructor(host: OutboundHost) {
    this.#host = host
    this.#core = host.core
  }

  // --- streams

  find(kind: string, id: string, path: string | undefined): OutStream | undefined {
    if (path !== undefined) return this.#children.get(childKey(kind, id, path))
    return this.#kinds.get(kind)?.get(id)
  }

  /** The stream to this actor, routed as the placement says now. */
  open(address: ActorAddress): OutStream {
    const { kind, id, path } = address
    const found = this.find(kind, id, path)
    if (found !== undefined) return found
    const stream = new OutStream(kind, id, path)
    if (path !== undefined) this.#children.set(childKey(kind, id, path), stream)
    else {
      let streams = this.#kinds.get(kind)
      if (streams === undefined) {
        streams = new Map()
        this.#kinds.set(kind, streams)
      }
      streams.set(id, stream)
    }
    this.#route(stream, this.#core.options.placement.locate(kind, id))
    return stream
  }

  /** Forgets a stream with nothing outstanding, unless a link knows its actor by number. */
  closeIfIdle(stream: OutStream): void {
    if (stream.isIdle && stream.slot === 0) this.evict(stream)
  }

  evict(stream: OutStream): void {
    if (!stream.isIdle) return
    this.waiting.delete(stream)
    stream.isWaiting = false
    if (stream.path !== undefined) this.#children.delete(childKey(stream.kind, stream.id, stream.path))
    else {
      const streams = this.#kinds.get(stream.kind)
      if (streams?.get(stream.id) === stream) streams.delete(stream.id)
    }
  }

  *streams(kind?: string): Iterable<OutStream> {
    if (kind === undefined) for (const streams of this.#kinds.values()) yield* [...streams.values()]
    else yield* [...(this.#kinds.get(kind)?.values() ?? [])]
    for (const stream of [...this.#children.values()]) if (kind === undefined || stream.kind === kind) yield stream
  }

  // --- routes

  /** The view has changed: streams whose location did go another way. */
  placementChanged(kind: string | undefined): void {
    for (const stream of this.streams(kind)) {
      const location = this.#core.options.placement.locate(stream.kind, stream.id)
      if (location === stream.location || location === undefined || !stream.isNewer(location)) continue
      stream.peer?.breaker.close()
      this.#route(stream, location)
    }
  }

  /** A node answered that the actor is elsewhere. Only news is followed. */
  moved(peer: Peer, slot: number, sentUnder: number, epoch: number, owner: PeerId | null): void {
    const stream = peer.outActors.find(slot)
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
        if (before !== undefined) discount(before, entry)
        if (peer !== undefined) count(peer, entry)
      }
    }
    stream.reroute(location, peer)
    this.#dropUnrepeatable(stream, 'moved')
    if (!stream.isIdle) this.pump(stream)
  }

  /** The link has lost its state: its streams send again everything that is outstanding, before anything newer. */
  linkLost(peer: Peer): void {
    for (const stream of this.streams()) {
      if (stream.peer !== peer) continue
      stream.slot = 0
      stream.slotEpoch = -1
      stream.rewind()
      this.#dropUnrepeatable(stream, 'peer-down')
      if (stream.isIdle) this.evict(stream)
      else peer.enqueue(stream)
    }
    this.#host.markDirty(peer)
  }

  /** At-most-once messages that may have arrived are never sent again. */
  #dropUnrepeatable(stream: OutStream, reason: DeadLetterReason): void {
    for (let entry = stream.head; entry !== undefined; ) {
      const { next } = entry
      if (!entry.isReliable && entry.mayHaveArrived) this.endEarly(entry, reason)
      entry = next
    }
  }

  /**
   * The owner's process is gone: what was in hand counts that. Of a message that nobody suspected it isn't known, so the first death makes a suspect of
   * everything that may have arrived; of a suspect the owner has said so before it began (`suspects.ts`).
   */
  ownerDied(peer: Peer): void {
    for (const stream of this.streams()) {
      for (let entry = stream.head; entry !== undefined; ) {
        const { next } = entry
        if (entry.isReliable && !entry.isStashed && entry.countsDeathOf(peer) && entry.deaths >= this.#core.limits.poisonDeaths) {
          this.endEarly(entry, 'poison')
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
      this.#localHold(stream) === undefined
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
      this.finish(entry)
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
    if (stream.peer !== undefined) count(stream.peer, entry)
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
      this.closeIfIdle(stream)
      return
    }
    const tenure = this.#localHold(stream)
    if (tenure !== undefined || stream.peer === undefined) {
      this.#pumpHere(stream, tenure)
      return
    }
    const { peer } = stream
    let wrote = false
    while (stream.cursor !== undefined) {
      const entry = stream.cursor
      if (!entry.isReliable && !peer.link.isOpen) {
        this.endEarly(entry, 'peer-down')
        continue
      }
      if (entry.from?.isFenced) {
        this.endEarly(entry, 'fenced')
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
      this.#end(entry, 'invalid-payload', error as Error)
      return false
    }
  }

  /** The tenure of this process that messages to the actor still belong to: nothing overtakes what is in its mailboxes. */
  #localHold(stream: OutStream): Tenure | undefined {
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
        if (!entry.isReliable) this.endEarly(entry, this.lateReason(entry))
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
    this.waiting.add(stream)
  }

  /** Something that streams may wait for has changed: tenures, placement, the lease. */
  pumpWaiting(kind?: string): void {
    if (this.waiting.size === 0) return
    for (const stream of [...this.waiting]) {
      if (kind !== undefined && stream.kind !== kind) continue
      this.waiting.delete(stream)
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

  /** The peer is down, and at-most-once messages are not kept for it. */
  dropUnsentAtMostOnce(peer: Peer): void {
    for (const stream of peer.queue) {
      if (stream.peer !== peer) continue
      for (let entry = stream.cursor; entry !== undefined; ) {
        const { next } = entry
        if (!entry.isReliable) this.endEarly(entry, 'peer-down')
        entry = next
      }
    }
  }

  // --- endings

  /** The frame is with the transport: its at-most-once messages have ended, unless somebody waits for a reply. */
  handedOver(frame: PeerFrame): void {
    const endings = frame.endings
    if (endings === undefined) return
    frame.endings = undefined
    for (const entry of endings) {
      if (entry.isEnded || entry.isAsk) continue
      this.finish(entry)
      entry.waiter?.resolve(undefined)
    }
  }

  acknowledged(peer: Peer, epoch: number, start: number, length: number): void {
    const { outbox } = this.#core
    for (let id = start; id < start + length; id++) {
      const entry = outbox.get(id)
      if (entry === undefined || !counts(entry, peer, epoch)) continue
      if (entry.isAsk) continue
      this.finish(entry)
      entry.waiter?.resolve(undefined)
      this.#next(entry.stream)
    }
  }

  outcome(peer: Peer, epoch: number, id: number, outcome: number, bytes: Uint8Array, start: number, end: number): void {
    const entry = this.#core.outbox.get(id)
    if (entry === undefined || !counts(entry, peer, epoch)) return
    if (outcome === OUTCOME_BEGUN) {
      entry.held(peer)
      return
    }
    this.settle(entry, outcome, bytes, start, end)
    this.#next(entry.stream)
  }

  /** How an ask or a refused message ended, wherever that became known. */
  settle(entry: OutEntry, outcome: number, bytes: Uint8Array, start: number, end: number): void {
    if (outcome === OUTCOME_STASHED) {
      entry.isStashed = true
      return
    }
    const ending = decodeOutcome(outcome, bytes, start, end, entry.stream, entry.type, this.#core.messageId(entry.id))
    this.finish(entry)
    if (ending.kind === 'handled') entry.waiter?.resolve(ending.reply)
    else if (entry.waiter !== undefined) {
      this.#core.messagesFailed++
      entry.waiter.reject(ending.error)
    } else this.#deadLetter(entry, ending.reason, ending.error)
  }

  /** Deadline, abort and the like: NotExecuted if it certainly never ran, else Unknown. */
  endEarly(entry: OutEntry, reason: DeadLetterReason, cause?: unknown): void {
    if (entry.isEnded) return
    const options = cause === undefined ? undefined : { cause }
    const what = `${entry.type} to ${formatAddress(entry.stream)}`
    const isUnknown = entry.mayHaveArrived || entry.hasBegun || entry.isStashed
    this.#end(
      entry,
      reason,
      isUnknown
        ? new DeliveryUnknownError(reason, what, this.#core.messageId(entry.id), options)
        : new NotExecutedError(reason, what, options),
    )
  }

  #end(entry: OutEntry, reason: DeadLetterReason, error: Error): void {
    const { frame, stream } = entry
    // What is still here must not leave after its caller was told that it never did.
    if (frame !== undefined && !frame.handed) voidItem(frame.bytes, entry.itemAt)
    this.finish(entry)
    if (entry.waiter === undefined) this.#deadLetter(entry, reason, error)
    else {
      this.#core.messagesFailed++
      entry.waiter.reject(error)
    }
    this.#next(stream)
  }

  /** Why a message that never got anywhere ends at its deadline. */
  lateReason(entry: OutEntry): DeadLetterReason {
    const { location } = entry.stream
    if (location === undefined) return 'unknown-kind'
    return location.owner === null ? 'no-host' : 'deadline'
  }

  /** Out of the outbox, its stream, the sweep; nobody is told. */
  finish(entry: OutEntry): void {
    if (entry.isEnded) return
    entry.isEnded = true
    const { stream } = entry
    if (entry.nextDeadline !== undefined) this.#core.sweep.remove(entry)
    if (entry.onAbort !== undefined) entry.signal?.removeEventListener('abort', entry.onAbort)
    if (entry.id === 0) return
    this.#core.outbox.remove(entry)
    if (stream.head === entry || entry.previous !== undefined) {
      if (stream.peer !== undefined) discount(stream.peer, entry)
      stream.remove(entry)
      if (stream.head === undefined) this.closeIfIdle(stream)
    }
    this.#host.roomMade()
  }

  /** The oldest message may have changed, which needs no credit. */
  #next(stream: OutStream): void {
    if (stream.cursor !== undefined && stream.peer !== undefined && !stream.isWaiting) {
      stream.peer.enqueue(stream)
      this.#host.markDirty(stream.peer)
    }
  }

  /** A tenure is fenced: what its turns sent ends here, sent or not. */
  fence(tenure: Tenure): void {
    for (const entry of this.#core.outbox.entries()) {
      if (entry.from === tenure && entry.local === undefined) this.endEarly(entry, 'fenced')
    }
  }

  #deadLetter(entry: OutEntry, reason: DeadLetterReason, error: unknown): void {
    const { kind, id, path } = entry.stream
    this.#core.deadLetter({
      address: path === undefined ? { kind, id } : { kind, id, path },
      type: entry.type,
      reason,
      error,
      messageId: this.#core.messageId(entry.id),
      sender: entry.sender,
    })
  }
}

/** Acknowledgements count only under the epoch, and from the process, that the message was last sent under and to. */
function counts(entry: OutEntry, peer: Peer, epoch: number): boolean {
  return entry.sentTo === peer && entry.sentEpoch === epoch
}

/** Whether everything before it in the stream has been handled (or stashed, which is handling). */
function isOldest(stream: OutStream, entry: OutEntry): boolean {
  if (stream.head === entry || stream.head === undefined) return true
  for (let before = entry.previous; before !== undefined; before = before.previous) if (!before.isStashed) return false
  return entry.previous !== undefined
}

function count(peer: Peer, entry: OutEntry): void {
  peer.outCount++
  peer.outBytes += entry.cost
}

function discount(peer: Peer, entry: OutEntry): void {
  peer.outCount--
  peer.outBytes -= entry.cost
}

function childKey(kind: string, id: string, path: string): string {
  return `${kind}/${id.length}/${id}/${path}`
}
