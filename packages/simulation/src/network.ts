// The simulated network: one direction of a path between two hosts, and what faults do to it. Connections over it are `connection.ts`,
// the transport that core sees is `messaging.ts`.

import { Connection } from './connection.ts'
import type { SimulatedProcess } from './host.ts'
import type { SimulationLoop } from './loop.ts'
import type { Marks } from './marks.ts'
import type { SimulatedMessaging } from './messaging.ts'
import type { RandomStream } from './random-streams.ts'

export interface NetworkProfile {
  readonly latencyMs: number
  /** `false`: as over a broker: frames overtake each other, come twice, and outlive their connection. */
  readonly ordered: boolean
  /** Of a frame, where not `ordered`. */
  readonly duplicateChance: number
  readonly heartbeatTimeoutMs: number
  readonly highWaterBytes: number
  readonly maxFrameBytes: number
}

export const calmNetwork: NetworkProfile = {
  latencyMs: 1,
  ordered: true,
  duplicateChance: 0,
  heartbeatTimeoutMs: 1_000,
  highWaterBytes: 1 << 20,
  maxFrameBytes: 1 << 20,
}

/** However many slow faults add up: what is slower is lost. */
const LONGEST_LATENCY_MS = 1_500

/** From one host to another. Faults nest: two cuts need two mends. */
export class Path {
  cuts = 0
  /** Latency times this. */
  slowness = 1
}

export interface NetworkObserver {
  onFrame?(from: SimulatedProcess, to: SimulatedProcess, frame: Uint8Array, event: 'sent' | 'arrived' | 'lost'): void
}

export class SimulatedNetwork {
  readonly loop: SimulationLoop
  readonly random: RandomStream
  readonly profile: NetworkProfile
  readonly marks: Marks
  readonly connections: Set<Connection> = new Set()
  /** Those of the above that join two hosts, by both their ids in order. */
  readonly #between = new Map<string, Set<Connection>>()
  observer: NetworkObserver | undefined
  readonly #paths = new Map<string, Path>()
  readonly #listening = new Map<string, SimulatedMessaging>()

  constructor(loop: SimulationLoop, random: RandomStream, profile: NetworkProfile, marks: Marks) {
    this.loop = loop
    this.random = random
    this.profile = profile
    this.marks = marks
  }

  path(from: string, to: string): Path {
    const key = `${from}>${to}`
    let path = this.#paths.get(key)
    if (path === undefined) {
      path = new Path()
      this.#paths.set(key, path)
    }
    return path
  }

  latencyMs(from: string, to: string): number {
    return Math.min(LONGEST_LATENCY_MS, this.random.latency(this.profile.latencyMs) * this.path(from, to).slowness)
  }

  // ── Faults ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing gets from one host to the other. What is under way waits; connections end when the silence has lasted for the heartbeat's time-out. */
  cut(from: string, to: string): void {
    this.path(from, to).cuts++
    for (const connection of this.#allBetween(from, to)) connection.checkSilence(from, to)
  }

  mend(from: string, to: string): void {
    const path = this.path(from, to)
    path.cuts = Math.max(0, path.cuts - 1)
    if (path.cuts === 0) for (const connection of this.#allBetween(from, to)) connection.release(from, to)
  }

  /** Every connection between the two breaks; what was under way is lost from some point on. */
  reset(a: string, b: string): void {
    for (const connection of this.#allBetween(a, b)) connection.break('reset')
  }

  healAll(): void {
    // What is still on a slow way would hold up what follows it.
    for (const connection of [...this.connections]) if (connection.isSlow) connection.break('healed')
    for (const [key, path] of this.#paths) {
      path.slowness = 1
      if (path.cuts === 0) continue
      path.cuts = 1
      const [from = '', to = ''] = key.split('>')
      this.mend(from, to)
    }
  }

  paused(process: SimulatedProcess): void {
    for (const connection of [...this.connections]) connection.checkSilenceOf(process)
  }

  crashed(process: SimulatedProcess, silent: boolean): void {
    for (const messaging of [...this.#listening.values()]) if (messaging.process === process) this.#listening.delete(messaging.nodeId)
    for (const connection of [...this.connections]) connection.crashed(process, silent)
  }

  // ── Transports ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  listen(messaging: SimulatedMessaging): void {
    this.#listening.set(messaging.nodeId, messaging)
  }

  unlisten(messaging: SimulatedMessaging): void {
    if (this.#listening.get(messaging.nodeId) === messaging) this.#listening.delete(messaging.nodeId)
  }

  /** Who listens at that address now. */
  at(nodeId: string): SimulatedMessaging | undefined {
    return this.#listening.get(nodeId)
  }

  opened(connection: Connection): void {
    this.connections.add(connection)
    const key = pairOf(connection.hosts)
    const known = this.#between.get(key)
    if (known === undefined) this.#between.set(key, new Set([connection]))
    else known.add(connection)
  }

  forgotten(connection: Connection): void {
    this.connections.delete(connection)
    const key = pairOf(connection.hosts)
    const known = this.#between.get(key)
    known?.delete(connection)
    if (known?.size === 0) this.#between.delete(key)
  }

  /** In order of opening. */
  #allBetween(a: string, b: string): readonly Connection[] {
    return [...(this.#between.get(pairOf([a, b])) ?? [])]
  }

  connectionBetween(a: SimulatedMessaging, b: SimulatedMessaging): Connection | undefined {
    return this.#allBetween(a.nodeId, b.nodeId).find((connection) => connection.isBetween(a, b) && !connection.isBroken)
  }

  establish(dialler: SimulatedMessaging, acceptor: SimulatedMessaging): void {
    new Connection(this, dialler, acceptor).open()
  }
}

function pairOf([a, b]: readonly [string, string]): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}
