// Delivery of one process: everything that it sends and receives passes here. Wires the parts of this room together and to the transport; the rules
// live in those parts: sender (callers), outbound (streams), local-delivery (the short way), inbound (what arrives), tenure (what is owned here),
// processes (who is there), flusher (when things leave).

import { ProtocolError } from '../errors.ts'
import type { ActorAddress } from '../messaging/address.ts'
import { FrameReader } from '../messaging/frame-reader.ts'
import type { MessagingHandler, PeerId } from '../messaging/messaging-system.ts'
import { ControlTraffic } from './control-traffic.ts'
import { DeliveryCore, type DeliveryCounters } from './delivery-core.ts'
import type { DeliveryCall, DeliveryOptions } from './delivery-options.ts'
import { Flusher } from './flusher.ts'
import { FrameIntake } from './frame-intake.ts'
import { InStream } from './in-stream.ts'
import { Inbound } from './inbound.ts'
import { InboundMessage } from './inbound-message.ts'
import { NEW_LINK, PROGRESS, TAKE } from './link.ts'
import { LocalDelivery } from './local-delivery.ts'
import type { Message } from './message.ts'
import { checkSnapshot } from './message-snapshot.ts'
import { OutStream } from './out-stream.ts'
import { Outbound } from './outbound.ts'
import type { Peer } from './peer.ts'
import { Processes } from './processes.ts'
import { RevivedLocalMessage } from './revived-local-message.ts'
import { Sender } from './sender.ts'
import { Tenure, type TenureHost, type TenureOptions } from './tenure.ts'
import { Tenures } from './tenures.ts'

/** The transport's handler: the cluster calls `transport.start(local, endpoint)`. */
export class DeliveryEndpoint implements MessagingHandler {
  readonly #core: DeliveryCore
  readonly #tenures: Tenures
  readonly #processes: Processes
  readonly #outbound: Outbound
  readonly #inbound: Inbound
  readonly #local: LocalDelivery
  readonly #sender: Sender
  readonly #control: ControlTraffic
  readonly #intake: FrameIntake
  readonly #flusher: Flusher
  readonly #reader: FrameReader
  readonly #tenureHost: TenureHost
  #leaseLosses = 0

