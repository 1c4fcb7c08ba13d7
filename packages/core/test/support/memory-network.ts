// A network in memory for tests: systems attach to a hub, frames travel as copies in later turns of the event loop, connections are
// made, lost and made again as the contract of MessagingSystem says. The hub can cut ways, drop connections, freeze a process, stall a
// reader; and, where a test wants a network that is worse than the contract allows, lose, repeat and reorder frames by a seeded random.

import type { LocalIdentity } from '../../src/messaging/messaging-system.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { MemoryConnection } from './memory-connection.ts'
import { MemoryMessagingSystem } from './memory-messaging-system.ts'

export { MemoryMessagingSystem } from './memory-messaging-system.ts'

export interface MemoryNetworkOptions {
  /** Default of the systems that `open` makes. */
  readonly runtime: Runtime
  /** Of the fault decisions. Default 1. */
  readonly seed?: number
  /** Default 4 MiB. */
  readonly maxFrameBytes?: number
  /** Default 1 MiB. */
  readonly highWaterMarkBytes?: number
  /** After how long a cut or frozen peer is found. Default 1,000. */
  readonly heartbeatTimeoutMs?: number
  /** One-way travel time of a frame. Default 0: the next turn of the event loop. */
  readonly latencyMs?: number
}

/** Chances per frame. Anything above zero breaks the contract on purpose: frames vanish, repeat or overtake while the peer stays up. */
export interface FrameFaults {
  lose: number
  repeat: number
  reorder: number
}

export class MemoryNetwork {
  readonly options: Required<MemoryNetworkOptions>
  readonly faults: FrameFaults = { lose: 0, repeat: 0, reorder: 0 }
  readonly #listening = new Map<string, MemoryMessagingSystem>()
  readonly #connections = new Set<MemoryConnection>()
  readonly #cuts = new Set<string>()
  readonly #stalls = new Set<string>()
  readonly #attempts = new Map<string, number>()
  #randomState: number
  #nextAddress = 1

  constructor(options: MemoryNetworkOptions) {
    this.options = { seed: 1, maxFrameBytes: 4 << 20, highWaterMarkBytes: 1 << 20, heartbeatTimeoutMs: 1_000, latencyMs: 0, ...options }
    this.#randomState = this.options.seed
  }

  /** A system that is not started yet. `address` as another one's makes `start` reject: the port is taken. */
  open(options: { readonly runtime?: Runtime; readonly address?: string } = {}): MemoryMessagingSystem {
    return new MemoryMessagingSystem(this, options.runtime ?? this.options.runtime, options.address ?? `memory:${this.#nextAddress++}`)
  }

  /** From now on nothing gets from one node to the other; what is on the way waits. The connection is found dead after `heartbeatTimeoutMs`. */
  cutOneWay(from: string, to: string): void {
    this.#cuts.add(way(from, to))
    for (const connection of this.#between(from, to)) connection.watchSilence()
  }

  cut(a: string, b: string): void {
    this.cutOneWay(a, b)
    this.cutOneWay(b, a)
  }

  restore(a: string, b: string): void {
    this.#cuts.delete(way(a, b))
    this.#cuts.delete(way(b, a))
    for (const connection of this.#between(a, b)) connection.pump()
  }

  /** The receiver reads nothing, but lives: frames of this way pile up at the sender, heartbeats go through. */
  stall(from: string, to: string): void {
    this.#stalls.add(way(from, to))
  }

  unstall(from: string, to: string): void {
    this.#stalls.delete(way(from, to))
    for (const connection of this.#between(from, to)) connection.pump()
  }

  /** The connection between two nodes breaks at once, with what was on the way; both sides make a new one. */
  drop(a: string, b: string): void {
    for (const connection of this.#between(a, b)) connection.break(new Error('the connection was dropped by the test network'))
  }

  /** Malformed bytes from one node to the other: the receiver gives the connection up and says so. */
  garble(from: string, to: string): void {
    for (const connection of this.#between(from, to)) connection.garbled(from)
  }

  /** Malformed bytes from a stranger. */
  intrude(address: string): void {
    this.at(address)?.malformed(undefined)
  }

  /** The process stands still (SIGSTOP): it hears and says nothing, and its handlers run only after `thaw`. */
  freeze(nodeId: string): void {
    for (const system of this.#listening.values()) if (system.local?.nodeId === nodeId) system.freeze()
    for (const connection of this.#connections) if (connection.joins(nodeId)) connection.watchSilence()
  }

  thaw(nodeId: string): void {
    for (const system of this.#listening.values()) if (system.local?.nodeId === nodeId) system.thaw()
    for (const connection of this.#connections) if (connection.joins(nodeId)) connection.pump()
  }

  /** The process is gone without a word (SIGKILL): its handlers are never called again, its peers see the connection reset. */
  crash(nodeId: string): void {
    for (const system of [...this.#listening.values()]) if (system.local?.nodeId === nodeId) system.crash()
  }

  /** How many connections between two nodes exist. */
  connections(a: string, b: string): number {
    return this.#between(a, b).length
  }

  /** How many times `from` has tried to connect to `to`. */
  attempts(from: string, to: string): number {
    return this.#attempts.get(way(from, to)) ?? 0
  }

  // What follows is for the systems and connections of this network.

  attempted(from: string, to: string): void {
    this.#attempts.set(way(from, to), this.attempts(from, to) + 1)
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(way(from, to))
  }

  isStalled(from: string, to: string): boolean {
    return this.#stalls.has(way(from, to))
  }

  chance(probability: number): boolean {
    return probability > 0 && this.random() < probability
  }

  /** mulberry32: seeded, so that a failing test can be repeated. */
  random(): number {
    this.#randomState = (this.#randomState + 0x6d2b79f5) | 0
    let t = Math.imul(this.#randomState ^ (this.#randomState >>> 15), 1 | this.#randomState)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  listen(address: string, system: MemoryMessagingSystem): boolean {
    if (this.#listening.has(address)) return false
    this.#listening.set(address, system)
    return true
  }

  unlisten(address: string): void {
    this.#listening.delete(address)
  }

  at(address: string): MemoryMessagingSystem | undefined {
    return this.#listening.get(address)
  }

  join(dialer: MemoryMessagingSystem, acceptor: MemoryMessagingSystem): MemoryConnection {
    const connection = new MemoryConnection(this, dialer, acceptor, () => this.#connections.delete(connection))
    this.#connections.add(connection)
    return connection
  }

  /** Connections between processes of these two nodes. */
  #between(a: string, b: string): MemoryConnection[] {
    return [...this.#connections].filter((connection) => connection.joins(a) && connection.joins(b))
  }
}

function way(from: string, to: string): string {
  return `${from} ${to}`
}

/** An identity for tests: process ids that say whose they are. */
export function testIdentity(nodeId: string, incarnation = 1, clusterId = 'test'): LocalIdentity {
  return { clusterId, nodeId, processId: `${nodeId}-process-${incarnation}` }
}
