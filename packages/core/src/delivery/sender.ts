// What callers see of sending: tell, send and ask with their options, deadlines, signals and bounds; which of the two ways a message takes. How it
// travels from there is `outbound.ts` (streams to other processes) and `local-delivery.ts` (the short way).

import { NotExecutedError } from '../errors.ts'
import { type ActorAddress, checkActorId, formatAddress } from '../messaging/address.ts'
import { asNativeBuffer } from '../messaging/native-buffer.ts'
import { encodePayload } from '../messaging/payload-codec.ts'
import { namePayload } from '../messaging/payload-refusal.ts'
import { Admission } from './admission.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'
import type { DeliveryCore } from './delivery-core.ts'
import { checkCall, type DeliveryCall } from './delivery-options.ts'
import { BY_REFERENCE_COST, copyAddress, type LocalDelivery } from './local-delivery.ts'
import { OutEntry, type Waiter } from './out-entry.ts'
import type { OutStream } from './out-stream.ts'
import type { Outbound } from './outbound.ts'
import type { Peer } from './peer.ts'
import type { Tenure } from './tenure.ts'
import type { Tenures } from './tenures.ts'

export class Sender {
  readonly admission: Admission
  readonly #core: DeliveryCore
  readonly #tenures: Tenures
  readonly #outbound: Outbound
  readonly #local: LocalDelivery
  readonly #findPeer: (processId: string) => Peer | undefined

  constructor(
    core: DeliveryCore,
    tenures: Tenures,
    outbound: Outbound,
    local: LocalDelivery,
    findPeer: (processId: string) => Peer | undefined,
  ) {
    this.#core = core
    this.#tenures = tenures
    this.#outbound = outbound
    this.#local = local
    this.#findPeer = findPeer
    this.admission = new Admission(core.limits, core.outbox)
  }

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
    const known = this.#outbound.streams.find(address.kind, address.id, address.path)
    const tenure = this.#shortWay(address, known, call)
    if (tenure !== undefined && this.#local.deliver(tenure, address, type, payload, false, isReliable, call, timeoutMs, undefined))
      return true
    const stream = tenure === undefined && known !== undefined ? known : this.#openStream(address)
    const { peer } = stream
    if (!this.admission.admits(peer, address)) {
      this.#outbound.streams.closeIfIdle(stream)
      return this.#deadLetterTell(address, type, 'outbox-full', call)
    }
    if (!isReliable && peer !== undefined && !peer.breaker.isClosed && !peer.breaker.admits(core.now())) {
      this.#outbound.streams.closeIfIdle(stream)
      return this.#deadLetterTell(address, type, 'circuit-open', call)
    }
    const entry = this.#entry(stream, type, payload, isReliable, false, call, timeoutMs)
    this.#submit(entry, call)
    return !entry.isEnded && !this.admission.isCongested(peer)
  }

