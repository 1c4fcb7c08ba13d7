// How this node is: whether it reaches the store and its peers, since when not, and how long the store has been well enough again for others to
// be declared dead. Asks the store regularly, because an outage that nobody noticed must still count as one.

import type { Runtime } from '../runtime/runtime.ts'
import { BackgroundLoop } from './background-loop.ts'
import type { ClusterEvents } from './cluster-events.ts'

/** `ok`; `degraded`: it works with restrictions that `problems` names; `suspended`: no lease, so no turns run here (but for kinds that go on without). */
export type HealthStatus = 'ok' | 'degraded' | 'suspended'

export interface PeerHealth {
  readonly nodeId: string
  readonly up: boolean
  /** Round trip; absent when it did not answer. */
  readonly roundTripMs?: number
}

export interface ClusterHealth {
  readonly status: HealthStatus
  /** How long it has been so, by this process's clock. */
  readonly forMs: number
  /** In words: what is degraded, and since how many milliseconds. */
  readonly problems: readonly string[]
  readonly store: {
    readonly reachable: boolean
    readonly roundTripMs?: number
    readonly unreachableForMs?: number
    readonly error?: string
  }
  readonly session: { readonly registered: boolean; readonly leaseRemainingMs: number }
  readonly peers: readonly PeerHealth[]
  readonly leader: string | undefined
}

export interface HealthMonitorOptions {
  readonly runtime: Runtime
  readonly events: ClusterEvents
  readonly everyMs: number
  /** From how long on an outage may have cost others their sessions, though they live. */
  readonly outageMs: number
  readonly ping: () => Promise<number>
  /** What else is wrong at the moment. */
  readonly problems: () => readonly string[]
  readonly isSuspended: () => boolean
  /** With each look: the place for slow checks. */
  readonly onLook: () => void
}

export class HealthMonitor {
  readonly #options: HealthMonitorOptions
  readonly #loop: BackgroundLoop
  #storeLostAtMs: number | undefined
  #storeError: unknown
  /** A reading of the lease clock: when the last outage of the store ended. */
  #regainedAtMs = Number.NEGATIVE_INFINITY
  #status: HealthStatus = 'ok'
  #statusSinceMs: number
  #described = ''

  constructor(options: HealthMonitorOptions) {
    this.#options = options
    this.#statusSinceMs = options.runtime.monotonicMs()
    this.#loop = new BackgroundLoop({
      runtime: options.runtime,
      everyMs: options.everyMs,
      longestBackoffMs: options.everyMs,
      run: () => this.#look(),
      onError: () => {},
    })
  }

  start(): void {
    this.#loop.triggerWithin(this.#options.everyMs)
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  get storeIsReachable(): boolean {
    return this.#storeLostAtMs === undefined
  }

  /** When the last long outage of the store ended, on the lease clock; minus infinity: there was none. While one lasts: now. */
  get storeRegainedAtMs(): number {
    return this.storeUnreachableForMs < this.#options.outageMs ? this.#regainedAtMs : this.#options.runtime.leaseMs()
  }

  get storeUnreachableForMs(): number {
    return this.#storeLostAtMs === undefined ? 0 : this.#options.runtime.monotonicMs() - this.#storeLostAtMs
  }

  get storeError(): unknown {
    return this.#storeError
  }

  get status(): HealthStatus {
    return this.#status
  }

  get statusForMs(): number {
    return this.#options.runtime.monotonicMs() - this.#statusSinceMs
  }

  get problems(): readonly string[] {
    return this.#problems()
  }

  /** An operation failed for want of the store, or its outcome is unknown. */
  storeFailed(error: unknown, sinceMs: number): void {
    this.#storeError = error
    if (this.#storeLostAtMs === undefined) {
      this.#storeLostAtMs = sinceMs
      this.#options.events.emit('store-lost', { error })
    }
    this.update()
  }

  storeAnswered(): void {
    if (this.#storeLostAtMs === undefined) return
    const afterMs = this.storeUnreachableForMs
    this.#storeLostAtMs = undefined
    this.#storeError = undefined
    if (afterMs >= this.#options.outageMs) this.#regainedAtMs = this.#options.runtime.leaseMs()
    this.#options.events.emit('store-regained', { afterMs })
    this.update()
  }

  /** Works the status out anew and tells of a change. */
  update(): void {
    const problems = this.#problems()
    const status: HealthStatus = this.#options.isSuspended() ? 'suspended' : problems.length > 0 ? 'degraded' : 'ok'
    const described = `${status}: ${problems.map((problem) => problem.replace(/\d+ ms/, '')).join('; ')}`
    if (described === this.#described || this.#loop.stopped) return
    if (status !== this.#status) this.#statusSinceMs = this.#options.runtime.monotonicMs()
    const isFirst = this.#described === '' && status === 'ok'
    this.#described = described
    this.#status = status
    if (!isFirst) this.#options.events.emit('health-changed', { status, problems })
  }

  #problems(): readonly string[] {
    const problems = [...this.#options.problems()]
    if (this.#storeLostAtMs !== undefined) {
      problems.unshift(
        `the metadata store has not answered for ${Math.round(this.storeUnreachableForMs)} ms: routing goes on, nobody can be appointed`,
      )
    }
    return problems
  }

  async #look(): Promise<void> {
    try {
      await this.#options.ping()
    } catch {
      // Whoever watches the store's answers has been told.
    }
    if (this.#loop.stopped) return
    this.#options.onLook()
    this.update()
  }
}
