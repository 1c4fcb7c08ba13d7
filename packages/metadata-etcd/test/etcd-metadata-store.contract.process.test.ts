// The store on etcd keeps the whole contract against a real server, its clients behind a proxy.

import { reasonToSkip } from '@cajun/backends'
import { metadataStoreContract } from '@cajun/contract-tests'
import { afterAll, beforeAll, describe } from 'vitest'
import { CutProxy } from '../../metadata-memory/test/support/cut-proxy.ts'
import { EtcdMetadataStore, etcdCapabilities } from '../src/index.ts'
import { EtcdUnderTest } from './support/etcd-under-test.ts'
import { unhandled } from './support/unhandled.ts'

const skip = await reasonToSkip('etcd')
unhandled()

const credentials = { username: 'cajun', password: 'a secret of the test' }

for (const secured of [false, true]) {
  const name = secured ? 'etcd over TLS, with authentication' : 'etcd'
  describe.skipIf(skip !== undefined)(skip ?? name, () => {
    let etcd: EtcdUnderTest
    beforeAll(async () => {
      etcd = await EtcdUnderTest.start(secured ? { tls: true, credentials } : {})
    })
    afterAll(() => etcd?.stop())

    metadataStoreContract({
      name,
      capabilities: etcdCapabilities,
      harness: async () => {
        const proxy = await CutProxy.start(etcd.port)
        return {
          store: (client) => new EtcdMetadataStore({ ...client, ...etcd.access, endpoints: [etcd.urlAt(proxy.port)] }),
          peer: (client) => new EtcdMetadataStore({ ...client, ...etcd.access, endpoints: [etcd.url] }),
          isolate: (direction) => proxy.isolate(direction),
          heal: () => proxy.heal(),
          delayAnswers: (delayMs) => proxy.delayAnswers(delayMs),
          interruptions: etcd.interruptions,
          interrupt: (how) => etcd.interrupt(how),
          restore: () => etcd.restore(),
          [Symbol.asyncDispose]: async () => {
            await etcd.restore()
            await proxy[Symbol.asyncDispose]()
          },
        }
      },
    })
  })
}
