// A whole cluster in one process for tests: real nodes on the embedded store and the test network, in manual time.

import { onTestFinished } from 'vitest'
import { EmbeddedDatabase, LinkFaults, MemoryMetadataStore } from '../../../metadata-memory/src/index.ts'
import type { ActorDefinition } from '../../src/actor/definition.ts'
import { ClusterActorSystem } from '../../src/cluster/cluster-actor-system.ts'
import type { ClusterOptions } from '../../src/cluster/cluster-options.ts'
import { PROTOCOL, type ProtocolRange } from '../../src/messaging/protocol-version.ts'
import { ManualRuntime } from './manual-runtime.ts'
import { MemoryNetwork } from './memory-network.ts'

export const TTL_MS = 3_000

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

export interface TestNode {
  readonly system: ClusterActorSystem
  readonly storeFaults: LinkFaults
  readonly warnings: string[]
}

type StartWithProtocol = (options: ClusterOptions, protocol: ProtocolRange) => Promise<ClusterActorSystem>

export class MemoryCluster {
  readonly runtime = new ManualRuntime()
  readonly database: EmbeddedDatabase = new EmbeddedDatabase({ runtime: this.runtime })
  readonly network: MemoryNetwork
  readonly nodes = new Map<string, TestNode>()
  readonly #storeFaults = new Map<string, LinkFaults>()
  readonly #actors: readonly ActorDefinition[]
  readonly #options: Partial<ClusterOptions>

  constructor(actors: readonly ActorDefinition[], options: Partial<ClusterOptions> = {}) {
    this.network = new MemoryNetwork({ runtime: this.runtime })
    this.#actors = actors
    this.#options = options
    onTestFinished(() => this.stopAll())
  }

  /** `protocol`: of a made-up release. */
  async start(nodeId: string, options: Partial<ClusterOptions> = {}, protocol: ProtocolRange = PROTOCOL): Promise<ClusterActorSystem> {
    const storeFaults = new LinkFaults()
    this.#storeFaults.set(nodeId, storeFaults)
    const warnings: string[] = []
    const note = (message: string, fields?: object): void => void warnings.push(`${message} ${JSON.stringify(fields)}`)
    const starting = (ClusterActorSystem.start as StartWithProtocol)(
      {
        nodeId,
        metadata: new MemoryMetadataStore({
          database: this.database,
          runtime: this.runtime,
          faults: storeFaults,
          timeoutMs: 1_000,
          onError: () => {},
        }),
        messaging: this.network.open({ runtime: this.runtime }),
        actors: this.#actors,
        shardCount: 16,
        sessionTtlMs: TTL_MS,
        runtime: this.runtime,
        logger: { ...quiet, warn: note, error: note },
        ...this.#options,
        ...options,
      },
      protocol,
    )
    const system = await this.settled(starting, 20_000)
    this.nodes.set(nodeId, { system, storeFaults, warnings })
    return system
  }

  /** As if its process had been killed: neither store nor network hear of it again. */
  crash(nodeId: string): void {
    this.#storeFaults.get(nodeId)?.isolate()
    this.network.crash(nodeId)
  }

  /** What the promise settles to, while time passes: at most `withinMs`. */
  async settled<T>(promise: Promise<T>, withinMs = 10_000): Promise<T> {
    let over = false
    promise.then(
      () => {
        over = true
      },
      () => {
        over = true
      },
    )
    for (let ms = 0; !over && ms < withinMs; ms += 20) await this.runtime.advanceAndSettle(20)
    if (!over) throw new Error(`nothing came within ${withinMs} ms`)
    return promise
  }

  pass(ms: number): Promise<void> {
    return this.runtime.advanceAndSettle(ms)
  }

  async until(holds: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<number> {
    const from = this.runtime.nowMs
    for (; this.runtime.nowMs - from < withinMs; await this.pass(20)) if (await holds()) return this.runtime.nowMs - from
    throw new Error(`it did not come about within ${withinMs} ms`)
  }

  /** How many shards each node owns, by the documents that one node knows. */
  async units(by: ClusterActorSystem): Promise<Record<string, number>> {
    const nodes = await this.settled(by.manager.nodes())
    return Object.fromEntries(nodes.map((node) => [node.nodeId, node.units]))
  }

  async stopAll(): Promise<void> {
    for (const { storeFaults } of this.nodes.values()) storeFaults.heal()
    const stops = [...this.nodes.values()].map(({ system }) => system.stop({ drain: false }))
    await this.settled(Promise.all(stops), 60_000)
  }
}
