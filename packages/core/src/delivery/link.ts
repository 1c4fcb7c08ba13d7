// A link: numbered frames between two processes, each taken once and in order, whatever the transport loses, repeats or reorders.
// Pure: events in, a set of wanted actions out (bits); whoever drives it hands bytes to the transport and keeps the clock.
//
//   transport up ──> greeting ── hello/frame that knows both ids ──> established ── transport down ──> down ─┐
//                      ▲ └────────── hello again with backoff                                                │
//                      └──────────────────────────── transport up ───────────────────────────────────────────┘
//
// Each side's state has an id (from a counter of its process, so a larger one is newer). A pair of ids is one link; when either side has lost
// its state its id is new, the other resets too (NEW_LINK), and streams send again what is outstanding.

import { FLAG_ASK, FLAG_GAP, FLAG_HELLO, FLAG_NUMBERED } from '../messaging/frame-format.ts'
import type { Frame, FrameHeader } from '../messaging/frame-writer.ts'

/** The frame's items are to be read. */
export const TAKE = 1
/** A header is to be sent now (what it says: `headerFlags`). */
export const SEND_HEADER = 2
/** Both sides know each other from now on. */
export const ESTABLISHED = 4
/** The state of the link was lost: interning, credit and numbers start again, streams send again what is outstanding. */
export const NEW_LINK = 8
/** Receipts came in: there may be room. */
export const PROGRESS = 16
/** Frames are to be handed to the transport again, from `nextFrame()`. */
export const RESEND = 32

export interface LinkTimes {
  readonly receiptDelayMs: number
  readonly probeMinMs: number
  readonly probeMaxMs: number
}

export class Link<F extends Frame> {
  localId: number
  remoteId = 0
  isUp = false
  isEstablished = false
  /** Bytes of frames kept for sending again. */
  bufferedBytes = 0
  /** The last number that was taken from the peer. */
  receivedSeq = 0
  /** The last number that the peer has receipted. */
  receiptedSeq = 0
  /** Flags of the header that SEND_HEADER asks for; taken with `takeHeaderFlags`. */
  #headerFlags = 0
  readonly #frames: F[] = []
  #first = 0
  #lastSeq = 0
  /** Frames up to this number are with the transport. */
  #handedSeq = 0
  readonly #nextId: () => number
  readonly #times: LinkTimes
  #receiptDueMs = Number.POSITIVE_INFINITY
  #probeDueMs = Number.POSITIVE_INFINITY
  #backoffMs: number
  #gapAskedFor = 0
  /**
   * Something was exchanged with the peer's present state. Frames that only wait here are bound to no state of the peer; if they made this side
   * start again as well, two sides that both have something to say would answer each reset with another.
   */
  #touched = false
  /** After malformed bytes nothing is said or heard before this: two processes that can't understand each other must not do it at full speed. */
  #quietUntilMs = Number.NEGATIVE_INFINITY
  #quietMs = 0

  constructor(nextId: () => number, times: LinkTimes) {
    this.#nextId = nextId
    this.#times = times
    this.localId = nextId()
    this.#backoffMs = times.probeMinMs
  }

  /** Frames may be handed to the transport. */
  get isOpen(): boolean {
    return this.isUp && this.isEstablished
  }

  get hasUnreceipted(): boolean {
    return this.receiptedSeq < this.#lastSeq
  }

  // --- sending

  /** Numbers a frame and keeps it until it is receipted. */
  append(frame: F): void {
    frame.seq = ++this.#lastSeq
    this.#frames.push(frame)
    this.bufferedBytes += frame.length
  }

  /** The next frame for the transport, if any. `handed` follows when it has it. */
  nextFrame(): F | undefined {
    return this.#frames[this.#first + this.#handedSeq - this.receiptedSeq]
  }

