// Delivery of one process: everything that it sends and receives passes here. Binds the protocol classes of this room to the transport, the clock
// and the end of each turn of the event loop; the rules themselves live in those classes.

import { NotExecutedError, ProtocolError, TransportError } from '../errors.ts'
import { type ActorAddress, checkActorId, formatAddress } from '../messaging/address.ts'
import {
  ITEM_ACKS,
  ITEM_ACTOR,
  ITEM_CONTROL,
  ITEM_CONTROL_RECEIPT,
  ITEM_CREDIT,
  ITEM_EPOCH,
  ITEM_MESSAGE,
  ITEM_MOVED,
  ITEM_NAME,
  ITEM_OUTCOME,
  ITEM_VOID,
} from '../messaging/frame-format.ts'
import { FrameReader } from '../messaging/frame-reader.ts'
import type { FrameHeader } from '../messaging/frame-writer.ts'
import type { MessagingHandler, PeerId } from '../messaging/messaging-system.ts'
import { asNativeBuffer } from '../messaging/native-buffer.ts'
import { decodePayload, encodePayload } from '../messaging/payload-codec.ts'
import { namePayload } from '../messaging/payload-refusal.ts'
import type { Timer } from '../runtime/runtime.ts'
import { Admission } from './admission.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'
import { DeliveryCore, type DeliveryCounters } from './delivery-core.ts'
import { checkCall, type DeliveryCall, type DeliveryOptions } from './delivery-options.ts'
import { InStream } from './in-stream.ts'
import { Inbound } from './inbound.ts'
import { checkSnapshot, InboundMessage } from './inbound-message.ts'
import { ESTABLISHED, NEW_LINK, PROGRESS, RESEND, SEND_HEADER, TAKE } from './link.ts'
import { BY_REFERENCE_COST, copyAddress, LocalDelivery } from './local-delivery.ts'
import type { Message } from './message.ts'
import { OutEntry, type Waiter } from './out-entry.ts'
import { OutStream } from './out-stream.ts'
import { Outbound } from './outbound.ts'
import { Peer } from './peer.ts'
import { Source } from './records.ts'
import { RevivedLocalMessage } from './revived-local-message.ts'
import { Tenure, type TenureOptions } from './tenure.ts'
import { Tenures } from './tenures.ts'

/** How often held messages ask whether they may leave, when nobody tells (`leaseRenewed`). */
const GATE_POLL_MS = 50
const CONTROL_DRAINED_BYTES = 256 * 1024

interface ControlWaiter {
  readonly peer: Peer
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** The transport's handler: the cluster calls `transport.start(local, endpoint)`. */
export class DeliveryEndpoint implements MessagingHandler {
  readonly #core: DeliveryCore
  readonly #tenures: Tenures
  readonly #outbound: Outbound
  readonly #inbound: Inbound
  readonly #local: LocalDelivery
  readonly #admission: Admission
  readonly #peers = new Map<string, Peer>()
  readonly #sources = new Map<string, Source>()
  /** Sources whose process is gone, in the order of going. */
  readonly #gone: Source[] = []
  readonly #dirty: Peer[] = []
  readonly #dirtyStreams = new Set<OutStream>()
  readonly #changedKinds = new Set<string>()
  readonly #reader = new FrameReader()
  readonly #header: FrameHeader = { flags: 0, from: 0, to: 0, seq: 0, receipt: 0, floor: 0, baseId: 0 }
  readonly #controlWaiters: ControlWaiter[] = []
  readonly #mayLeave: () => boolean
  readonly #flush = (): void => this.#flushAll()
  #lastLinkId = 0
  #isFlushScheduled = false
  #mayHaveRoom = false
  #gateTimer: Timer | undefined
  #peerTimers = new Map<Peer, Timer>()
  #goneTimer: Timer | undefined

