// The stores by name: their servers, and clients of them. Servers are started as `@cajun/backends` does: Redis syncs each write, the others none.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Backend, type BackendName, locate } from '@cajun/backends'
import type { MetadataStore } from '@cajun/core/adapter'
import { EtcdMetadataStore } from '@cajun/metadata-etcd'
import { EmbeddedDatabase, MemoryMetadataStore } from '@cajun/metadata-memory'
import { RedisMetadataStore } from '@cajun/metadata-redis'
import { ZooKeeperMetadataStore } from '@cajun/metadata-zookeeper'
import { Unavailable } from '../measure.ts'

const TIMEOUT_MS = 30_000

export interface StoreServer {
  readonly url: string
  close(): Promise<void>
}

interface SharedStore {
  /** Rejects with `Unavailable` when this machine lacks it. */
  serve(): Promise<StoreServer>
  client(url: string): MetadataStore
}

/** Those that several processes can share. */
export const sharedStores: Readonly<Record<string, SharedStore>> = {
  'embedded, loopback': { serve: serveEmbedded, client: (url) => new MemoryMetadataStore({ url }) },
  etcd: { serve: () => serve('etcd'), client: (url) => new EtcdMetadataStore({ endpoints: [url], timeoutMs: TIMEOUT_MS }) },
  redis: { serve: () => serve('redis'), client: (url) => new RedisMetadataStore({ url, timeoutMs: TIMEOUT_MS }) },
  zookeeper: { serve: () => serve('zookeeper'), client: (url) => new ZooKeeperMetadataStore({ endpoints: [url], timeoutMs: TIMEOUT_MS }) },
}

export interface OpenStore {
  readonly store: MetadataStore
  readonly peer: MetadataStore
  close(): Promise<void>
}

/** With two clients each: one that is measured and a peer that watches. */
export const stores: Readonly<Record<string, () => Promise<OpenStore>>> = {
  'embedded, in process': () => {
    const database = new EmbeddedDatabase()
    return opened(
      () => new MemoryMetadataStore({ database }),
      async () => {},
    )
  },
  ...Object.fromEntries(
    Object.entries(sharedStores).map(([name, { serve, client }]) => [
      name,
      async () => {
        const server = await serve()
        return opened(
          () => client(server.url),
          () => server.close(),
        )
      },
    ]),
  ),
}

export function sharedStore(name: string): SharedStore {
  const store = sharedStores[name]
  if (store === undefined) throw new Error(`no store is called '${name}'; there are ${Object.keys(sharedStores).join(', ')}`)
  return store
}

async function serve(name: BackendName): Promise<StoreServer> {
  const location = await locate(name)
  if (!location.available) throw new Unavailable(`${location.reason}. ${location.remedy}`)
  const server = await Backend.start(name)
  return { url: server.url, close: () => server.stop() }
}

async function serveEmbedded(): Promise<StoreServer> {
  const child = spawn(process.execPath, ['--conditions=@cajun/source', new URL('./embedded-server.ts', import.meta.url).pathname], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [url] = await once(child.stdout, 'data')
  return { url: String(url).trim(), close: async () => void child.kill() }
}

async function opened(make: () => MetadataStore, close: () => Promise<void>): Promise<OpenStore> {
  const [store, peer] = [make(), make()]
  await Promise.all([store.open(), peer.open()])
  return {
    store,
    peer,
    async close() {
      await Promise.all([store.close(), peer.close()])
      await close()
    },
  }
}
