// What a user's workload and check see of a simulated cluster: its running nodes, virtual time, seeded randomness.

import type { ActorDefinition, ActorRef, ClusterActorSystem, ProtocolOfDefinition } from '@cajun/core'
import { type RandomStream, streamOf } from './random-streams.ts'
import type { SimulatedCluster, SimulatedNode } from './simulated-cluster.ts'

/** The node on which something was awaited crashed or stopped: its caller is gone with it, and will never know. */
export class NodeGoneError extends Error {
  override readonly name = 'NodeGoneError'
}

export class SimulatedWorld {
  readonly random: RandomStream
  readonly #cluster: SimulatedCluster
  readonly #waiting = new Map<string, Set<(error: Error) => void>>()

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
    this.random = streamOf(cluster.scenario.seed, 'user')
    cluster.onGone = (process) => {
      for (const reject of this.#waiting.get(process.name) ?? []) reject(new NodeGoneError(`${process.nodeId} is gone`))
      this.#waiting.delete(process.name)
    }
  }

  get nowMs(): number {
    return this.#cluster.loop.nowMs
  }

  /** Names of the nodes that run now. */
  get running(): string[] {
    return this.#cluster.nodes.filter((node) => node.system !== undefined).map((node) => node.host.nodeId)
  }

  /** Virtual time: takes none of yours. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#cluster.loop.after(ms, resolve))
  }

  /**
   * Does something on a running node (default: any one, by the seed), as a request that arrived there would. Rejects with
   * {@link NodeGoneError} when the node goes down before it is done: what came of it is as unknown as it is to the caller of a server that died.
   */
  async on<T>(task: (system: ClusterActorSystem) => Promise<T> | T, nodeId?: string): Promise<T> {
    const node = await this.#running(nodeId)
    const { process, system } = node
    if (process === undefined || system === undefined) throw new NodeGoneError(`${node.host.nodeId} is gone`)
    const rejecters = this.#waiting.get(process.name) ?? new Set()
    this.#waiting.set(process.name, rejecters)
    return new Promise<T>((resolve, reject) => {
      const settle = (finish: () => void): void => {
        rejecters.delete(reject)
        finish()
      }
      rejecters.add(reject)
      process.post(() => {
        Promise.resolve()
          .then(() => task(system))
          .then(
            (value) => settle(() => resolve(value)),
            (error: unknown) => settle(() => reject(error)),
          )
      })
    })
  }

  /** As {@link on}, for one actor. */
  with<D extends ActorDefinition, T>(
    definition: D,
    id: string,
    task: (ref: ActorRef<ProtocolOfDefinition<D>>) => Promise<T> | T,
    nodeId?: string,
  ): Promise<T> {
    return this.on((system) => task(system.ref(definition, id)), nodeId)
  }

  async #running(nodeId: string | undefined): Promise<SimulatedNode> {
    for (;;) {
      const up = this.#cluster.nodes.filter((node) => node.system !== undefined && (nodeId === undefined || node.host.nodeId === nodeId))
      if (up.length > 0) return this.random.pick(up)
      await this.sleep(50)
    }
  }
}
