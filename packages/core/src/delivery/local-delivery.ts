// Messages of this process to actors of this process: straight into the mailbox, with no id and no entry in the outbox, for as long as their stream
// has nothing outstanding elsewhere. What comes back from a mailbox joins its stream in order, before anything newer.

import { type ActorAddress, plainAddress } from '../messaging/address.ts'
import { OUTCOME_STASHED } from '../messaging/frame-format.ts'
import { clonePayload, decodePayload } from '../messaging/payload-codec.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { DeliveryCall } from './delivery-options.ts'
import { type LocalHost, LocalMessage } from './local-message.ts'
import type { OutEntry, Waiter } from './out-entry.ts'
import { OutEntry as Entry } from './out-entry.ts'
import type { OutStream } from './out-stream.ts'
import type { Outbound } from './outbound.ts'
import { encodeUnknown } from './outcome.ts'
import type { Tenure } from './tenure.ts'

/** A message by reference has no size; it counts as this until it is encoded. */
export const BY_REFERENCE_COST = 256

/** What the short way needs of the endpoint. */
export interface LocalDeliveryHost {
  readonly expired: (entry: OutEntry) => void
  /** The stream is pumped at the end of this turn of the event loop. */
  pumpLater(stream: OutStream): void
  /** Something is held because it may not be told yet. */
  heldBack(): void
}

export class LocalDelivery implements LocalHost {
  readonly core: DeliveryCore
  readonly #outbound: Outbound
  readonly #host: LocalDeliveryHost

  constructor(core: DeliveryCore, outbound: Outbound, host: LocalDeliveryHost) {
    this.core = core
    this.#outbound = outbound
    this.#host = host
  }

  /** The short way. `false`: the mailbox did not take it, and the caller gives it to the outbox. */
  deliver(
    tenure: Tenure,
    address: ActorAddress,
    type: string,
    payload: unknown,
    isAsk: boolean,
    isReliable: boolean,
    call: DeliveryCall | undefined,
    timeoutMs: number,
    waiter: Waiter | undefined,
  ): boolean {
    const value = this.core.strict ? clonePayload(payload, this.core.limits.maxPayloadBytes) : payload
    const message = new LocalMessage(this, tenure, address, type, value, isAsk, isReliable, copyAddress(call?.sender), call?.chain)
    message.atMs = this.core.now() + timeoutMs
    message.from = call?.from
    if (waiter !== undefined) {
      message.waiter = waiter
      this.core.sweep.add(message, message.atMs)
      const signal = call?.signal
      if (signal !== undefined) {
        message.signal = signal
        message.onAbort = () => message.endEarly('aborted', signal.reason)
        signal.addEventListener('abort', message.onAbort, { once: true })
      }
    }
    if (tenure.sink.deliver(message.id, message.path, message)) return true
    message.handOver()
    message.state = 'ended'
    return false
  }

  /** What waits in a stream whose owner is this process goes into the mailbox, in order. */
  pump(stream: OutStream, tenure: Tenure): void {
    for (let entry = stream.head; entry !== undefined; ) {
      const { next } = entry
      if (entry.local === undefined && !this.#offer(stream, tenure, entry)) return
      entry = next
    }
    stream.cursor = undefined
  }

  /** False: it has to wait, and all behind it. */
  #offer(stream: OutStream, tenure: Tenure, entry: OutEntry): boolean {
    if (entry.isStashed) {
      this.#remind(stream, tenure, entry)
      return true
    }
    if (entry.from !== undefined) {
      if (entry.from.isFenced) {
        this.#outbound.endings.endEarly(entry, 'fenced')
        return true
      }
      if (!entry.from.mayLeaveNow()) {
        this.#outbound.hold(stream)
        return false
      }
    }
    let payload: unknown
    try {
      payload = entry.bytes === undefined ? entry.value : decodePayload(entry.bytes, entry.start, entry.end)
    } catch (error) {
      this.#outbound.endings.endEarly(entry, 'invalid-payload', error)
      return true
    }
    const message = new LocalMessage(this, tenure, stream, entry.type, payload, entry.isAsk, entry.isReliable, entry.sender, entry.chain)
    message.entry = entry
    message.isFromOutbox = true
    message.from = entry.from
    message.atMs = entry.atMs
    message.waiter = entry.waiter
    entry.local = message
    if (tenure.sink.deliver(stream.id, stream.path, message)) return true
    entry.local = undefined
    message.state = 'ended'
    stream.cursor = entry
    tenure.waitForRoom(stream.id, stream)
    return false
  }

