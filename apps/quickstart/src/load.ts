// A steady stream of deposits under each guarantee, and what became of every one of them.

import type { ClusterActorSystem, Guarantee } from '@cajun/core'
import { DeliveryUnknownError, NotExecutedError } from '@cajun/core'
import { Account } from './account.ts'
import type { Fate, SentMessage } from './audit.ts'

export const GUARANTEES: readonly Guarantee[] = ['at-most-once', 'at-least-once', 'exactly-once']

/** How often a burst leaves. Small enough to look steady, large enough that timers cost nothing. */
const BURST_EVERY_MS = 10
/** Of each guarantee: a machine that can't keep up gets no bursts that keep its event loop from everything else, sessions included. */
const BURST_AT_MOST = 250
/** Reliable messages under way; no more are sent meanwhile. Far above what waits for a failover. */
const UNDER_WAY_AT_MOST = 10_000

export interface LoadOptions {
  readonly actors: number
  /** Of each guarantee. */
  readonly messagesPerSecond: number
  /** How long a reliable message may take: it has to outlast the death of a node. */
  readonly timeoutMs: number
  /** Stop by itself after so many of each guarantee. */
  readonly limit?: number
}

class Stream {
  readonly guarantee: Guarantee
  readonly actors: string[] = []
  readonly sentAtMs: number[] = []
  readonly fates: Fate[] = []
  readonly errors = new Map<string, number>()
  readonly firstSeq: number
  pending = 0

  constructor(guarantee: Guarantee, firstSeq: number) {
    this.guarantee = guarantee
    this.firstSeq = firstSeq
  }

  messages(): SentMessage[] {
    return this.actors.map((actor, at) => ({
      seq: this.firstSeq + at,
      actor,
      sentAtMs: this.sentAtMs[at] ?? 0,
      fate: this.fates[at] ?? 'pending',
    }))
  }
}

export interface LoadReport {
  readonly guarantee: Guarantee
  readonly messages: readonly SentMessage[]
  /** Rejections by code and reason. */
  readonly errors: ReadonlyArray<readonly [string, number]>
}

export class Load {
  readonly #cluster: ClusterActorSystem
  readonly #options: LoadOptions
  readonly #streams: readonly Stream[]
  #timer: NodeJS.Timeout | undefined
  #startedAtMs = 0

  /** `after`: the load that this sender had before; the numbers of this one go on from it. */
  constructor(cluster: ClusterActorSystem, options: LoadOptions, after?: Load) {
    this.#cluster = cluster
    this.#options = options
    const firstSeq = after?.nextSeq ?? 0
    this.#streams = GUARANTEES.map((guarantee) => new Stream(guarantee, firstSeq))
  }

  get nextSeq(): number {
    return Math.max(...this.#streams.map((stream) => stream.firstSeq + stream.actors.length))
  }

  start(): void {
    this.#startedAtMs = Date.now()
    this.#timer = setInterval(() => this.#burst(), BURST_EVERY_MS)
  }

  /** Sent, and ended, so far. */
  progress(): { readonly sent: number; readonly pending: number } {
    let sent = 0
    let pending = 0
    for (const stream of this.#streams) {
      sent += stream.actors.length
      pending += stream.pending
    }
    return { sent, pending }
  }

  /** Stops sending; resolves when every reliable message has ended, or their deadline and a little more has passed. */
  async finish(): Promise<readonly LoadReport[]> {
    clearInterval(this.#timer)
    const giveUpAtMs = Date.now() + this.#options.timeoutMs + 5_000
    while (this.progress().pending > 0 && Date.now() < giveUpAtMs) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return this.#streams.map((stream) => ({
      guarantee: stream.guarantee,
      messages: stream.messages(),
      errors: [...stream.errors],
    }))
  }

  #burst(): void {
    const elapsedMs = Date.now() - this.#startedAtMs
    const due = Math.floor((elapsedMs * this.#options.messagesPerSecond) / 1_000)
    if (this.progress().pending >= UNDER_WAY_AT_MOST) return
    for (const stream of this.#streams) {
      const target = Math.min(due, this.#options.limit ?? due, stream.actors.length + BURST_AT_MOST)
      while (stream.actors.length < target) this.#send(stream)
    }
  }

  #send(stream: Stream): void {
    const at = stream.actors.length
    const seq = stream.firstSeq + at
    // A stride that is no factor of the number of actors: consecutive messages go to different shards, and every actor gets its share.
    const actor = `a-${(seq * 7919) % this.#options.actors}`
    stream.actors.push(actor)
    stream.sentAtMs.push(Date.now())
    const ref = this.#cluster.ref(Account, actor)
    const deposit = { seq, guarantee: stream.guarantee }
    if (stream.guarantee === 'at-most-once') {
      stream.fates.push('untracked')
      ref.tell('deposit', deposit, { guarantee: stream.guarantee })
      return
    }
    stream.fates.push('pending')
    stream.pending++
    ref
      .send('deposit', deposit, { guarantee: stream.guarantee, timeoutMs: this.#options.timeoutMs })
      .then(
        () => 'acknowledged' as const,
        (error: unknown) => this.#failed(stream, error),
      )
      .then((fate) => {
        stream.fates[at] = fate
        stream.pending--
      })
  }

  #failed(stream: Stream, error: unknown): Fate {
    const name = error instanceof Error ? error.message.replace(/\(message .*\)/, '') : String(error)
    const key = name.replace(/account\/a-\d+/, 'account')
    stream.errors.set(key, (stream.errors.get(key) ?? 0) + 1)
    if (error instanceof NotExecutedError) return 'not-executed'
    if (error instanceof DeliveryUnknownError) return 'unknown'
    return 'pending'
  }
}
