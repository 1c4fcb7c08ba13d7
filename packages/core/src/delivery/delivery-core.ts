// What the parts of one endpoint share: options and limits, the outbox, the time of this turn of the event loop, counters.

import type { ActorAddress } from '../messaging/address.ts'
import { PROTOCOL } from '../messaging/protocol-version.ts'
import { DeadlineSweep } from '../runtime/deadline-sweep.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { type DeliveryLimits, resolveDeliveryLimits } from './delivery-limits.ts'
import type { DeliveryOptions, UndeliveredMessage } from './delivery-options.ts'
import { DEFAULT_GUARANTEE, type Guarantee } from './guarantee.ts'
import { Outbox } from './outbox.ts'
import { type KeptBudget, Source } from './records.ts'

/** Plain numbers, read by whoever wants metrics. */
export interface DeliveryCounters {
  messagesSent: number
  messagesReceived: number
  messagesFailed: number
  outboxMessages: number
  outboxBytes: number
  linkBytes: number
  keptReplyBytes: number
  records: number
  sources: number
}

export class DeliveryCore {
  readonly runtime: Runtime
  readonly options: DeliveryOptions
  readonly limits: DeliveryLimits
  readonly processId: string
  readonly defaultGuarantee: Guarantee
  /** Whether this process's lease is safe, at this moment. */
  readonly mayLeave: () => boolean
  readonly strict: boolean
  readonly outbox: Outbox = new Outbox()
  readonly sweep: DeadlineSweep
  /** This process as a source, for records of its own messages. */
  readonly self: Source
  readonly keptBudget: KeptBudget
  messagesSent = 0
  messagesReceived = 0
  messagesFailed = 0
  /** Changes whenever tenures or the placement did: what was looked up before is looked up again. */
  version = 0
  isClosed = false
  /** What is written in; the lowest until it is known what others read. */
  protocolVersion: number
  /** See `ControlNumbers`. */
  lastControlNumber = 0
  #nowMs = -1
  #nextOrder = 0
  #warned = false

  constructor(options: DeliveryOptions) {
    this.options = options
    this.runtime = options.runtime
    this.limits = resolveDeliveryLimits(options.limits, options.transport.capabilities.maxFrameBytes)
    this.protocolVersion = (options.protocol ?? PROTOCOL).min
    this.processId = options.local.processId
    this.defaultGuarantee = options.defaultGuarantee ?? DEFAULT_GUARANTEE
    this.mayLeave = options.mayLeave ?? (() => true)
    this.strict = options.strict ?? false
    this.sweep = new DeadlineSweep(options.runtime)
    this.self = new Source(options.local.nodeId, options.local.processId)
    this.keptBudget = { used: 0, limit: this.limits.keptReplyBytes }
  }

  /** The monotonic time, read once for each turn of the event loop that sends or receives. */
  now(): number {
    if (this.#nowMs < 0) {
      this.#nowMs = this.runtime.monotonicMs()
      // Also in a turn that flushes nothing, such as one with local messages only: the next turn must not count its deadlines from this one's time.
      this.runtime.endOfTurn(this.#forget)
    }
    return this.#nowMs
  }

  readonly #forget = (): void => this.forgetNow()

  /** A turn of the event loop has ended, or an event of the outside begins. */
  forgetNow(): void {
    this.#nowMs = -1
  }

  /** Numbers in the order of asking. */
  nextOrder(): number {
    return this.#nextOrder++
  }

  messageId(id: number): string {
    return `${this.processId}:${id}`
  }

  deadLetter(letter: UndeliveredMessage): void {
    this.messagesFailed++
    this.options.onDeadLetter?.(letter)
  }

  /** Once: a reliable deadline that the death of a node would outlast. */
  warnOfShortDeadline(address: ActorAddress, timeoutMs: number): void {
    const ttlMs = this.options.ttlMs
    if (this.#warned || ttlMs === undefined || timeoutMs > ttlMs + 2_000) return
    this.#warned = true
    this.options.onWarning?.(
      `a reliable message to ${address.kind} has a deadline of ${timeoutMs} ms; a failover takes up to the session TTL + 1 s, ` +
        `so with at most ${ttlMs + 2_000} ms it does not outlast the death of a node`,
    )
  }
}
