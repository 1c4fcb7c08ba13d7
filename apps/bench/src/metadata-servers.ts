// The stores on real servers over loopback, as `@cajun/backends` starts them: Redis syncs each write, etcd none. The figures of their READMEs come from here.
//   node --conditions=@cajun/source apps/bench/src/metadata-servers.ts [redis] [etcd]

import { Backend, locate } from '@cajun/backends'
import type { MetadataStore } from '@cajun/core/adapter'
import { EtcdMetadataStore } from '@cajun/metadata-etcd'
import { RedisMetadataStore } from '@cajun/metadata-redis'
import { benchMetadataStore, printLatencies } from './metadata-store-bench.ts'

const TIMEOUT_MS = 30_000
const stores = {
  redis: (url: string): MetadataStore => new RedisMetadataStore({ url, timeoutMs: TIMEOUT_MS }),
  etcd: (url: string): MetadataStore => new EtcdMetadataStore({ endpoints: [url], timeoutMs: TIMEOUT_MS }),
} as const

type StoreName = keyof typeof stores

async function bench(name: StoreName): Promise<void> {
  const location = await locate(name)
  if (!location.available) {
    console.log(`\n${name}: skipped, ${location.reason}. ${location.remedy}`)
    return
  }
  await using server = await Backend.start(name)
  await using store = stores[name](server.url)
  await using peer = stores[name](server.url)
  await Promise.all([store.open(), peer.open()])
  printLatencies(`${name}, from ${server.source}`, await benchMetadataStore(store, peer))
}

const names = process.argv.slice(2)
for (const name of names.length > 0 ? names : Object.keys(stores)) {
  if (!(name in stores)) throw new Error(`no store is called '${name}'; there are ${Object.keys(stores).join(', ')}`)
  await bench(name as StoreName)
}
