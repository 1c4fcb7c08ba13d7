// A cluster of real processes for tests: the store in the test's own process, one client that sends and is never touched, and nodes that
// may be killed, frozen or cut off. Everything ends with the test.

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FaultProxy, type FrameFaults } from '@cajun/fault-proxy'
import { MemoryMetadataServer } from '@cajun/metadata-memory'
import { type LedgerEntry, readLedger } from '../../src/ledger.ts'
import type { LoadOptions, LoadReport } from '../../src/load.ts'
import { NodeHandle } from '../../src/node-handle.ts'

export const SESSION_TTL_MS = 3_000

export interface AccountClusterOptions {
  readonly nodes: readonly string[]
  /** Puts a proxy in front of every process, which does this to whole frames. */
  readonly frameFaults?: { readonly seed: number; readonly faults: FrameFaults }
}

export interface NodeInfo {
  readonly nodeId: string
  readonly isLeader: boolean
}

export class AccountCluster implements AsyncDisposable {
  readonly proxies: FaultProxy[] = []
  readonly nodes = new Map<string, NodeHandle>()
  readonly #folder: string
  readonly #store: MemoryMetadataServer
  readonly #options: AccountClusterOptions
  readonly #started: NodeHandle[] = []
  #client: NodeHandle | undefined

  private constructor(folder: string, store: MemoryMetadataServer, options: AccountClusterOptions) {
    this.#folder = folder
    this.#store = store
    this.#options = options
  }

  static async start(options: AccountClusterOptions): Promise<AccountCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'cajun-accounts-'))
    const cluster = new AccountCluster(folder, await MemoryMetadataServer.start(), options)
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

  async leader(): Promise<string> {
    const nodes = await this.client.tell<readonly NodeInfo[]>({ do: 'nodes' })
    const leader = nodes.find((node) => node.isLeader)
    if (leader === undefined) throw new Error('nobody leads')
    return leader.nodeId
  }

  /** Sends a load to its end and returns what the sender knows of it. */
  async startLoad(load: LoadOptions): Promise<void> {
    await this.client.tell({ do: 'start-load', load })
  }

  /** Waits until so many messages of all guarantees together were sent. */
  async sent(count: number): Promise<void> {
    for (;;) {
      const progress = await this.client.tell<{ sent: number }>({ do: 'progress' })
      if (progress.sent >= count) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async finishLoad(): Promise<readonly LoadReport[]> {
    return await this.client.tell<readonly LoadReport[]>({ do: 'finish-load' })
  }

  async ledgers(): Promise<ReadonlyMap<string, readonly LedgerEntry[]>> {
    const ledgers = new Map<string, readonly LedgerEntry[]>()
    for (const node of this.#started) ledgers.set(node.nodeId, await readLedger(node.ledger))
    return ledgers
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#started.map((node) => node.kill()))
    await Promise.all(this.proxies.map((proxy) => proxy.close()))
    await this.#store.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #startProcess(nodeId: string, isClient: boolean): Promise<NodeHandle> {
    const via = await this.#proxyFor()
    const node = await NodeHandle.start({
      nodeId,
      isClient,
      ledger: join(this.#folder, `${nodeId}.ledger`),
      storeUrl: this.#store.url,
      sessionTtlMs: SESSION_TTL_MS,
      ...(via === undefined ? {} : { via }),
    })
    this.#started.push(node)
    return node
  }

  async #proxyFor(): Promise<{ port: number; advertise: string } | undefined> {
    const { frameFaults } = this.#options
    if (frameFaults === undefined) return undefined
    const port = await freePort()
    const proxy = await FaultProxy.listen({
      target: `127.0.0.1:${port}`,
      seed: frameFaults.seed + this.proxies.length,
      frames: frameFaults.faults,
    })
    this.proxies.push(proxy)
    return { port, advertise: proxy.address }
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