  constructor(options: DeliveryOptions) {
    const core = new DeliveryCore(options)
    this.#core = core
    this.#reader = new FrameReader(options.protocol)
    this.#tenures = new Tenures(options.placement)
    const markDirty = (peer: Peer): void => this.#flusher.markDirty(peer)
    this.#processes = new Processes(
      core,
      (stream) => this.#outbound.streams.evict(stream),
      (processId) => this.retireSource(processId),
    )
    this.#outbound = new Outbound({
      core,
      markDirty,
      peerFor: (id) => this.#processes.peerFor(id),
      tenureFor: (kind, id) => this.#tenures.find(kind, id),
      pumpLocal: (stream, tenure) => this.#local.pump(stream, tenure),
      adopt: (stream) => this.#local.adopt(stream),
      roomMade: () => {
        if (this.#sender.admission.hasCallers) this.#flusher.markRoom()
      },
    })
    this.#inbound = new Inbound(
      {
        core,
        markDirty,
        acknowledge: (tenure, { source: { peer } }, id) => {
          peer?.endings.acknowledge(tenure, id)
          if (peer !== undefined) markDirty(peer)
        },
        outcome: (tenure, { source: { peer } }, id, outcome, bytes, onReceipted) => {
          peer?.endings.outcome(tenure, id, outcome, bytes, onReceipted)
          if (peer !== undefined) markDirty(peer)
        },
      },
      this.#tenures,
    )
    this.#local = new LocalDelivery(core, this.#outbound, {
      expired: (entry) => this.#sender.expired(entry),
      pumpLater: (stream) => this.#flusher.markStream(stream),
      heldBack: () => this.#flusher.pollGate(),
    })
    this.#sender = new Sender(core, this.#tenures, this.#outbound, this.#local, (processId) => this.#processes.find(processId))
    this.#control = new ControlTraffic(core, markDirty)
    this.#intake = new FrameIntake(core, this.#inbound, this.#outbound, this.#control, markDirty)
    this.#flusher = new Flusher(core, this.#outbound, this.#inbound, {
      admit: () => this.#sender.admit(),
      leaseRenewed: () => this.leaseRenewed(),
      linkLost: (peer) => this.#linkLost(peer),
    })
    this.#tenureHost = {
      keptBudget: core.keptBudget,
      leaseLosses: () => this.#leaseLosses,
      source: (nodeId, processId) => this.#processes.source(nodeId, processId),
      revive: (tenure, snapshot) => this.#revive(tenure, snapshot),
      retry: (_tenure, streams) => {
        for (const stream of streams) {
          if (stream instanceof OutStream) this.#flusher.markStream(stream)
          else this.#inbound.retry(stream)
        }
      },
      changed: (tenure) => this.#tenureChanged(tenure),
      fence: (tenure) => this.#outbound.endings.fence(tenure),
    }
  }

  /** Read at any time; costs nothing otherwise. */
  get counters(): DeliveryCounters {
    const { messagesSent, messagesReceived, messagesFailed, outbox } = this.#core
    const { admission } = this.#sender
    let linkBytes = 0
    for (const peer of this.#processes.peers()) linkBytes += peer.link.bufferedBytes
    let sources = 0
    let records = 0
    for (const source of this.#processes.sources()) {
      sources++
      records += source.cells.length
    }
    return {
      linkBytes,
      sources,
      records,
      keptReplyBytes: this.#core.keptBudget.used,
      messagesSent,
      messagesReceived,
      messagesFailed,
      outboxMessages: outbox.count + admission.callerCount,
      outboxBytes: outbox.bytes + admission.callerBytes,
    }
  }

  // --- sending

  /** `false`: slow down (`ready`), or it became a dead letter. Throws only for a payload that can't travel, or is too large, and for an invalid id. */
  tell(address: ActorAddress, type: string, payload: unknown, call?: DeliveryCall): boolean {
    return this.#sender.tell(address, type, payload, call)
  }

  /** As {@link Sender.send}. */
  send(address: ActorAddress, type: string, payload: unknown, call?: DeliveryCall): Promise<void> {
    return this.#sender.send(address, type, payload, call)
  }

  /** Resolves with the reply. Rejects as `send`, and with `ActorFailedError` when the handler threw. */
  ask(address: ActorAddress, type: string, payload: unknown, call?: DeliveryCall): Promise<unknown> {
    return this.#sender.ask(address, type, payload, call)
  }

  /** Resolves when `tell` would return true again. */
  ready(address: ActorAddress): Promise<void> {
    return this.#sender.ready(address)
  }

  /** The protocol version that everybody reads: frames are written in it from now on. */
  speak(version: number): void {
    this.#core.protocolVersion = version
  }

  // --- placement and tenures

  /** The cached document was replaced: streams whose location changed are re-routed. Undefined: of every kind. */
  placementChanged(kind?: string): void {
    this.#core.version++
    this.#outbound.placementChanged(kind)
    this.#processes.forgetGonePeers(() => this.#outbound.streams.all())
    this.#flusher.markKind(kind)
  }

  /** What was handed over under it may not leave under a later one. (Tenures that are held are suspended one by one.) */
  leaseLost(): void {
    this.#leaseLosses++
  }

  /** The gate may have opened (session renewed or regained): what was held leaves. Also found by a timer within 50 ms. */
  leaseRenewed(): void {
    for (const tenure of this.#tenures.all()) {
      tenure.release()
      if (tenure.held.length > 0) this.#flusher.pollGate()
    }
    this.#outbound.hasHeld = false
    this.#outbound.pumpWaiting()
    for (const peer of this.#processes.peers()) this.#flusher.markDirty(peer)
  }

  openTenure(options: TenureOptions): Tenure {
    const tenure = new Tenure(this.#tenureHost, options, this.#core.mayLeave)
    this.#tenures.add(tenure)
    this.#tenureChanged(tenure)
    return tenure
  }

  /** A pin's tenure before its shard's. */
  findTenure(kind: string, id: string): Tenure | undefined {
    return this.#tenures.find(kind, id)
  }

  #tenureChanged(tenure: Tenure): void {
    this.#core.version++
    if (tenure.state === 'discarded') this.#tenures.delete(tenure)
    this.#flusher.markKind(tenure.unit.kind)
    if (tenure.state !== 'active') return
    for (const peer of this.#processes.peers()) {
      if (!peer.endings.isEmpty || peer.link.hasUnreceipted) this.#flusher.markDirty(peer)
    }
  }

  #revive(tenure: Tenure, snapshot: unknown): Message {
    const { nodeId, processId, id, actor, path, type, payload, isAsk, isReliable, sender, chain } = checkSnapshot(snapshot)
    const source = this.#processes.source(nodeId, processId)
    if (source === this.#core.self) {
      const entry = id === 0 ? undefined : this.#core.outbox.get(id)
      return new RevivedLocalMessage(this.#core, this.#outbound, tenure, entry, tenure.addressOf(actor, path), {
        type,
        payload,
        isAsk,
        isReliable,
        sender,
        chain,
        id,
      })
    }
    const stream = new InStream(source.peer, source, tenure.unit.kind, actor, path, 0, tenure.epoch)
    const message = new InboundMessage(this.#inbound.host, stream, id, type, payload, isAsk, isReliable, sender, chain)
    message.tenure = tenure
    message.markStashed()
    return message
  }

  // --- processes

  /** The store says that this process is gone: its link closes, what was outstanding waits for the new placement; its records go after `sourceRetentionMs`. */
  peerGone(processId: string): void {
    this.#processes.markGone(processId)
    const peer = this.#processes.find(processId)
    if (peer === undefined || peer.isGone) return
    this.#outbound.ownerDied(peer)
    peer.endings.clear()
    peer.control.clear()
    this.#processes.giveUp(peer)
    this.#control.settle()
    const actions = peer.link.forget(this.#core.now())
    this.#linkLost(peer)
    if (peer.link.isUp) {
      // It is connected all the same (a node that lost its session): as a process that has just come.
      this.#processes.comeBack(peer)
      this.#flusher.act(peer, actions & ~NEW_LINK)
      return
    }
    this.#flusher.stopTimer(peer)
    this.#processes.forgetGonePeers(() => this.#outbound.streams.all())
  }

  /** The store shows it again, under another session: what was handled of it is not forgotten, whether it is connected or not. */
  peerRegistered(processId: string): void {
    this.#processes.markBack(processId)
  }

  /**
   * Processes that are neither connected nor given up, though nobody registered is one of them: a document named them, or a handoff brought
   * records of what they had sent, when they were gone already.
   */
  strangers(isRegistered: (processId: string) => boolean): string[] {
    const strangers: string[] = []
    for (const { processId, peer, goneAtMs } of this.#processes.sources()) {
      if (goneAtMs !== undefined || processId === this.#core.processId || peer?.link.isUp === true) continue
      if (!isRegistered(processId)) strangers.push(processId)
    }
    return strangers
  }

  /** As `peerGone`, and its records go now. */
  retireSource(processId: string): void {
    this.peerGone(processId)
    this.#processes.retire(processId)
  }

  /** Reliable and ordered within the life of both processes. At most 256 KiB each; larger ones are the caller's to split. Throws when too many wait. */
  control(to: PeerId, body: unknown): void {
    this.#control.send(this.#processes.peerFor(to), body)
  }

  /** Resolves when little is waiting for this peer; rejects when the process is gone. */
  controlDrained(to: PeerId): Promise<void> {
    const peer = this.#processes.find(to.processId)
    return peer === undefined ? Promise.resolve() : this.#control.drained(peer)
  }

  // --- the transport's events

  isCurrent(id: PeerId): boolean | Promise<boolean> {
    return this.#core.options.isCurrent?.(id) ?? true
  }

  onPeerUp(id: PeerId): void {
    if (this.#core.isClosed) return
    this.#core.forgetNow()
    const peer = this.#processes.peerFor(id)
    this.#processes.comeBack(peer)
    peer.breaker.close()
    peer.isTransportFull = false
    peer.downSinceMs = undefined
    this.#flusher.act(peer, peer.link.up(this.#core.now()))
    this.#core.options.onPeerUp?.(id)
  }

  onPeerDown(id: PeerId, reason: Error): void {
    if (this.#core.isClosed) return
    const peer = this.#processes.find(id.processId)
    if (peer !== undefined) {
      this.#core.forgetNow()
      peer.link.down()
      peer.downSinceMs = this.#core.now()
      peer.isTransportFull = false
      peer.breaker.failed(this.#core.now())
      this.#outbound.dropUnsentAtMostOnce(peer)
      this.#flusher.armTimer(peer)
    }
    this.#core.options.onPeerDown?.(id, reason)
  }

  onDrain(id: PeerId): void {
    const peer = this.#processes.find(id.processId)
    if (peer === undefined || this.#core.isClosed) return
    peer.isTransportFull = false
    this.#flusher.flushPeer(peer)
  }

  onError(error: Error, peer?: PeerId): void {
    this.#core.options.onTransportError?.(error, peer)
  }

  onFrame(from: PeerId, frame: Uint8Array): void {
    if (this.#core.isClosed) return
    this.#core.forgetNow()
    const peer = this.#processes.peerFor(from)
    const reader = this.#reader
    try {
      reader.open(frame)
      const actions = peer.link.received(reader.header, this.#core.now())
      peer.breaker.close()
      if (actions & NEW_LINK) this.#linkLost(peer)
      if (actions & PROGRESS) peer.endings.receipted(peer.link.receiptedSeq)
      if (actions & TAKE) {
        this.#intake.read(peer, this.#processes.source(from.nodeId, from.processId), reader)
        peer.link.understood()
        peer.isErrorReported = false
      }
      this.#flusher.act(peer, actions & ~NEW_LINK)
    } catch (error) {
      this.#protocolError(peer, error)
    } finally {
      reader.release()
    }
  }

  /** Not what the protocol says: whatever state the link has is not to be trusted. Both sides start it again. */
  #protocolError(peer: Peer, error: unknown): void {
    peer.link.malformed(this.#core.now())
    this.#linkLost(peer)
    this.#flusher.armTimer(peer)
    if (peer.isErrorReported) return
    peer.isErrorReported = true
    const wrapped = error instanceof ProtocolError ? error : new ProtocolError('a frame could not be read', { cause: error })
    this.#core.options.onTransportError?.(wrapped, peer.id)
  }

  #linkLost(peer: Peer): void {
    this.#inbound.linkLost(peer)
    peer.linkLost()
    this.#outbound.linkLost(peer)
  }

  /** Ends everything outstanding with this reason. Idempotent. The transport is the caller's to stop. */
  close(reason: 'shutdown' | 'process-replaced' = 'shutdown'): void {
    if (this.#core.isClosed) return
    this.#flusher.flush()
    this.#core.isClosed = true
    this.#sender.close(reason)
    this.#core.sweep.close()
    this.#flusher.close()
    this.#processes.close()
    this.#control.settle()
  }
}
