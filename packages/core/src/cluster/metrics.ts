// The metrics of one node of a cluster: their names, what they mean, and how they are put together when somebody asks.
//
// They cost nothing when unread. What rooms count anyway (plain numbers on objects that exist) is read in `snapshot`; nothing is
// aggregated, labelled or timed before. Latency is the one thing that must be taken while messages pass, two readings of the clock
// each, so it is measured only with `measureLatency: true`. Listed for users in apps/docs/metrics.md.

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { Histogram, type HistogramSnapshot } from './histogram.ts'

/** What delivery counts. Only the fields' present values are read, so any object that has them will do. */
export interface DeliveryCounters {
  /** Messages accepted from callers and turns of this process, whatever their guarantee and wherever their actor is. */
  readonly messagesSent: number
  /** Messages that reached a mailbox of this process, duplicates aside. */
  readonly messagesReceived: number
  /** Sends and asks of this process that were rejected, and dead letters reported on it. */
  readonly messagesFailed: number
  /** Messages kept until they end: not sent yet, or not acknowledged. */
  readonly outboxMessages: number
  readonly outboxBytes: number
  /** Frames kept until their peers have receipted them. */
  readonly linkBytes: number
  /** Replies kept for asks that may come again. */
  readonly keptReplyBytes: number
  /** Of what was handled: one for each actor here and source. */
  readonly records: number
  /** Processes that messages came from and that are not forgotten yet, this one included. */
  readonly sources: number
}

/** The counts of an endpoint that took the place of others: counters never fall. */
export function countedOn(former: DeliveryCounters | undefined, present: DeliveryCounters): DeliveryCounters {
  if (former === undefined) return present
  return {
    ...present,
    messagesSent: former.messagesSent + present.messagesSent,
    messagesReceived: former.messagesReceived + present.messagesReceived,
    messagesFailed: former.messagesFailed + present.messagesFailed,
  }
}

/** Where the present values come from; asked in {@link ClusterMetrics.snapshot} alone. */
export interface MetricSources {
  readonly runtime: Runtime
  readonly nodeId: string
  actors(): number
  nodes(): number
  mailboxDepth(): number
  ownedShards(): number
  ownedWithoutLease(): number
  delivery(): DeliveryCounters
}

/** All of one node. Counters count from the start of the process and never fall; gauges are as of now. */
export interface ClusterMetricsSnapshot {
  readonly nodeId: string
  /** Gauge: live activations on this node, children not counted. */
  readonly actors: number
  /** Gauge: nodes registered in the cluster, as this node sees it. */
  readonly nodes: number
  /** Gauge: shards that this node owns, of all kinds. */
  readonly ownedShards: number
  /**
   * Gauge: shards and pins of kinds with `onStoreLoss: 'continue'` that run on here although the lease of this node is over. Above 0: another node may own the same actors,
   * and what one of the two does to their state will be lost.
   */
  readonly ownedWithoutLease: number
  readonly messages: {
    /** Counter: accepted from callers and turns on this node. */
    readonly sent: number
    /** Counter: taken into mailboxes on this node. */
    readonly received: number
    /** Counter: sends and asks of this node that were rejected, and dead letters reported on it. */
    readonly failed: number
    /** Gauge: sent and received since the last snapshot that is at least a second old, by the second. */
    readonly sentPerSecond: number
    readonly receivedPerSecond: number
  }
  /** From the call to the reply or acknowledgement, as callers on this node saw it; `undefined` without `measureLatency`. */
  readonly latency: { readonly ask: HistogramSnapshot; readonly send: HistogramSnapshot } | undefined
  /** Counters: dead letters reported on this node. */
  readonly deadLetters: { readonly total: number; readonly byReason: Readonly<Partial<Record<DeadLetterReason, number>>> }
  /** Gauges: kept by the sender until their turn has ended. */
  readonly outbox: { readonly messages: number; readonly bytes: number }
  /** Gauges: what this node keeps of links and of messages that it has handled; see `DeliveryCounters`. */
  readonly kept: { readonly linkBytes: number; readonly replyBytes: number; readonly records: number; readonly sources: number }
  /** Gauge: waiting in mailboxes on this node. */
  readonly mailboxDepth: number
  readonly failovers: {
    /** Counter: shards and pins that this node, as leader, gave to a new owner because theirs was gone. */
    readonly units: number
    /** Counter: the nodes that those were taken from. */
    readonly nodes: number
  }
  /** Handoffs that this node took part in, as source or target. */
  readonly handoffs: {
    readonly started: number
    readonly completed: number
    readonly aborted: number
    /** How long the completed ones took, as this node saw them. */
    readonly duration: HistogramSnapshot
  }
}

