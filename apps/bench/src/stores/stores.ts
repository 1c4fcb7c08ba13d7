// The stores by name, each with two clients: one that is measured and a peer that watches. Servers are started as `@cajun/backends` does: Redis syncs
// each write, the others none.

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

export interface OpenStore {
  readonly store: MetadataStore
  readonly peer: MetadataStore
  close(): Promise<void>
}

/** Each rejects with `Unavailable` when this machine lacks its server. */
export const stores: Readonly<Record<string, () => Promise<OpenStore>>> = {
  'embedded, in process': () => {
    const database = new EmbeddedDatabase()
    return opened(
      () => new MemoryMetadataStore({ database }),
      async () => {},
    )
  },
  'embedded, loopback': async () => {
    const child = spawn(process.execPath, ['--conditions=@cajun/source', new URL('./embedded-server.ts', import.meta.url).pathname], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const [url] = await once(child.stdout, 'data')
    return opened(
      () => new MemoryMetadataStore({ url: String(url).trim() }),
      async () => void child.kill(),
    )
  },
  etcd: () => onServer('etcd', (url) => new EtcdMetadataStore({ endpoints: [url], timeoutMs: TIMEOUT_MS })),
  redis: () => onServer('redis', (url) => new RedisMetadataStore({ url, timeoutMs: TIMEOUT_MS })),
  zookeeper: () => onServer('zookeeper', (url) => new ZooKeeperMetadataStore({ endpoints: [url], timeoutMs: TIMEOUT_MS })),
}

async function onServer(name: BackendName, make: (url: string) => MetadataStore): Promise<OpenStore> {
  const location = await locate(name)
  if (!location.available) throw new Unavailable(`${location.reason}. ${location.remedy}`)
  const server = await Backend.start(name)
  return opened(
    () => make(server.url),
    () => server[Symbol.asyncDispose](),
  )
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
