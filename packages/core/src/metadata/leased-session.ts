// A session as every adapter has it: renewed each third of its TTL, and twice as often while no answer comes; judged by our own clock and never by the
// client library's.
// Owns when a session counts as lost; how it is renewed and ended at the server is the adapter's.
//
//   live ──close()──────────────────────────────> closed
//    └──safeUntil passed, or the server says so──> lost

import { SessionLostError } from '../errors.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { Session } from './session.ts'

/** What the server granted, and the reading of `runtime.leaseMs()` taken *before* the request for it was sent. */
export interface Grant {
  readonly ttlMs: number
  readonly sentAtMs: number
}

export interface SessionOperations {
  /** Settles within `timeoutMs`. `undefined`: the server says that the session has ended. */
  renew(id: string, timeoutMs: number): Promise<Grant | undefined>
  /** Ends it at the server; settles within `timeoutMs`. Rejects when the server can't be reached. */
  end(id: string, timeoutMs: number): Promise<void>
  /** The session is lost or closed: called once, synchronously, before `end`. */
  over(session: LeasedSession): void
}

export class LeasedSession implements Session {
  readonly id: string
  readonly ttlMs: number
  readonly #runtime: Runtime
  readonly #operations: SessionOperations
  readonly #lost = new AbortController()
  #state: 'live' | 'closed' | 'lost' = 'live'
  #safeUntilMs: number
  #renewal: Timer | undefined
  #deadline: Timer | undefined
  #ending: Promise<void> | undefined

  constructor(runtime: Runtime, id: string, grant: Grant, operations: SessionOperations) {
    this.#runtime = runtime
    this.id = id
    this.ttlMs = grant.ttlMs
    this.#operations = operations
    this.#safeUntilMs = grant.sentAtMs + grant.ttlMs
    this.#scheduleRenewal(this.ttlMs / 3)
    this.#watchDeadline()
  }

  get live(): boolean {
    return this.#state === 'live'
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  safeUntil(): number {
    return this.#safeUntilMs
  }

  close(): Promise<void> {
    if (this.#state === 'live') {
      this.#stop('closed')
      this.#ending = this.#end()
    }
    return this.#ending ?? Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * The next one is due a sixth of the TTL after this, whether it is answered or not: a request that hangs on a dead connection must not keep the next one,
   * on a new connection, from being sent. A prompt answer puts it off, to a third after what was answered. So no outage of up to half a TTL costs a session.
   */
  #scheduleRenewal(inMs: number): void {
    this.#renewal?.cancel()
    this.#renewal = this.#runtime.setTimer(() => {
      const restMs = this.#safeUntilMs - this.#runtime.leaseMs()
      if (restMs <= 0) return this.#lose('was not renewed in time')
      this.#scheduleRenewal(this.ttlMs / 6)
      void this.#renew(restMs)
    }, inMs)
  }

  async #renew(timeoutMs: number): Promise<void> {
    let grant: Grant | undefined
    try {
      grant = await this.#operations.renew(this.id, timeoutMs)
    } catch {
      return // unreachable: later ticks try again, and the deadline decides
    }
    if (this.#state !== 'live') return
    if (grant === undefined) return this.#lose('was ended by the store')
    this.#safeUntilMs = Math.max(this.#safeUntilMs, grant.sentAtMs + grant.ttlMs)
    const nextInMs = grant.sentAtMs + this.ttlMs / 3 - this.#runtime.leaseMs()
    if (nextInMs > 0) this.#scheduleRenewal(nextInMs)
  }

  #watchDeadline(): void {
    const restMs = this.#safeUntilMs - this.#runtime.leaseMs()
    if (restMs <= 0) this.#lose('was not renewed in time')
    else this.#deadline = this.#runtime.setTimer(() => this.#watchDeadline(), restMs)
  }

  #lose(how: string): void {
    if (this.#state !== 'live') return
    this.#stop('lost')
    // Lost for us is not yet ended at the server, where others wait for its keys to vanish. If it can't be told, its TTL does it.
    this.#ending = this.#end()
    this.#lost.abort(new SessionLostError(`session ${this.id} (TTL ${this.ttlMs} ms) ${how}`))
  }

  #stop(state: 'closed' | 'lost'): void {
    this.#state = state
    this.#renewal?.cancel()
    this.#deadline?.cancel()
    this.#operations.over(this)
  }

  async #end(): Promise<void> {
    try {
      await this.#operations.end(this.id, this.ttlMs)
    } catch {
      // Not reachable. Nobody renews it any more: the server ends it by its TTL.
    }
  }
}
