// One watch on its way from the server to a process: it lags, bundles changes, breaks, and begins again with a snapshot.

import type { Change, WatchSink } from '@cajun/core/adapter'
import type { SimulatedProcess } from './host.ts'
import type { SimulatedStore } from './store.ts'

export class WatchStream {
  readonly process: SimulatedProcess
  readonly #store: SimulatedStore
  readonly #prefix: string
  readonly #sink: WatchSink
  #unfollow: (() => void) | undefined
  #waiting: Change[] = []
  #lastArrivalMs = 0
  #closed = false
  #synchronising = false
  /** Begins anew with each break: what an earlier connection carried is not delivered any more. */
  #connection = 0
  whenBegun: (() => void) | undefined

  constructor(store: SimulatedStore, process: SimulatedProcess, prefix: string, sink: WatchSink) {
    this.#store = store
    this.process = process
    this.#prefix = prefix
    this.#sink = sink
  }

  get isInterrupted(): boolean {
    return !this.#closed && this.#unfollow === undefined && !this.#synchronising
  }

  interrupt(): void {
    if (this.#unfollow === undefined) return
    this.#unfollow()
    this.#unfollow = undefined
    this.#waiting = []
    this.#connection++
  }

  /** It had begun, and hears nothing now. */
  get hasGap(): boolean {
    return !this.#closed && this.#unfollow === undefined && this.whenBegun === undefined && !this.process.isCrashed
  }

  close(): void {
    this.interrupt()
    this.#closed = true
  }

  /** Asks for a snapshot and what follows it, until it gets through. */
  synchronise(): void {
    if (this.#closed || this.#synchronising) return
    this.#synchronising = true
    const { loop, random } = this.#store
    loop.after(random.latency(this.#store.profile.latencyMs), () => {
      this.#synchronising = false
      if (this.#sink.closed) this.close()
      if (this.#closed || this.process.isCrashed || !this.#isFed()) return
      const { entries, stop } = this.#store.follow(this.#prefix, (change) => this.#changed(change))
      this.#unfollow = stop
      this.#deliver(() => {
        const isFirst = this.whenBegun !== undefined
        if (!isFirst) this.#store.marks.reach('watch gap ended with a snapshot')
        this.#sink.snapshot(entries)
        this.whenBegun?.()
        this.whenBegun = undefined
      })
    })
  }

  #changed(change: Change): void {
    if (this.#waiting.push(change) > 1) return
    this.#deliver(() => {
      const changes = this.#waiting
      this.#waiting = []
      this.#sink.changes(changes)
    })
  }

  /** In order, some time later, if the connection still is the same and nothing is cut then. */
  #deliver(deliver: () => void): void {
    const { loop } = this.#store
    const connection = this.#connection
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, loop.nowMs + this.#store.watchLagMs(this.process.nodeId))
    loop.at(this.#lastArrivalMs, () => {
      if (this.#closed || connection !== this.#connection) return
      if (!this.#isFed()) {
        this.#store.marks.reach('watch lost changes')
        this.interrupt()
        return
      }
      this.process.post(() => {
        if (!this.#closed && connection === this.#connection) deliver()
      })
    })
  }

  #isFed(): boolean {
    return this.#store.canFeed(this.process.nodeId)
  }
}
