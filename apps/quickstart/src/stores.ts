// The metadata stores that a cluster can run on, by name: how their server is started, and how a process opens its own client. An adapter is loaded
// only when it is asked for.

import type { MetadataStore } from '@cajun/core'
import { type RunningServer, type ServerAddress, startServer } from './servers.ts'

interface StoreKind {
  start(): Promise<RunningServer>
  open(server: ServerAddress): Promise<MetadataStore>
}

const kinds = {
  memory: {
    async start() {
      const { MemoryMetadataServer } = await import('@cajun/metadata-memory')
      const server = await MemoryMetadataServer.start()
      return {
        address: { url: server.url, isOurs: true },
        shown: `the embedded store at ${server.url} (in this process)`,
        backend: undefined,
        [Symbol.asyncDispose]: () => server.close(),
      }
    },
    async open({ url }) {
      const { MemoryMetadataStore } = await import('@cajun/metadata-memory')
      return new MemoryMetadataStore({ url })
    },
  },
  etcd: {
    start: () => startServer('etcd', 'etcd'),
    async open({ url }) {
      const { EtcdMetadataStore } = await import('@cajun/metadata-etcd')
      return new EtcdMetadataStore({ endpoints: [url] })
    },
  },
  redis: {
    start: () => startServer('redis', 'Redis'),
    async open({ url, isOurs }) {
      const { RedisMetadataStore } = await import('@cajun/metadata-redis')
      // Ours syncs each write before it answers, and has no replica to fail over to.
      return new RedisMetadataStore({ url, neverLosesWrites: isOurs })
    },
  },
  zookeeper: {
    start: () => startServer('zookeeper', 'ZooKeeper'),
    async open({ url }) {
      const { ZooKeeperMetadataStore } = await import('@cajun/metadata-zookeeper')
      return new ZooKeeperMetadataStore({ endpoints: url.split(',') })
    },
  },
} satisfies Record<string, StoreKind>

export type StoreName = keyof typeof kinds
export const stores: Readonly<Record<StoreName, StoreKind>> = kinds
export const storeNames = Object.keys(kinds) as StoreName[]