export class ClusterMetrics {
  /** `undefined` unless latency is measured: check before reading a clock. */
  readonly latency: { readonly ask: Histogram; readonly send: Histogram } | undefined
  readonly handoffDuration: Histogram = new Histogram()
  failedOverUnits = 0
  failedOverNodes = 0
  handoffsStarted = 0
  handoffsCompleted = 0
  handoffsAborted = 0

  readonly #deadLetters = new Map<DeadLetterReason, number>()
  readonly #sources: MetricSources
  readonly #sent: Rate
  readonly #received: Rate

  constructor(sources: MetricSources, options: { readonly measureLatency: boolean }) {
    this.#sources = sources
    this.latency = options.measureLatency ? { ask: new Histogram(), send: new Histogram() } : undefined
    const nowMs = sources.runtime.monotonicMs()
    this.#sent = new Rate(nowMs)
    this.#received = new Rate(nowMs)
  }

  deadLetter(reason: DeadLetterReason): void {
    this.#deadLetters.set(reason, (this.#deadLetters.get(reason) ?? 0) + 1)
  }

  snapshot(): ClusterMetricsSnapshot {
    const sources = this.#sources
    const delivery = sources.delivery()
    const nowMs = sources.runtime.monotonicMs()
    let deadLetters = 0
    for (const count of this.#deadLetters.values()) deadLetters += count
    return {
      nodeId: sources.nodeId,
      actors: sources.actors(),
      nodes: sources.nodes(),
      ownedShards: sources.ownedShards(),
      ownedWithoutLease: sources.ownedWithoutLease(),
      messages: {
        sent: delivery.messagesSent,
        received: delivery.messagesReceived,
        failed: delivery.messagesFailed,
        sentPerSecond: this.#sent.at(nowMs, delivery.messagesSent),
        receivedPerSecond: this.#received.at(nowMs, delivery.messagesReceived),
      },
      latency: this.latency && { ask: this.latency.ask.snapshot(), send: this.latency.send.snapshot() },
      deadLetters: { total: deadLetters, byReason: Object.fromEntries(this.#deadLetters) },
      outbox: { messages: delivery.outboxMessages, bytes: delivery.outboxBytes },
      kept: {
        linkBytes: delivery.linkBytes,
        replyBytes: delivery.keptReplyBytes,
        records: delivery.records,
        sources: delivery.sources,
      },
      mailboxDepth: sources.mailboxDepth(),
      failovers: { units: this.failedOverUnits, nodes: this.failedOverNodes },
      handoffs: {
        started: this.handoffsStarted,
        completed: this.handoffsCompleted,
        aborted: this.handoffsAborted,
        duration: this.handoffDuration.snapshot(),
      },
    }
  }
}

/** Over less than this, a rate says more about when it was asked for than about traffic. */
const RATE_WINDOW_MS = 1_000

/** How fast a counter grows, worked out from two readings of it: nothing runs in between. */
class Rate {
  #sinceMs: number
  #since = 0
  #perSecond = 0

  constructor(nowMs: number) {
    this.#sinceMs = nowMs
  }

  at(nowMs: number, count: number): number {
    const elapsedMs = nowMs - this.#sinceMs
    if (elapsedMs >= RATE_WINDOW_MS) {
      this.#perSecond = ((count - this.#since) * 1_000) / elapsedMs
      this.#sinceMs = nowMs
      this.#since = count
    }
    return this.#perSecond
  }
}
