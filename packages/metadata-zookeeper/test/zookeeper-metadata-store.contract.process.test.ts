// The store on ZooKeeper keeps the whole contract against a real server that wants everybody logged in, its clients behind a proxy.

import { reasonToSkip } from '@cajun/backends'
import { metadataStoreContract } from '@cajun/contract-tests'
import { afterAll, beforeAll, describe } from 'vitest'
import { CutProxy } from '../../metadata-memory/test/support/cut-proxy.ts'
import { ZooKeeperMetadataStore, zooKeeperCapabilities } from '../src/index.ts'
import { unhandled } from './support/unhandled.ts'
import { ZooKeeperUnderTest } from './support/zookeeper-under-test.ts'

const skip = await reasonToSkip('zookeeper')
unhandled()

const auth = { username: 'cajun', password: 'a secret of the test' }

describe.skipIf(skip !== undefined)(skip ?? 'ZooKeeper with digest authentication', () => {
  let zookeeper: ZooKeeperUnderTest
  beforeAll(async () => {
    zookeeper = await ZooKeeperUnderTest.start({ credentials: auth })
  })
  afterAll(() => zookeeper?.stop())

  metadataStoreContract({
    name: 'ZooKeeper',
    capabilities: zooKeeperCapabilities,
    harness: async () => {
      const proxy = await CutProxy.start(zookeeper.port)
      return {
        store: (client) => new ZooKeeperMetadataStore({ ...client, auth, endpoints: [`127.0.0.1:${proxy.port}`] }),
        peer: (client) => new ZooKeeperMetadataStore({ ...client, auth, endpoints: [zookeeper.endpoint] }),
        isolate: (direction) => proxy.isolate(direction),
        heal: () => proxy.heal(),
        delayAnswers: (delayMs) => proxy.delayAnswers(delayMs),
        interruptions: zookeeper.interruptions,
        interrupt: (how) => zookeeper.interrupt(how),
        restore: () => zookeeper.restore(),
        [Symbol.asyncDispose]: async () => {
          await zookeeper.restore()
          await proxy[Symbol.asyncDispose]()
        },
      }
    },
  })
})
