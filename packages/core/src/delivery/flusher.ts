// When things leave: everything that was sent to a peer in one turn of the event loop goes to the transport at its end; and the timers of links
// (receipts, probes, retention) and of what is held because it may not leave yet.

import type { FrameHeader } from '../messaging/frame-writer.ts'
import type { Timer } from '../runtime/runtime.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { Inbound } from './inbound.ts'
import { ESTABLISHED, NEW_LINK, PROGRESS, RESEND, SEND_HEADER } from './link.ts'
import type { OutStream } from './out-stream.ts'
import type { Outbound } from './outbound.ts'
import type { Peer } from './peer.ts'

/** How often held messages ask whether they may leave, when nobody tells (`leaseRenewed`). */
const GATE_POLL_MS = 50
/** How long a link waits for the lease with frames that were written before it was lost. */
const LONGEST_STALL_MS = 1_000

/** What the flusher needs of the endpoint. */
export interface FlushHost {
  admit(): void
  leaseRenewed(): void
  linkLost(peer: Peer): void
}

export class Flusher {
  readonly #core: DeliveryCore
  readonly #outbound: Outbound
  readonly #inbound: Inbound
  readonly #host: FlushHost
  readonly #header: FrameHeader = { version: 0, flags: 0, from: 0, to: 0, seq: 0, receipt: 0, floor: 0, baseId: 0 }
  readonly #dirty: Peer[] = []
  readonly #dirtyStreams = new Set<OutStream>()
  /** Kinds whose tenures or placement changed; the empty name: all. */
  readonly #changedKinds = new Set<string>()
  readonly #onEndOfTurn = (): void => this.flush()
  #isFlushScheduled = false
  #mayHaveRoom = false
  #gateTimer: Timer | undefined
  readonly #peerTimers = new Map<Peer, Timer>()

  constructor(core: DeliveryCore, outbound: Outbound, inbound: Inbound, host: FlushHost) {
    this.#core = core
    this.#outbound = outbound
    this.#inbound = inbound
    this.#host = host
  }

  /** The stream is pumped at the end of this turn. */
  markStream(stream: OutStream): void {
    this.#dirtyStreams.add(stream)
    this.schedule()
  }

  /** What waits for this kind's tenures or placement is looked at again at the end of this turn. */
  markKind(kind: string | undefined): void {
    this.#changedKinds.add(kind ?? '')
    this.schedule()
  }

  /** Callers that wait for room are looked at again at the end of this turn. */
  markRoom(): void {
    this.#mayHaveRoom = true
    this.schedule()
  }

  /** What a link asked for. */
  act(peer: Peer, actions: number): void {
    if (actions & SEND_HEADER && peer.link.isUp) {
      const flags = peer.link.takeHeaderFlags()
      this.#core.options.transport.send(peer.id.nodeId, peer.header(this.#header, flags))
    }
    if (actions & (ESTABLISHED | PROGRESS | RESEND)) this.markDirty(peer)
    this.armTimer(peer)
  }

  /** The peer has something to send at the end of this turn. */
  markDirty(peer: Peer): void {
    if (peer.isDirty) return
    peer.isDirty = true
    this.#dirty.push(peer)
    this.schedule()
  }