  /** The ask was stashed by an earlier owner: it waits here too, if its state came along. */
  #remind(stream: OutStream, tenure: Tenure, entry: OutEntry): void {
    const kept = tenure.records.find(this.core.self, stream.id, stream.path)?.kept?.get(entry.id)
    if (kept?.outcome === OUTCOME_STASHED) return
    const { outcome, bytes } = kept?.bytes === undefined ? encodeUnknown('stopped') : { outcome: kept.outcome, bytes: kept.bytes }
    this.#outbound.endings.settle(entry, outcome, bytes, 0, bytes.length)
  }

  // --- as local messages see it

  expose(message: LocalMessage): OutEntry {
    const stream = this.#outbound.open(message)
    const entry = this.#entryOf(stream, message)
    // Not in the stream's list: it is in a mailbox by the short way. It only holds its id, and the floor.
    this.core.outbox.add(entry)
    message.entry = entry
    entry.local = message
    return entry
  }

  heldBack(): void {
    this.#host.heldBack()
  }

  renumberBehind(entry: OutEntry): void {
    for (let behind = entry.stream.head; behind !== undefined; behind = behind.next) {
      if (!behind.isExposed && behind !== entry) this.core.outbox.renumber(behind)
    }
  }

  takeBack(message: LocalMessage): void {
    message.handOver()
    if (this.core.isClosed) {
      this.#refuse(message, 'shutdown')
      return
    }
    message.tenure.close(message.id)
    const stream = this.#outbound.open(message)
    if (stream.returned === undefined) stream.returned = [message]
    else stream.returned.push(message)
    this.#host.pumpLater(stream)
  }

  outlive(message: LocalMessage, entry: OutEntry): void {
    const stream = message.isFromOutbox ? entry.stream : this.#outbound.open(message)
    entry.stream = stream
    entry.waiter = message.waiter
    entry.local = undefined
    if (!message.isFromOutbox) {
      this.#startClocks(entry, message)
      stream.append(entry)
      stream.peer?.count(entry)
    }
  }

  finishEntry(entry: OutEntry): void {
    this.#outbound.endings.finish(entry)
  }

  /**
   * Messages that came back become entries: after what has been sent (it is older), before what has not been (it is newer).
   * An id that nobody has seen is given anew, so that ids increase along the stream.
   */
  adopt(stream: OutStream): void {
    const returned = stream.returned
    if (returned === undefined) return
    stream.returned = undefined
    returned.sort((a, b) => a.order - b.order)
    const unsent: OutEntry[] = []
    for (let entry = stream.cursor; entry !== undefined; entry = entry.next)
      if (!entry.isExposed && entry.local === undefined) unsent.push(entry)
    const { peer } = stream
    for (const entry of unsent) stream.remove(entry)
    for (const message of returned) {
      const entry = message.entry ?? this.#entryOf(stream, message)
      // Aborted while its turn was in hand: whoever had to be told has been.
      if (entry.isEnded) continue
      entry.local = undefined
      if (message.hasBegun) entry.hasBegun = true
      // The stream may have been closed and opened again since the entry was made.
      entry.stream = stream
      entry.waiter = message.waiter
      if (message.isFromOutbox) {
        // In a mailbox the deadline of a tell is looked at when its turn begins, and may have passed.
        if (entry.nextDeadline === undefined) this.core.sweep.add(entry, entry.atMs)
        // What was transmitted once keeps its id and its place: it is older than all that never was.
        if (entry.isExposed) continue
        stream.remove(entry)
      } else {
        this.#startClocks(entry, message)
        peer?.count(entry)
      }
      if (message.entry === undefined) this.core.outbox.add(entry)
      else if (!entry.isExposed) this.core.outbox.renumber(entry)
      stream.append(entry)
    }
    for (const entry of unsent) {
      this.core.outbox.renumber(entry)
      stream.append(entry)
    }
    // The peer has none of these; what was sent to it and is not in a mailbox here stays sent.
    stream.cursor = firstUnsent(stream)
  }

  #entryOf(stream: OutStream, message: LocalMessage): OutEntry {
    const entry = new Entry(stream, message.type, this.#host.expired)
    entry.isReliable = message.isReliable
    entry.isAsk = message.isAsk
    entry.value = message.payload
    entry.cost = BY_REFERENCE_COST
    entry.atMs = message.atMs
    entry.sender = message.sender
    entry.chain = message.chain
    entry.from = message.from
    return entry
  }

  #startClocks(entry: OutEntry, message: LocalMessage): void {
    this.core.sweep.add(entry, entry.atMs)
    const { signal } = message
    if (signal === undefined) return
    entry.signal = signal
    entry.onAbort = () => this.#outbound.endings.endEarly(entry, 'aborted', signal.reason)
    signal.addEventListener('abort', entry.onAbort, { once: true })
    if (signal.aborted) entry.onAbort()
  }

  #refuse(message: LocalMessage, reason: DeadLetterReason): void {
    message.state = 'queued'
    message.refused(reason)
  }
}

function firstUnsent(stream: OutStream): OutEntry | undefined {
  let entry = stream.head
  while (entry !== undefined && (entry.frame !== undefined || entry.local !== undefined)) entry = entry.next
  return entry
}

/** The sender's address may be a live view onto its actor. */
export function copyAddress(address: ActorAddress | undefined): ActorAddress | undefined {
  return address === undefined ? undefined : plainAddress(address)
}