  constructor(options: DeliveryOptions) {
    this.#core = new DeliveryCore(options)
    this.#mayLeave = options.mayLeave ?? (() => true)
    this.#tenures = new Tenures(options.placement)
    const core = this.#core
    this.#sources.set(core.processId, core.self)
    this.#outbound = new Outbound({
      core,
      peerFor: (id) => this.#peerFor(id),
      tenureFor: (kind, id) => this.#tenures.find(kind, id),
      pumpLocal: (stream, tenure) => this.#local.pump(stream, tenure),
      adopt: (stream) => this.#local.adopt(stream),
      markDirty: (peer) => this.#markDirty(peer),
      roomMade: () => {
        if (this.#admission.hasCallers && !this.#mayHaveRoom) {
          this.#mayHaveRoom = true
          this.#schedule()
        }
      },
    })
    this.#local = new LocalDelivery(
      core,
      this.#outbound,
      (entry) => this.#expired(entry),
      (stream) => {
        this.#dirtyStreams.add(stream)
        this.#schedule()
      },
    )
    this.#inbound = new Inbound(
      {
        core,
        markDirty: (peer) => this.#markDirty(peer),
        acknowledge: (tenure, stream, id) => {
          const { peer } = stream.source
          if (peer === undefined) return
          peer.endings.acknowledge(tenure, id)
          this.#markDirty(peer)
        },
        outcome: (tenure, stream, id, outcome, bytes) => {
          const { peer } = stream.source
          if (peer === undefined) return
          peer.endings.outcome(tenure, id, outcome, bytes)
          this.#markDirty(peer)
        },
      },
      this.#tenures,
    )
    this.#admission = new Admission(core.limits, core.outbox)
  }

  /** Read at any time; costs nothing otherwise. */
  get counters(): DeliveryCounters {
    const { messagesSent, messagesReceived, messagesFailed, outbox } = this.#core
    return {
      messagesSent,
      messagesReceived,
      messagesFailed,
      outboxMessages: outbox.count + this.#admission.callerCount,
      outboxBytes: outbox.bytes + this.#admission.callerBytes,
    }
  }

  // --- sending

  /** `false`: slow down (`ready`), or it became a dead letter. Throws only for a payload that can't travel, or is too large, and for an invalid id. */
  tell(address: ActorAddress, type: string, payload: unknown, call?: DeliveryCall): boolean {
    if (call !== undefined) checkCall(call)
    try {
      return this.#tell(address, type, payload, call)
    } catch (error) {
      // It was not accepted.
      this.#core.messagesSent--
      throw namePayload(error, type, address)
    }
  }

  #tell(address: ActorAddress, type: string, payload: unknown, call: DeliveryCall | undefined): boolean {
    const core = this.#core
    const isReliable = (call?.guarantee ?? core.defaultGuarantee) !== 'at-most-once'
    const timeoutMs = call?.timeoutMs ?? core.limits.sendTimeoutMs
    core.messagesSent++
    if (isReliable && call?.timeoutMs !== undefined) core.warnOfShortDeadline(address, timeoutMs)
    const refusal = core.isClosed ? 'shutdown' : call?.signal?.aborted ? 'aborted' : undefined
    if (refusal !== undefined) return this.#deadLetterTell(address, type, refusal, call)
    const tenure = this.#shortWay(address, call)
    if (tenure !== undefined && this.#local.deliver(tenure, address, type, payload, false, isReliable, call, timeoutMs, undefined))
      return true
    const stream = this.#openStream(address)
    const { peer } = stream
    if (!this.#admission.admits(peer)) {
      this.#outbound.closeIfIdle(stream)
      return this.#deadLetterTell(address, type, 'outbox-full', call)
    }
    if (!isReliable && peer !== undefined && !peer.breaker.isClosed && !peer.breaker.admits(core.now())) {
      this.#outbound.closeIfIdle(stream)
      return this.#deadLetterTell(address, type, 'circuit-open', call)
    }
    const entry = this.#entry(stream, type, payload, isReliable, false, call, timeoutMs)
    this.#submit(entry, call)
    return !entry.isEnded && !this.#admission.isCongested(peer)
  }

  /** Resolves when the turn ended (at-most-once: when it was written). Rejects with `NotExecutedError`, `DeliveryUnknownError` or why it was refused. */
  send(address: ActorAddress, type: string, payload: unknown, call?: DeliveryCall): Promise<void> {
    return this.#call(address, type, payload, false, call) as Promise<void>
  }

  /** Resolves with the reply. Rejects as `send`, and with `ActorFailedError` when the handler threw. */
  ask(address: ActorAddress, type: string, payload: unknown, call?: DeliveryCall): Promise<unknown> {
    return this.#call(address, type, payload, true, call)
  }

  /** Resolves when `tell` would return true again. */
  ready(address: ActorAddress): Promise<void> {
    const owner = this.#core.options.placement.locate(address.kind, address.id)?.owner ?? null
    const peer = owner === null || owner.processId === this.#core.processId ? undefined : this.#peers.get(owner.processId)
    return this.#admission.ready(peer)
  }

  #call(address: ActorAddress, type: string, payload: unknown, isAsk: boolean, call: DeliveryCall | undefined): Promise<unknown> {
    const core = this.#core
    const isReliable = (call?.guarantee ?? core.defaultGuarantee) !== 'at-most-once'
    const timeoutMs = call?.timeoutMs ?? (isAsk ? core.limits.askTimeoutMs : core.limits.sendTimeoutMs)
    return new Promise((resolve, reject) => {
      if (call !== undefined) checkCall(call)
      try {
        this.#place({ resolve, reject }, address, type, payload, isAsk, isReliable, timeoutMs, call)
      } catch (error) {
        core.messagesSent--
        reject(namePayload(error, type, address) as Error)
      }
    })
  }

  #place(
    waiter: Waiter,
    address: ActorAddress,
    type: string,
    payload: unknown,
    isAsk: boolean,
    isReliable: boolean,
    timeoutMs: number,
    call: DeliveryCall | undefined,
  ): void {
    const core = this.#core
    core.messagesSent++
    if (isReliable && call?.timeoutMs !== undefined) core.warnOfShortDeadline(address, timeoutMs)
    const refusal = core.isClosed ? 'shutdown' : call?.signal?.aborted ? 'aborted' : undefined
    if (refusal !== undefined) {
      waiter.reject(this.#notExecuted(address, type, refusal, call?.signal?.reason))
      return
    }
    const tenure = this.#shortWay(address, call)
    if (tenure !== undefined && this.#local.deliver(tenure, address, type, payload, isAsk, isReliable, call, timeoutMs, waiter)) return
    const stream = this.#openStream(address)
    const { peer } = stream
    if ((isAsk || !isReliable) && peer !== undefined && !peer.breaker.isClosed && !peer.breaker.admits(core.now())) {
      this.#outbound.closeIfIdle(stream)
      waiter.reject(this.#notExecuted(address, type, 'circuit-open'))
      return
    }
    const entry = this.#entry(stream, type, payload, isReliable, isAsk, call, timeoutMs)
    entry.waiter = waiter
    if (this.#admission.admits(peer)) {
      this.#submit(entry, call)
      return
    }
    this.#encode(entry)
    if (!this.#admission.wait(entry)) {
      waiter.reject(this.#notExecuted(address, type, 'outbox-full'))
      return
    }
    core.sweep.add(entry, entry.atMs)
    this.#listen(entry, call?.signal)
  }

  /** The tenure of this process that takes the message straight into a mailbox, if nothing of its stream is outstanding elsewhere. */
  #shortWay(address: ActorAddress, call: DeliveryCall | undefined): Tenure | undefined {
    const tenure = this.#tenures.find(address.kind, address.id)
    if (tenure === undefined || !tenure.isAccepting) return undefined
    const stream = this.#outbound.find(address.kind, address.id, address.path)
    if (stream !== undefined && !stream.isIdle && !this.#isAllHere(stream)) return undefined
    if (tenure.isClosing(address.id) || tenure.isWaitingFor(address.id)) return undefined
    const from = call?.from
    if (from !== undefined && (from.isSuspended || from.isFenced)) return undefined
    const owner = this.#core.options.placement.locate(address.kind, address.id)?.owner
    return owner?.processId === this.#core.processId ? tenure : undefined
  }

  /** Everything outstanding is in the mailbox already: what is newer may follow it. */
  #isAllHere(stream: OutStream): boolean {
    if (stream.returned !== undefined || stream.cursor !== undefined) return false
    for (let entry = stream.head; entry !== undefined; entry = entry.next) if (entry.local === undefined && !entry.isStashed) return false
    return true
  }

  #openStream(address: ActorAddress): OutStream {
    const found = this.#outbound.find(address.kind, address.id, address.path)
    if (found !== undefined) return found
    checkActorId(address.kind, address.id)
    return this.#outbound.open(address)
  }

  #entry(
    stream: OutStream,
    type: string,
    payload: unknown,
    isReliable: boolean,
    isAsk: boolean,
    call: DeliveryCall | undefined,
    timeoutMs: number,
  ): OutEntry {
    const entry = new OutEntry(stream, type, this.#onExpired)
    entry.isReliable = isReliable
    entry.isAsk = isAsk
    entry.value = payload
    entry.cost = BY_REFERENCE_COST
    entry.atMs = this.#core.now() + timeoutMs
    if (call !== undefined) {
      if (call.sender !== undefined) entry.sender = copyAddress(call.sender)
      entry.chain = call.chain
      entry.from = call.from
    }
    return entry
  }

  readonly #onExpired = (entry: OutEntry): void => this.#expired(entry)

  #submit(entry: OutEntry, call: DeliveryCall | undefined): void {
    const isLocal = entry.stream.location?.owner?.processId === this.#core.processId
    // What can't be written at once is encoded now: the caller may change the payload afterwards. (Local payloads go by reference.)
    if (
      !isLocal &&
      (entry.stream.cursor !== undefined ||
        entry.stream.returned !== undefined ||
        entry.stream.peer?.isWritable !== true ||
        !entry.stream.peer.hasCredit)
    )
      this.#encode(entry)
    try {
      this.#outbound.submit(entry)
    } catch (error) {
      this.#outbound.closeIfIdle(entry.stream)
      throw error
    }
    if (entry.isEnded) return
    if (entry.isReliable || entry.waiter !== undefined || entry.frame === undefined) this.#core.sweep.add(entry, entry.atMs)
    this.#listen(entry, call?.signal)
  }

  #encode(entry: OutEntry): void {
    try {
      const bytes = encodePayload(entry.value, this.#core.limits.maxPayloadBytes)
      entry.bytes = asNativeBuffer(bytes)
      entry.end = bytes.length
      entry.cost = bytes.length
      entry.value = undefined
    } catch (error) {
      this.#outbound.closeIfIdle(entry.stream)
      throw error
    }
  }

  #listen(entry: OutEntry, signal: AbortSignal | undefined): void {
    if (signal === undefined || entry.isEnded) return
    entry.signal = signal
    entry.onAbort = () => {
      if (entry.local !== undefined && entry.local.waiter !== undefined) entry.local.endEarly('aborted', signal.reason)
      else this.#outbound.endEarly(entry, 'aborted', signal.reason)
    }
    signal.addEventListener('abort', entry.onAbort, { once: true })
  }

  #expired(entry: OutEntry): void {
    if (entry.local !== undefined) {
      // In a mailbox of this process: a tell is judged when its turn begins.
      entry.local.endEarly('deadline')
      return
    }
    const { peer } = entry.stream
    // A peer that has receipted everything is well: it is the actor that is late.
    if (peer !== undefined && (!peer.link.isOpen || (entry.isAsk && peer.link.hasUnreceipted))) {
      peer.breaker.failed(this.#core.runtime.monotonicMs())
    }
    if (entry.id === 0) this.#outbound.endEarly(entry, 'outbox-full')
    else this.#outbound.endEarly(entry, this.#outbound.lateReason(entry))
  }

  #deadLetterTell(address: ActorAddress, type: string, reason: DeadLetterReason, call: DeliveryCall | undefined): boolean {
    const sender = copyAddress(call?.sender)
    this.#core.deadLetter({ address: copyAddress(address) as ActorAddress, type, reason, sender })
    return false
  }

  #notExecuted(address: ActorAddress, type: string, reason: DeadLetterReason, cause?: unknown): NotExecutedError {
    this.#core.messagesFailed++
    return new NotExecutedError(reason, `${type} to ${formatAddress(address)}`, cause === undefined ? undefined : { cause })
  }

  // --- placement and tenures

  /** The cached document was replaced: streams whose location changed are re-routed. Undefined: of every kind. */
  placementChanged(kind?: string): void {
    this.#core.version++
    this.#outbound.placementChanged(kind)
    this.#wake(kind)
  }

  /** The gate may have opened (session renewed or regained): what was held leaves. Also found by a timer within 50 ms. */
  leaseRenewed(): void {
    for (const tenure of this.#tenures.all()) tenure.release()
    this.#outbound.pumpWaiting()
    for (const peer of this.#peers.values()) this.#markDirty(peer)
  }

  openTenure(options: TenureOptions): Tenure {
    const tenure = new Tenure(
      {
        keptBudget: this.#core.keptBudget,
        source: (nodeId, processId) => this.#source(nodeId, processId),
        revive: (of, snapshot) => this.#revive(of, snapshot),
        retry: (_of, streams) => {
          for (const stream of streams) {
            if (stream instanceof OutStream) {
              this.#dirtyStreams.add(stream)
              this.#schedule()
            } else this.#inbound.retry(stream)
          }
        },
        changed: (of) => this.#tenureChanged(of),
        fence: (of) => this.#outbound.fence(of),
      },
      options,
      this.#mayLeave,
    )
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
    this.#wake(tenure.unit.kind)
    if (tenure.state === 'active')
      for (const peer of this.#peers.values()) if (!peer.endings.isEmpty || peer.link.hasUnreceipted) this.#markDirty(peer)
  }

  #wake(kind: string | undefined): void {
    this.#changedKinds.add(kind ?? '')
    this.#schedule()
  }

  #revive(tenure: Tenure, snapshot: unknown): Message {
    const { nodeId, processId, id, actor, path, type, payload, isAsk, isReliable, sender, chain } = checkSnapshot(snapshot)
    const source = this.#source(nodeId, processId)
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
    const peer = this.#peers.get(processId)
    const source = this.#sources.get(processId)
    if (source !== undefined && source !== this.#core.self && source.goneAtMs === undefined) {
      source.goneAtMs = this.#core.runtime.monotonicMs()
      this.#gone.push(source)
      this.#armGoneTimer()
    }
    if (peer === undefined || peer.isGone) return
    this.#outbound.ownerDied(peer)
    peer.endings.clear()
    peer.control.clear()
    peer.isGone = true
    this.#settleControlWaiters()
    const actions = peer.link.forget(this.#core.now())
    this.#linkLost(peer)
    if (peer.link.isUp) {
      // It is connected all the same (a node that lost its session): as a process that has just come.
      this.#comeBack(peer)
      this.#act(peer, actions & ~NEW_LINK)
      return
    }
    this.#stopPeerTimer(peer)
    this.#forgetGonePeer(peer)
  }

  /** As `peerGone`, and its records go now. */
  retireSource(processId: string): void {
    this.peerGone(processId)
    const source = this.#sources.get(processId)
    if (source === undefined || source === this.#core.self) return
    source.clear()
    this.#sources.delete(processId)
    const at = this.#gone.indexOf(source)
    if (at >= 0) this.#gone.splice(at, 1)
  }

  #armGoneTimer(): void {
    if (this.#goneTimer !== undefined || this.#core.isClosed) return
    const first = this.#gone[0]
    if (first === undefined) return
    const dueMs = (first.goneAtMs as number) + this.#core.limits.sourceRetentionMs
    this.#goneTimer = this.#core.runtime.setTimer(
      () => {
        this.#goneTimer = undefined
        const now = this.#core.runtime.monotonicMs()
        while (this.#gone[0] !== undefined && now >= (this.#gone[0].goneAtMs as number) + this.#core.limits.sourceRetentionMs) {
          this.retireSource(this.#gone[0].processId)
        }
        this.#armGoneTimer()
      },
      Math.max(1, dueMs - this.#core.runtime.monotonicMs()),
    )
  }

  #source(nodeId: string, processId: string): Source {
    let source = this.#sources.get(processId)
    if (source === undefined) {
      source = new Source(nodeId, processId)
      this.#sources.set(processId, source)
    }
    return source
  }

  #peerFor(id: PeerId): Peer {
    let peer = this.#peers.get(id.processId)
    if (peer === undefined) {
      peer = new Peer(
        { nodeId: id.nodeId, processId: id.processId },
        this.#core,
        () => ++this.#lastLinkId,
        (stream) => this.#outbound.evict(stream),
      )
      this.#peers.set(id.processId, peer)
      const source = this.#source(id.nodeId, id.processId)
      if (source.control !== undefined) peer.control = source.control
      source.peer = peer
    }
    return peer
  }

  /** A peer that is gone is remembered only while streams still point to it. */
  #forgetGonePeer(peer: Peer): void {
    if (!peer.isGone || peer.outCount > 0) return
    this.#peers.delete(peer.id.processId)
    const source = this.#sources.get(peer.id.processId)
    if (source?.peer !== peer) return
    source.peer = undefined
    source.control = peer.control
  }

  // --- control

  /** Reliable and ordered within the life of both processes. At most 256 KiB each; larger ones are the caller's to split. */
  control(to: PeerId, body: unknown): void {
    const bytes = encodePayload(body, this.#core.limits.maxPayloadBytes, 'control message')
    const peer = this.#peerFor(to)
    if (peer.isGone || this.#core.isClosed) return
    if (peer.control.waitingBytes + bytes.length > this.#core.limits.controlBytesPerPeer) {
      throw new TransportError(
        `control messages to ${to.nodeId} take more than ${this.#core.limits.controlBytesPerPeer} bytes; await controlDrained`,
      )
    }
    peer.control.send(bytes)
    this.#markDirty(peer)
  }

  /** Resolves when little is waiting for this peer; rejects when the process is gone. */
  controlDrained(to: PeerId): Promise<void> {
    const peer = this.#peers.get(to.processId)
    if (peer === undefined) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#controlWaiters.push({ peer, resolve, reject })
      this.#settleControlWaiters()
    })
  }

  #settleControlWaiters(): void {
    for (let i = 0; i < this.#controlWaiters.length; ) {
      const { peer, resolve, reject } = this.#controlWaiters[i] as ControlWaiter
      const isDone = peer.isGone || this.#core.isClosed || peer.control.waitingBytes < CONTROL_DRAINED_BYTES
      if (!isDone) {
        i++
        continue
      }
      this.#controlWaiters.splice(i, 1)
      if (peer.isGone || this.#core.isClosed) reject(new TransportError(`process ${peer.id.processId} of node ${peer.id.nodeId} is gone`))
      else resolve()
    }
  }

  // --- the transport's events

  onPeerUp(peer: PeerId): void {
    if (this.#core.isClosed) return
    this.#core.forgetNow()
    const found = this.#peerFor(peer)
    // Also when the peer itself was forgotten: its source must not be retired any more.
    if (found.isGone || this.#source(peer.nodeId, peer.processId).goneAtMs !== undefined) this.#comeBack(found)
    found.breaker.close()
    found.isTransportFull = false
    found.downSinceMs = undefined
    this.#act(found, found.link.up(this.#core.now()))
    this.options.onPeerUp?.(peer)
  }

  /** It is there: whatever was said about its end does not hold. */
  #comeBack(peer: Peer): void {
    peer.isGone = false
    const source = this.#source(peer.id.nodeId, peer.id.processId)
    source.peer = peer
    source.goneAtMs = undefined
    const at = this.#gone.indexOf(source)
    if (at >= 0) this.#gone.splice(at, 1)
  }

  onPeerDown(peer: PeerId, reason: Error): void {
    if (this.#core.isClosed) return
    const found = this.#peers.get(peer.processId)
    if (found !== undefined) {
      this.#core.forgetNow()
      found.link.down()
      found.downSinceMs = this.#core.now()
      found.isTransportFull = false
      found.breaker.failed(this.#core.now())
      this.#outbound.dropUnsentAtMostOnce(found)
      this.#armPeerTimer(found)
    }
    this.options.onPeerDown?.(peer, reason)
  }

  onDrain(peer: PeerId): void {
    const found = this.#peers.get(peer.processId)
    if (found === undefined || this.#core.isClosed) return
    found.isTransportFull = false
    this.#flushPeer(found)
  }

  onError(error: Error, peer?: PeerId): void {
    this.options.onTransportError?.(error, peer)
  }

  onFrame(from: PeerId, frame: Uint8Array): void {
    if (this.#core.isClosed) return
    this.#core.forgetNow()
    const peer = this.#peerFor(from)
    const now = this.#core.now()
    const reader = this.#reader
    try {
      reader.open(frame)
      const { header } = reader
      const actions = peer.link.received(header, now)
      peer.breaker.close()
      const source = this.#source(from.nodeId, from.processId)
      if (actions & NEW_LINK) this.#linkLost(peer)
      if (actions & TAKE) {
        this.#inbound.beginFrame(header.baseId)
        while (reader.hasMore) this.#item(peer, source, reader)
        // After the items: the floor may pass messages that this very frame ends.
        source.raiseFloor(header.floor)
        peer.link.understood()
        peer.isErrorReported = false
      }
      this.#act(peer, actions & ~NEW_LINK)
    } catch (error) {
      this.#protocolError(peer, error)
    } finally {
      reader.release()
    }
  }

  #item(peer: Peer, source: Source, reader: FrameReader): void {
    const first = reader.byte()
    if (first & ITEM_MESSAGE) {
      this.#inbound.message(peer, reader, first)
      return
    }
    const isVoid = (first & ITEM_VOID) !== 0
    switch (first & ~ITEM_VOID) {
      case ITEM_ACKS: {
        const epoch = reader.varint()
        let end = 0
        for (let runs = reader.varint(); runs > 0; runs--) {
          const start = end + reader.varint()
          const length = reader.varint()
          end = start + length
          if (end > this.#core.outbox.lastId + 1) throw new ProtocolError(`acknowledgement of message ${end - 1}, which was never sent`)
          if (!isVoid) this.#outbound.acknowledged(peer, epoch, start, length)
        }
        return
      }
      case ITEM_OUTCOME: {
        const epoch = reader.varint()
        const id = reader.varint()
        const outcome = reader.byte()
        const length = reader.u24()
        const start = reader.skip(length)
        if (!isVoid) this.#outbound.outcome(peer, epoch, id, outcome, reader.bytes, start, start + length)
        return
      }
      case ITEM_MOVED: {
        const slot = reader.varint()
        const sentUnder = reader.varint()
        const epoch = reader.varint()
        const owner = reader.byte() === 0 ? null : { nodeId: reader.text(), processId: reader.text() }
        this.#outbound.moved(peer, slot, sentUnder, epoch, owner)
        return
      }
      case ITEM_CREDIT:
        peer.grantCredit(reader.varint())
        this.#markDirty(peer)
        return
      case ITEM_ACTOR:
        this.#inbound.define(peer, source, reader)
        return
      case ITEM_NAME:
        peer.inNames.set(reader.varint(), reader.text())
        return
      case ITEM_EPOCH:
        peer.inActors.get(reader.varint()).epoch = reader.varint()
        return
      case ITEM_CONTROL: {
        const number = reader.varint()
        const length = reader.u32()
        const start = reader.skip(length)
        if (peer.control.takes(number)) {
          const body = decodePayload(reader.bytes, start, start + length)
          this.#onControl(peer.id, body)
        }
        this.#markDirty(peer)
        return
      }
      case ITEM_CONTROL_RECEIPT:
        peer.control.receipted(reader.varint())
        this.#settleControlWaiters()
        return
      default:
        throw new ProtocolError(`frame has an unknown item ${first}`)
    }
  }

  #onControl(from: PeerId, body: unknown): void {
    // In a turn of its own, so that whatever the cluster does with it can't happen in the middle of a frame.
    this.#core.runtime.microtask(() => this.options.onControl?.(from, body))
  }

  /** Not what the protocol says: whatever state the link has is not to be trusted. Both sides start it again. */
  #protocolError(peer: Peer, error: unknown): void {
    const wrapped = error instanceof ProtocolError ? error : new ProtocolError('a frame could not be read', { cause: error })
    peer.link.malformed(this.#core.now())
    this.#linkLost(peer)
    this.#armPeerTimer(peer)
    if (peer.isErrorReported) return
    peer.isErrorReported = true
    this.options.onTransportError?.(wrapped, peer.id)
  }

  #linkLost(peer: Peer): void {
    this.#inbound.linkLost(peer)
    peer.linkLost()
    this.#outbound.linkLost(peer)
  }

  // --- links at work

  #act(peer: Peer, actions: number): void {
    if (actions & SEND_HEADER && peer.link.isUp) {
      const flags = peer.link.takeHeaderFlags()
      this.options.transport.send(peer.id.nodeId, peer.header(this.#header, flags))
    }
    if (actions & (ESTABLISHED | PROGRESS | RESEND)) this.#markDirty(peer)
    this.#armPeerTimer(peer)
  }

  #markDirty(peer: Peer): void {
    if (peer.isDirty) return
    peer.isDirty = true
    this.#dirty.push(peer)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isFlushScheduled || this.#core.isClosed) return
    this.#isFlushScheduled = true
    this.#core.runtime.endOfTurn(this.#flush)
  }

  /** The end of a turn of the event loop: everything that was sent in it leaves. */
  #flushAll(): void {
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
      this.#admission.admit((entry) => {
        this.#outbound.submit(entry)
      })
    }
    // Peers that become dirty on the way are flushed in this round as well.
    for (let i = 0; i < this.#dirty.length; i++) {
      const peer = this.#dirty[i] as Peer
      peer.isDirty = false
      this.#flushPeer(peer)
    }
    this.#dirty.length = 0
    if (this.#outbound.waiting.size > 0) this.#pollGate()
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

  #flushPeer(peer: Peer): void {
    const { link } = peer
    if (!link.isOpen) return
    this.#outbound.pumpPeer(peer)
    peer.writeRest()
    peer.writer.close()
    if (!peer.endings.isEmpty) this.#pollGate()
    const now = this.#core.now()
    for (let frame = link.nextFrame(); frame !== undefined && !peer.isTransportFull; frame = link.nextFrame()) {
      if (!frame.mayLeave()) {
        this.#pollGate()
        break
      }
      link.fillHeader(this.#header, this.#core.outbox.floor())
      const isRoomy = this.options.transport.send(peer.id.nodeId, frame.sealed(this.#header))
      link.handed(frame, now)
      this.#outbound.handedOver(frame)
      if (!isRoomy) peer.isTransportFull = true
    }
    this.#armPeerTimer(peer)
  }

  /** Something is held because it may not leave now. */
  #pollGate(): void {
    if (this.#gateTimer !== undefined || this.#core.isClosed) return
    this.#gateTimer = this.#core.runtime.setTimer(() => {
      this.#gateTimer = undefined
      this.#core.forgetNow()
      this.leaseRenewed()
    }, GATE_POLL_MS)
  }

  #armPeerTimer(peer: Peer): void {
    if (this.#core.isClosed) return
    const retentionMs = peer.downSinceMs === undefined ? Number.POSITIVE_INFINITY : peer.downSinceMs + this.#core.limits.linkRetentionMs
    const dueMs = Math.min(peer.link.dueMs, peer.link.isUp ? Number.POSITIVE_INFINITY : retentionMs)
    if (dueMs >= peer.timerAtMs) return
    this.#stopPeerTimer(peer)
    peer.timerAtMs = dueMs
    const delayMs = Math.max(0, dueMs - this.#core.runtime.monotonicMs())
    this.#peerTimers.set(
      peer,
      this.#core.runtime.setTimer(() => this.#peerTimer(peer), delayMs),
    )
  }

  #stopPeerTimer(peer: Peer): void {
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
      this.#linkLost(peer)
    }
    if (!peer.isTransportFull) this.#act(peer, peer.link.tick(now))
    else this.#armPeerTimer(peer)
  }

  private get options(): DeliveryOptions {
    return this.#core.options
  }

  /** Ends everything outstanding with `shutdown`. Idempotent. The transport is the caller's to stop. */
  close(): void {
    const core = this.#core
    if (core.isClosed) return
    this.#flushAll()
    core.isClosed = true
    for (const entry of this.#admission.drain()) this.#outbound.endEarly(entry, 'shutdown')
    for (const entry of core.outbox.entries()) {
      if (entry.local !== undefined) entry.local.endEarly('shutdown')
      else this.#outbound.endEarly(entry, 'shutdown')
    }
    core.sweep.close()
    this.#gateTimer?.cancel()
    this.#goneTimer?.cancel()
    for (const timer of this.#peerTimers.values()) timer.cancel()
    this.#peerTimers.clear()
    this.#settleControlWaiters()
  }
}
