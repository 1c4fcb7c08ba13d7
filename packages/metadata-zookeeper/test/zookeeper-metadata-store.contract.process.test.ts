// The store on ZooKeeper keeps the whole contract against a real server that wants everybody logged in, its clients behind a proxy.

import { Backend, faultsOf, Interruptible, reasonToSkip } from '@cajun/backends'
import { metadataStoreContract } from '@cajun/contract-tests'
import { CutProxy } from '@cajun/fault-proxy'
import { afterAll, beforeAll, describe } from 'vitest'
import { ZooKeeperMetadataStore, zooKeeperCapabilities } from '../src/index.ts'

const skip = await reasonToSkip('zookeeper', { secured: true })

const auth = { username: 'cajun', password: 'a secret of the test' }

describe.skipIf(skip !== undefined)(skip ?? 'ZooKeeper with digest authentication', () => {
  let zookeeper: Backend
  let server: Interruptible
  beforeAll(async () => {
    zookeeper = await Backend.start('zookeeper', { credentials: auth })
    server = new Interruptible(zookeeper)
    // The first client of a fresh JVM waits longer than the suite's deadlines allow for.
    await using first = new ZooKeeperMetadataStore({ auth, endpoints: [zookeeper.url], timeoutMs: 20_000 })
    await first.open()
    await first.put('first', 'x')
  })
  afterAll(() => zookeeper?.stop())

  metadataStoreContract({
    name: 'ZooKeeper',
    capabilities: zooKeeperCapabilities,
    harness: async () => {
      const proxy = await CutProxy.start(Number(zookeeper.url.split(':').at(-1)))
      return {
        store: (client) => new ZooKeeperMetadataStore({ ...client, auth, endpoints: [`127.0.0.1:${proxy.port}`] }),
        peer: (client) => new ZooKeeperMetadataStore({ ...client, auth, endpoints: [zookeeper.url] }),
        ...faultsOf(proxy, server),
      }
    },
  })
})