  /**
   * Resolves when the turn ended. At-most-once: when it was written to an open link (sent from a turn: when it has left); should the link be lost for good before it left, it is a dead
   * letter. Rejects with `NotExecutedError`, `DeliveryUnknownError` or why it was refused.
   */
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
    const peer = owner === null || owner.processId === this.#core.processId ? undefined : this.#findPeer(owner.processId)
    return this.admission.ready(peer)
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
    const known = this.#outbound.streams.find(address.kind, address.id, address.path)
    const tenure = this.#shortWay(address, known, call)
    if (tenure !== undefined && this.#local.deliver(tenure, address, type, payload, isAsk, isReliable, call, timeoutMs, waiter)) return
    const stream = tenure === undefined && known !== undefined ? known : this.#openStream(address)
    const { peer } = stream
    if ((isAsk || !isReliable) && peer !== undefined && !peer.breaker.isClosed && !peer.breaker.admits(core.now())) {
      this.#outbound.streams.closeIfIdle(stream)
      waiter.reject(this.#notExecuted(address, type, 'circuit-open'))
      return
    }
    const entry = this.#entry(stream, type, payload, isReliable, isAsk, call, timeoutMs)
    entry.waiter = waiter
    if (this.admission.admits(peer, address)) {
      this.#submit(entry, call)
      return
    }
    this.#encode(entry)
    if (!this.admission.wait(entry)) {
      waiter.reject(this.#notExecuted(address, type, 'outbox-full'))
      return
    }
    core.sweep.add(entry, entry.atMs)
    this.#listen(entry, call?.signal)
  }

  /** The tenure of this process that takes the message straight into a mailbox, if nothing of its stream is outstanding elsewhere. */
  #shortWay(address: ActorAddress, stream: OutStream | undefined, call: DeliveryCall | undefined): Tenure | undefined {
    // Its stream knows already that it goes elsewhere: most messages of a cluster.
    if (stream?.peer !== undefined && this.#outbound.localHold(stream) === undefined) return undefined
    const tenure = this.#tenures.find(address.kind, address.id)
    if (tenure === undefined || !tenure.isAccepting || this.admission.isWaitedFor(address)) return undefined
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
    const found = this.#outbound.streams.find(address.kind, address.id, address.path)
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

  readonly #onExpired = (entry: OutEntry): void => this.expired(entry)

  #submit(entry: OutEntry, call: DeliveryCall | undefined): void {
    if (!this.#goesAtOnce(entry.stream)) this.#encode(entry)
    try {
      this.#outbound.submit(entry)
    } catch (error) {
      this.#outbound.streams.closeIfIdle(entry.stream)
      throw error
    }
    if (entry.isEnded) return
    if (isWrittenForGood(entry)) {
      entry.waiter?.resolve(undefined)
      entry.waiter = undefined
    }
    if (entry.isReliable || entry.waiter !== undefined || entry.frame === undefined) this.#core.sweep.add(entry, entry.atMs)
    this.#listen(entry, call?.signal)
  }

  /** What can't be written at once is encoded now: the caller may change the payload afterwards. (Local payloads go by reference.) */
  #goesAtOnce({ peer, cursor, returned, location }: OutStream): boolean {
    if (peer === undefined) return location?.owner?.processId === this.#core.processId
    return cursor === undefined && returned === undefined && peer.isWritable && peer.hasCredit
  }

  #encode(entry: OutEntry): void {
    try {
      const bytes = encodePayload(entry.value, this.#core.limits.maxPayloadBytes)
      entry.bytes = asNativeBuffer(bytes)
      entry.end = bytes.length
      entry.cost = bytes.length
      entry.value = undefined
    } catch (error) {
      this.#outbound.streams.closeIfIdle(entry.stream)
      throw error
    }
  }

  #listen(entry: OutEntry, signal: AbortSignal | undefined): void {
    if (signal === undefined || entry.isEnded) return
    entry.signal = signal
    entry.onAbort = () => {
      if (entry.local !== undefined && entry.local.waiter !== undefined) entry.local.endEarly('aborted', signal.reason)
      else this.#outbound.endings.endEarly(entry, 'aborted', signal.reason)
    }
    signal.addEventListener('abort', entry.onAbort, { once: true })
  }

  /** Its deadline has passed. */
  expired(entry: OutEntry): void {
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
    if (entry.id === 0) this.#outbound.endings.endEarly(entry, 'outbox-full')
    else this.#outbound.endings.endEarly(entry, this.#outbound.endings.lateReason(entry))
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

  /** There is room again: callers that waited, in order. */
  admit(): void {
    this.admission.admit(
      (entry) => {
        // A stream with nothing outstanding may have been forgotten meanwhile, and another one opened for the actor.
        entry.stream = this.#openStream(entry.stream)
      },
      (entry) => this.#outbound.submit(entry),
    )
  }

  /** Everything outstanding ends. */
  close(reason: 'shutdown' | 'process-replaced'): void {
    for (const entry of this.admission.drain()) this.#outbound.endings.endEarly(entry, reason)
    for (const entry of this.#core.outbox.entries()) {
      if (entry.local !== undefined) entry.local.endEarly(reason)
      else this.#outbound.endings.endEarly(entry, reason)
    }
  }
}

/** That is all that is promised of an at-most-once message. Of one that comes from a turn, the lease is asked once more before it leaves. */
function isWrittenForGood(entry: OutEntry): boolean {
  return !entry.isReliable && !entry.isAsk && entry.frame !== undefined && entry.from === undefined
}
