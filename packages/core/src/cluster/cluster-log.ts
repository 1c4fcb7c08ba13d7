// What an operator reads: outages and their ends at `warn`, the coming and going of nodes and leaders at `info`, and nothing again and again.
// A background task that fails at each attempt is told once, and once a minute after that.

import type { Logger } from '../actor/logger.ts'
import { ProtocolError } from '../errors.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { ClusterEvents } from './cluster-events.ts'

const REPEAT_AFTER_MS = 60_000
/** Told problems that are remembered; they are few, but their words may hold numbers. */
const MAX_REMEMBERED = 256

export class ClusterLog {
  readonly #logger: Logger
  readonly #runtime: Runtime
  readonly #told = new Map<string, { readonly atMs: number; unsaid: number }>()
  /** Processes that could not be reached, and whether an operator was told. */
  readonly #unreachable = new Set<string>()

  constructor(logger: Logger, runtime: Runtime) {
    this.#logger = logger
    this.#runtime = runtime
  }

  /** A background task failed and will be tried again. */
  problem(what: string, error: unknown): void {
    const text = wordsOf(error)
    const key = `${what}: ${text}`
    const nowMs = this.#runtime.monotonicMs()
    const told = this.#told.get(key)
    if (told !== undefined && nowMs - told.atMs < REPEAT_AFTER_MS) {
      told.unsaid++
      return
    }
    if (this.#told.size >= MAX_REMEMBERED) this.#told.clear()
    this.#told.set(key, { atMs: nowMs, unsaid: 0 })
    this.#logger.warn(what, { error: text, ...(told === undefined || told.unsaid === 0 ? {} : { repeated: told.unsaid }) })
  }

  /**
   * The transport has met an error. Told once until that process is connected: why the fifth attempt failed helps nobody. Of a node that is not registered any
   * more nobody expects an answer.
   */
  transportFailed(error: Error, peer: PeerId | undefined, isRegistered: boolean): void {
    if (peer === undefined) return this.problem('the messaging system met an error', error)
    if (error instanceof ProtocolError)
      return this.problem(`node '${peer.nodeId}' sent what the protocol does not know; its connection is closed`, error)
    const level = isRegistered && !this.#unreachable.has(peer.processId) ? 'warn' : 'debug'
    if (level === 'warn') this.#unreachable.add(peer.processId)
    this.#logger[level](`node '${peer.nodeId}' can't be reached; it is tried again`, { error: error.message })
  }

  peerUp(peer: PeerId): void {
    if (this.#unreachable.delete(peer.processId)) this.#logger.warn(`node '${peer.nodeId}' is reached again`)
  }

  /** Tells of what happens until the node stops. */
  follow(events: ClusterEvents): void {
    const log = this.#logger
    let suspendedAtMs: number | undefined
    events.on('node-joined', ({ nodeId, processId }) => log.info(`node '${nodeId}' joined`, { processId }))
    events.on('node-left', ({ nodeId, processId }) => {
      this.#unreachable.delete(processId)
      log.info(`node '${nodeId}' left, or its session ended`, { processId })
    })
    events.on('leader-changed', ({ nodeId }) => log.info(nodeId === undefined ? 'nobody leads' : `node '${nodeId}' leads`))
    events.on('store-lost', ({ error }) =>
      log.warn('the metadata store does not answer: routing goes on, nobody can be appointed', { error: wordsOf(error) }),
    )
    events.on('store-regained', ({ afterMs }) => log.warn('the metadata store answers again', { afterMs: Math.round(afterMs) }))
    events.on('suspended', ({ reason }) => {
      suspendedAtMs = this.#runtime.monotonicMs()
      log.warn('the session is over; actors are suspended until this node is registered again', { reason })
    })
    events.on('resumed', () => {
      if (suspendedAtMs === undefined) return
      log.warn('this node is registered again', { afterMs: Math.round(this.#runtime.monotonicMs() - suspendedAtMs) })
      suspendedAtMs = undefined
    })
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
