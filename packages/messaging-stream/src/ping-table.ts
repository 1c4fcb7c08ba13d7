// Pings that were asked for by `ping()` and wait for their answer. Heartbeats have id 0 and nobody waits for them.

import { type Runtime, type Timer, TransportError } from '@cajun/core/adapter'
import type { Connection } from './connection.ts'
import type { ResolvedConnectionOptions } from './connection-options.ts'

interface Pending {
  readonly nodeId: string
  readonly sentMs: number
  readonly late: Timer
  readonly resolve: (roundTripMs: number) => void
  readonly reject: (error: Error) => void
}

export class PingTable {
  readonly #runtime: Runtime
  readonly #timeoutMs: number
  readonly #pending = new Map<number, Pending>()
  #lastId = 0

  constructor(options: ResolvedConnectionOptions) {
    this.#runtime = options.runtime
    this.#timeoutMs = options.heartbeatTimeoutMs
  }

  ping(nodeId: string, connection: Connection): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#lastId = (this.#lastId % 0xffff_ffff) + 1
      const id = this.#lastId
      const late = this.#runtime.setTimer(
        () => this.#fail(id, `no answer within ${this.#timeoutMs} ms (option heartbeatTimeoutMs)`),
        this.#timeoutMs,
      )
      this.#pending.set(id, { nodeId, sentMs: this.#runtime.monotonicMs(), late, resolve, reject })
      connection.ping(id)
    })
  }

  answered(id: number): void {
    const pending = this.#take(id)
    pending?.resolve(this.#runtime.monotonicMs() - pending.sentMs)
  }

  peerDown(nodeId: string): void {
    for (const [id, pending] of this.#pending) if (pending.nodeId === nodeId) this.#fail(id, 'the peer went down')
  }

  stop(): void {
    for (const id of this.#pending.keys()) this.#fail(id, 'this messaging system was stopped')
  }

  #fail(id: number, problem: string): void {
    const pending = this.#take(id)
    pending?.reject(new TransportError(`ping of node '${pending.nodeId}': ${problem}`))
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    if (pending === undefined) return undefined
    this.#pending.delete(id)
    pending.late.cancel()
    return pending
  }
}