  handed(frame: F, nowMs: number): void {
    frame.handed = true
    this.#touched = true
    this.#handedSeq = frame.seq
    if (this.#probeDueMs === Number.POSITIVE_INFINITY) this.#probeDueMs = nowMs + this.#backoffMs
  }

  /** Fills in a header that leaves now; the receipt that it carries is no longer due. */
  fillHeader(header: FrameHeader, floor: number): void {
    header.from = this.localId
    header.to = this.remoteId
    header.receipt = this.receivedSeq
    header.floor = floor
    header.seq = this.#handedSeq
    header.baseId = 0
    this.#receiptDueMs = Number.POSITIVE_INFINITY
  }

  takeHeaderFlags(): number {
    const flags = this.#headerFlags
    this.#headerFlags = 0
    return flags
  }

  /** All frames that are kept, oldest first. */
  *kept(): Iterable<F> {
    for (let i = this.#first; i < this.#frames.length; i++) yield this.#frames[i] as F
  }

  // --- events

  up(nowMs: number): number {
    this.isUp = true
    this.isEstablished = false
    this.#backoffMs = this.#times.probeMinMs
    return this.#hello(nowMs)
  }

  down(): void {
    this.isUp = false
    this.isEstablished = false
    this.#probeDueMs = Number.POSITIVE_INFINITY
    this.#receiptDueMs = Number.POSITIVE_INFINITY
  }

  /** This side gives up its state (memory, malformed bytes). The other side hears of it with the next hello. */
  forget(nowMs: number): number {
    this.#reset()
    this.remoteId = 0
    return NEW_LINK | (this.isUp ? this.#hello(nowMs) : 0)
  }

  /** As `forget`, because the peer's bytes were not what the protocol says. The next attempt waits, longer each time until a frame could be read. */
  malformed(nowMs: number): number {
    const { probeMinMs, probeMaxMs } = this.#times
    this.#quietMs = Math.min(probeMaxMs, Math.max(probeMinMs, this.#quietMs * 2))
    this.#quietUntilMs = nowMs + this.#quietMs
    this.#reset()
    this.remoteId = 0
    if (this.isUp) {
      this.#hello(nowMs)
      this.#probeDueMs = this.#quietUntilMs
    }
    return NEW_LINK
  }

  /** All items of a frame could be read. */
  understood(): void {
    this.#quietMs = 0
  }

  /** A frame arrived. TAKE: read its items. */
  received(header: FrameHeader, nowMs: number): number {
    if (!this.isUp || nowMs < this.#quietUntilMs) return 0
    const pairing = this.#pair(header, nowMs)
    if (pairing !== PAIRED) return pairing & ~PAIRED
    let actions = 0
    if (!this.isEstablished) {
      this.isEstablished = true
      this.#backoffMs = this.#times.probeMinMs
      actions |= ESTABLISHED
    }
    actions |= this.#receipt(header, nowMs)
    if (header.flags & FLAG_NUMBERED) actions |= this.#numbered(header.seq, nowMs)
    else if (header.flags & FLAG_HELLO) actions |= this.#resendAfter(header.receipt)
    else if (header.flags & FLAG_GAP) actions |= this.#resendAfter(header.receipt)
    if (header.flags & FLAG_ASK) {
      const missing = !(header.flags & FLAG_NUMBERED) && header.seq > this.receivedSeq
      this.#headerFlags |= header.flags & FLAG_HELLO ? FLAG_HELLO : missing ? FLAG_GAP : 0
      actions |= SEND_HEADER
    }
    return actions
  }

  /** Time passed. */
  tick(nowMs: number): number {
    let actions = 0
    if (this.isUp && nowMs >= this.#receiptDueMs && this.isEstablished) actions |= SEND_HEADER
    if (this.isUp && nowMs >= this.#probeDueMs) {
      if (this.isEstablished && this.#handedSeq === this.receiptedSeq) {
        this.#probeDueMs = Number.POSITIVE_INFINITY
        return actions
      }
      this.#backoffMs = Math.min(this.#backoffMs * 2, this.#times.probeMaxMs)
      this.#probeDueMs = nowMs + this.#backoffMs
      this.#headerFlags |= this.isEstablished ? FLAG_ASK : FLAG_ASK | FLAG_HELLO
      actions |= SEND_HEADER
    }
    return actions
  }

  /** When `tick` has something to do; infinity: never. */
  get dueMs(): number {
    return Math.min(this.#receiptDueMs, this.#probeDueMs)
  }

  // --- rules

  /** Whether the frame belongs to this pair of states; if not, which of the two sides has to start again. */
  #pair(header: FrameHeader, nowMs: number): number {
    const knowsMe = header.to === this.localId
    if (header.from === this.remoteId && knowsMe) return PAIRED
    if (header.from < this.remoteId) return 0
    if (header.from === this.remoteId) {
      // It does not know this state yet. If it did before, this frame is a late one.
      return this.isEstablished ? 0 : this.#hello(nowMs)
    }
    // A newer state of the peer than this side knows: whatever was built with the older one is void.
    let actions = 0
    if (this.#touched) {
      this.#reset()
      actions |= NEW_LINK
    }
    this.isEstablished = false
    this.remoteId = header.from
    // A reset has given this side an id that the peer can't know.
    if (header.to === this.localId) return PAIRED
    return actions | this.#hello(nowMs)
  }

  #numbered(seq: number, nowMs: number): number {
    this.#touched = true
    if (seq === this.receivedSeq + 1) {
      this.receivedSeq = seq
      if (this.#receiptDueMs === Number.POSITIVE_INFINITY) this.#receiptDueMs = nowMs + this.#times.receiptDelayMs
      return TAKE
    }
    if (seq <= this.receivedSeq) {
      // Seen already: the peer may have missed the receipt.
      if (this.#receiptDueMs === Number.POSITIVE_INFINITY) this.#receiptDueMs = nowMs + this.#times.receiptDelayMs
      return 0
    }
    if (this.#gapAskedFor === this.receivedSeq + 1) return 0
    this.#gapAskedFor = this.receivedSeq + 1
    this.#headerFlags |= FLAG_GAP
    return SEND_HEADER
  }

  #receipt(header: FrameHeader, nowMs: number): number {
    const receipt = Math.min(header.receipt, this.#lastSeq)
    if (receipt <= this.receiptedSeq) return 0
    for (let seq = this.receiptedSeq + 1; seq <= receipt; seq++) {
      this.bufferedBytes -= (this.#frames[this.#first] as F).length
      this.#frames[this.#first++] = undefined as never
    }
    if (this.#first > 64 && this.#first * 2 > this.#frames.length) {
      this.#frames.splice(0, this.#first)
      this.#first = 0
    }
    this.receiptedSeq = receipt
    if (this.#handedSeq < receipt) this.#handedSeq = receipt
    this.#backoffMs = this.#times.probeMinMs
    this.#probeDueMs = this.#handedSeq > receipt ? nowMs + this.#backoffMs : Number.POSITIVE_INFINITY
    return PROGRESS
  }

  #resendAfter(receipt: number): number {
    if (receipt < this.receiptedSeq || this.#handedSeq <= receipt) return 0
    this.#handedSeq = Math.max(receipt, this.receiptedSeq)
    return RESEND
  }

  #hello(nowMs: number): number {
    this.#headerFlags |= FLAG_HELLO | FLAG_ASK
    this.#probeDueMs = nowMs + this.#backoffMs
    return SEND_HEADER
  }

  #reset(): void {
    this.localId = this.#nextId()
    this.isEstablished = false
    this.#frames.length = 0
    this.#first = 0
    this.bufferedBytes = 0
    this.#lastSeq = 0
    this.#handedSeq = 0
    this.receiptedSeq = 0
    this.receivedSeq = 0
    this.#gapAskedFor = 0
    this.#headerFlags = 0
    this.#receiptDueMs = Number.POSITIVE_INFINITY
    this.#probeDueMs = Number.POSITIVE_INFINITY
    this.#touched = false
  }
}

/** Not an action: the frame belongs to the present pair. */
const PAIRED = 1 << 30
