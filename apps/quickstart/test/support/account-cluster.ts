// A cluster of real processes for tests: the servers that it takes, one client that sends and is never touched, and nodes that
// may be killed, frozen or cut off. Everything ends with the test.

import { createServer } from 'node:net'
import type { ClusterHealth, NodeStatus } from '@cajun/core'
import { FaultProxy, type FrameFaults } from '@cajun/fault-proxy'
import { Deployment, type DeploymentChoice, type DeploymentDescription } from '../../src/deployment.ts'
import type { LedgerEntry } from '../../src/ledger.ts'
import type { LoadOptions, LoadReport } from '../../src/load.ts'
import type { NodeHandle } from '../../src/node-handle.ts'
import { NodeProcesses } from '../../src/node-processes.ts'
import { until } from './until.ts'

export const SESSION_TTL_MS = 3_000
/** Of the kind, by default. */
const SHARDS = 256

export interface AccountClusterOptions {
  readonly nodes: readonly string[]
  /** Default: the embedded store and TCP. */
  readonly choice?: DeploymentChoice
  /** Puts a proxy before every process, or between it and the broker: quiet until it is told otherwise. `frames`: what TCP's then do to whole frames. */
  readonly proxied?: { readonly seed: number; readonly frames?: FrameFaults }
}

export class AccountCluster implements AsyncDisposable {
  readonly proxies: FaultProxy[] = []
  readonly nodes = new Map<string, NodeHandle>()
  readonly deployment: Deployment
  readonly #processes = new NodeProcesses()
  readonly #options: AccountClusterOptions
  #client: NodeHandle | undefined

  private constructor(deployment: Deployment, options: AccountClusterOptions) {
    this.deployment = deployment
    this.#options = options
  }

  static async start(options: AccountClusterOptions): Promise<AccountCluster> {
    const cluster = new AccountCluster(await Deployment.start(options.choice ?? { metadata: 'memory', messaging: 'tcp' }), options)
    try {
      await Promise.all(options.nodes.map((nodeId) => cluster.add(nodeId)))
      cluster.#client = await cluster.#startProcess('client', true)
      return cluster
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
  }

  get client(): NodeHandle {
    if (this.#client === undefined) throw new Error('the cluster has not started')
    return this.#client
  }

  node(nodeId: string): NodeHandle {
    const node = this.nodes.get(nodeId)
    if (node === undefined) throw new Error(`no process ${nodeId}`)
    return node
  }

  async add(nodeId: string): Promise<NodeHandle> {
    const node = await this.#startProcess(nodeId, false)
    this.nodes.set(nodeId, node)
    return node
  }

  /** One that hosts accounts, and leads or does not. */
  async nodeThat(role: 'leads' | 'owns and does not lead'): Promise<string> {
    const nodes = await this.#hosts()
    const found = nodes.find((node) => node.isLeader === (role === 'leads'))
    if (found === undefined) throw new Error(`nobody ${role}`)
    return found.nodeId
  }

  /** Waits until the nodes that were added, and no others, own fair shares. */
  async settled(): Promise<void> {
    const fair = Math.floor(SHARDS / this.nodes.size)
    await until(async () => {
      const hosts = await this.#hosts()
      return hosts.length === this.nodes.size && hosts.every((node) => node.units >= fair)
    })
  }

  async #hosts(): Promise<readonly NodeStatus[]> {
    const nodes = await this.client.tell<readonly NodeStatus[]>({ do: 'nodes' })
    return nodes.filter((node) => node.kinds.length > 0)
  }

  /** How every process of it says that it is. */
  health(): Promise<readonly ClusterHealth[]> {
    return Promise.all([this.client, ...this.nodes.values()].map((node) => node.tell<ClusterHealth>({ do: 'health' })))
  }

  /** Ended, and not to be waited for any more. */
  forget(nodeId: string): void {
    this.nodes.delete(nodeId)
  }

  /** Sends a load to its end and returns what the sender knows of it. */
  async startLoad(load: LoadOptions): Promise<void> {
    await this.client.tell({ do: 'start-load', load })
  }

  progress(): Promise<{ readonly sent: number; readonly pending: number }> {
    return this.client.tell({ do: 'progress' })
  }

  /** Waits until so many messages of all guarantees together were sent. */
  async sent(count: number): Promise<void> {
    await until(async () => (await this.progress()).sent >= count, 240_000)
  }

  async finishLoad(): Promise<readonly LoadReport[]> {
    return await this.client.tell<readonly LoadReport[]>({ do: 'finish-load' })
  }

  ledgers(): Promise<ReadonlyMap<string, readonly LedgerEntry[]>> {
    return this.#processes.ledgers()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#processes[Symbol.asyncDispose]()
    await Promise.all(this.proxies.map((proxy) => proxy.close()))
    await this.deployment[Symbol.asyncDispose]()
  }

  async #startProcess(nodeId: string, isClient: boolean): Promise<NodeHandle> {
    return this.#processes.start({
      nodeId,
      clusterId: 'accounts',
      isClient,
      deployment: await this.#throughProxy(this.deployment.description),
      sessionTtlMs: SESSION_TTL_MS,
    })
  }

  async #throughProxy(description: DeploymentDescription): Promise<DeploymentDescription> {
    const { proxied } = this.#options
    if (proxied === undefined) return description
    const { messaging } = description
    const { broker } = messaging
    const port = await freePort()
    const target = broker === undefined ? `127.0.0.1:${port}` : broker.url.replace(/^.*[/@]/, '')
    const proxy = await FaultProxy.listen({
      target,
      seed: proxied.seed + this.proxies.length,
      ...(proxied.frames === undefined ? {} : { frames: proxied.frames }),
    })
    proxy.heal()
    this.proxies.push(proxy)
    const through = broker === undefined ? { via: { port, advertise: proxy.address } } : { through: proxy.address }
    return { ...description, messaging: { ...messaging, ...through } }
  }
}

/** The proxy has to know the port before the process listens on it. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : 0))
    })
  })
}
