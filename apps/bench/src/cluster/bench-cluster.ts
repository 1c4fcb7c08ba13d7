// A cluster of real processes for the cluster suites: a store, a client that hosts nothing in the driver's own process, hosts beside it.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type ActorRef, ClusterActorSystem, ConsoleLogger, clusterDefaults } from '@cajun/core'
import { TcpMessagingSystem } from '@cajun/messaging-tcp'
import { type StoreServer, sharedStore } from '../stores/stores.ts'
import { Counter } from './counter.ts'

const SETTLED_WITHIN_MS = 30_000

export class BenchCluster {
  readonly client: ClusterActorSystem
  readonly hosts = new Map<string, ChildProcess>()
  readonly #store: string
  readonly #server: StoreServer
  readonly #ttlMs: number

  private constructor(store: string, server: StoreServer, client: ClusterActorSystem, ttlMs: number) {
    this.#store = store
    this.#server = server
    this.client = client
    this.#ttlMs = ttlMs
  }

  /** `store`: a name in `sharedStores`. */
  static async start(ttlMs: number, store = 'embedded, loopback'): Promise<BenchCluster> {
    const { serve, client: storeClient } = sharedStore(store)
    const server = await serve()
    const client = await ClusterActorSystem.start({
      clusterId: 'bench',
      nodeId: 'client',
      hosts: [],
      metadata: storeClient(server.url),
      acceptUnfencedStore: true,
      messaging: new TcpMessagingSystem({ port: 0 }),
      actors: [Counter],
      strict: false,
      sessionTtlMs: ttlMs,
      logger: new ConsoleLogger('error'),
    })
    return new BenchCluster(store, server, client, ttlMs)
  }

  counter(id: string): ActorRef {
    return this.client.ref(Counter, id)
  }

  /** Resolves when the node has its share of the shards. */
  async add(nodeId: string): Promise<void> {
    const host = fork(new URL('./node-process.ts', import.meta.url), [nodeId, this.#store, this.#server.url, String(this.#ttlMs)], {
      execArgv: ['--conditions=@cajun/source', '--disable-warning=ExperimentalWarning'],
    })
    this.hosts.set(nodeId, host)
    await once(host, 'message')
    await this.whenBalanced()
  }

  /** Resolves when every host has a fair share (less one) of the shards. */
  async whenBalanced(): Promise<void> {
    const fair = Math.floor(clusterDefaults.shardCount / this.hosts.size) - 1
    for (const deadline = performance.now() + SETTLED_WITHIN_MS; performance.now() < deadline; await pause()) {
      const owned = new Map<string, number>()
      for (const { nodeId, units } of await this.client.manager.nodes()) owned.set(nodeId, units)
      if ([...this.hosts.keys()].every((nodeId) => (owned.get(nodeId) ?? 0) >= fair)) return
    }
    throw new Error(`${[...this.hosts.keys()].join(', ')} did not share the shards within ${SETTLED_WITHIN_MS / 1_000} s`)
  }

  /** One of so many actors that lives on this node. */
  async actorOn(nodeId: string): Promise<string> {
    for (let n = 0; n < 1_000; n++) {
      const location = await this.client.manager.whereIs(Counter, `a-${n}`)
      if (location.nodeId === nodeId) return `a-${n}`
    }
    throw new Error(`no actor lives on ${nodeId}`)
  }

  async kill(nodeId: string): Promise<void> {
    const host = this.hosts.get(nodeId)
    this.hosts.delete(nodeId)
    if (host === undefined || host.exitCode !== null) return
    const exited = once(host, 'exit')
    host.kill('SIGKILL')
    await exited
  }

  async close(): Promise<void> {
    for (const nodeId of [...this.hosts.keys()]) await this.kill(nodeId)
    await this.client.stop({ drain: false })
    await this.#server.close()
  }
}

export const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))
