// How messages that this process has sent end: acknowledged, with an outcome, or early. Out of the outbox and their stream, and whoever waits is told.

import { DeliveryUnknownError, NotExecutedError } from '../errors.ts'
import { formatAddress, plainAddress } from '../messaging/address.ts'
import { OUTCOME_BEGUN, OUTCOME_STASHED } from '../messaging/frame-format.ts'
import { voidItem } from '../messaging/frame-writer.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { OutEntry } from './out-entry.ts'
import type { OutStream } from './out-stream.ts'
import type { OutStreams } from './out-streams.ts'
import { decodeOutcome } from './outcome.ts'
import type { Peer } from './peer.ts'
import type { PeerFrame } from './peer-frame.ts'
import type { Tenure } from './tenure.ts'

/** What endings need of the endpoint. */
export interface OutEndingsHost {
  readonly core: DeliveryCore
  markDirty(peer: Peer): void
  /** Something has ended: there may be room for callers that wait. */
  roomMade(): void
}

export class OutEndings {
  readonly #host: OutEndingsHost
  readonly #core: DeliveryCore
  readonly #streams: OutStreams

  constructor(host: OutEndingsHost, streams: OutStreams) {
    this.#host = host
    this.#core = host.core
    this.#streams = streams
  }

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
    const messageId = this.#core.messageId(entry.id)
    const ending = decodeOutcome(outcome, bytes, start, end, entry.stream, entry.type, messageId, entry.mayHaveRunBefore)
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
    this.end(
      entry,
      reason,
      isUnknown
        ? new DeliveryUnknownError(reason, what, this.#core.messageId(entry.id), options)
        : new NotExecutedError(reason, what, options),
    )
  }

  /** It ends with this error: that of its caller, or of its dead letter. */
  end(entry: OutEntry, reason: DeadLetterReason, error: Error): void {
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
      if (stream.peer !== undefined) stream.peer.discount(entry)
      stream.remove(entry)
      if (stream.head === undefined) this.#streams.closeIfIdle(stream)
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
    this.#core.deadLetter({
      address: plainAddress(entry.stream),
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