  schedule(): void {
    if (this.#isFlushScheduled || this.#core.isClosed) return
    this.#isFlushScheduled = true
    this.#core.runtime.endOfTurn(this.#onEndOfTurn)
  }

  /** The end of a turn of the event loop: everything that was sent in it leaves. */
  flush(): void {
    this.#isFlushScheduled = false
    if (this.#core.isClosed) return
    if (this.#changedKinds.size > 0) this.#lookAgain()
    if (this.#dirtyStreams.size > 0) {
      const streams = [...this.#dirtyStreams]
      this.#dirtyStreams.clear()
      for (const stream of streams) this.#outbound.pump(stream)
    }
    if (this.#mayHaveRoom) {
      this.#mayHaveRoom = false
      this.#host.admit()
    }
    // Peers that become dirty on the way are flushed in this round as well.
    for (let i = 0; i < this.#dirty.length; i++) {
      const peer = this.#dirty[i] as Peer
      peer.isDirty = false
      this.flushPeer(peer)
    }
    this.#dirty.length = 0
    if (this.#outbound.hasHeld) this.pollGate()
    this.#core.forgetNow()
  }

  #lookAgain(): void {
    const kinds = [...this.#changedKinds]
    this.#changedKinds.clear()
    if (kinds.includes('')) {
      this.#inbound.retryParked()
      this.#outbound.pumpWaiting()
      return
    }
    for (const kind of kinds) {
      this.#inbound.retryParked(kind)
      this.#outbound.pumpWaiting(kind)
    }
  }

  flushPeer(peer: Peer): void {
    const { link } = peer
    if (!link.isOpen) return
    this.#outbound.pumpPeer(peer)
    peer.writeRest()
    peer.writer.close()
    if (!peer.endings.isEmpty) this.pollGate()
    const now = this.#core.now()
    for (let frame = link.nextFrame(); frame !== undefined && !peer.isTransportFull; frame = link.nextFrame()) {
      if (!frame.mayLeave()) {
        if (this.#isStalled(peer, now)) return this.#giveUpFrames(peer, now)
        this.pollGate()
        break
      }
      peer.stalledSinceMs = undefined
      link.fillHeader(this.#header, this.#core.outbox.floor())
      this.#header.version = this.#core.protocolVersion
      const isRoomy = this.#core.options.transport.send(peer.id.nodeId, frame.sealed(this.#header))
      link.handed(frame, now)
      this.#outbound.endings.handedOver(frame)
      if (!isRoomy) peer.isTransportFull = true
    }
    this.armTimer(peer)
  }

  #isStalled(peer: Peer, now: number): boolean {
    peer.stalledSinceMs ??= now
    return now - peer.stalledSinceMs >= LONGEST_STALL_MS
  }

  /**
   * Frames were written while the lease was safe, and some of what is in them may not leave now. Whatever else is in them and behind them must not wait for
   * the store: the link starts again, and everything is written anew that may leave; the rest is held by its stream or its tenure.
   */
  #giveUpFrames(peer: Peer, now: number): void {
    peer.stalledSinceMs = undefined
    const actions = peer.link.forget(now)
    this.#host.linkLost(peer)
    this.act(peer, actions & ~NEW_LINK)
  }

  /** Something is held because it may not leave now. */
  pollGate(): void {
    if (this.#gateTimer !== undefined || this.#core.isClosed) return
    this.#gateTimer = this.#core.runtime.setTimer(() => {
      this.#gateTimer = undefined
      this.#core.forgetNow()
      this.#host.leaseRenewed()
    }, GATE_POLL_MS)
  }

  armTimer(peer: Peer): void {
    if (this.#core.isClosed) return
    const retentionMs = peer.downSinceMs === undefined ? Number.POSITIVE_INFINITY : peer.downSinceMs + this.#core.limits.linkRetentionMs
    // A transport that is full takes nothing now: what is due by then leaves after it has drained.
    const linkDueMs = peer.isTransportFull ? Number.POSITIVE_INFINITY : peer.link.dueMs
    const dueMs = Math.min(linkDueMs, peer.link.isUp ? Number.POSITIVE_INFINITY : retentionMs)
    if (dueMs >= peer.timerAtMs) return
    this.stopTimer(peer)
    peer.timerAtMs = dueMs
    const delayMs = Math.max(0, dueMs - this.#core.runtime.monotonicMs())
    this.#peerTimers.set(
      peer,
      this.#core.runtime.setTimer(() => this.#peerTimer(peer), delayMs),
    )
  }

  stopTimer(peer: Peer): void {
    this.#peerTimers.get(peer)?.cancel()
    this.#peerTimers.delete(peer)
    peer.timerAtMs = Number.POSITIVE_INFINITY
  }

  #peerTimer(peer: Peer): void {
    this.#peerTimers.delete(peer)
    peer.timerAtMs = Number.POSITIVE_INFINITY
    this.#core.forgetNow()
    const now = this.#core.now()
    const { downSinceMs } = peer
    if (downSinceMs !== undefined && !peer.link.isUp && now >= downSinceMs + this.#core.limits.linkRetentionMs) {
      // Down for so long that its frames are not worth their memory: the outbox has what matters.
      peer.downSinceMs = undefined
      peer.link.forget(now)
      this.#host.linkLost(peer)
    }
    if (!peer.isTransportFull) this.act(peer, peer.link.tick(now))
    else this.armTimer(peer)
  }

  close(): void {
    this.#gateTimer?.cancel()
    for (const timer of this.#peerTimers.values()) timer.cancel()
    this.#peerTimers.clear()
  }
}
