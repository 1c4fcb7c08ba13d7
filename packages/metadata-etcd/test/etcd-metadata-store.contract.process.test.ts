// The store on etcd keeps the whole contract against a real server, its clients behind a proxy.

import { readFileSync } from 'node:fs'
import { Backend, faultsOf, Interruptible, reasonToSkip } from '@cajun/backends'
import { metadataStoreContract } from '@cajun/contract-tests'
import { CutProxy } from '@cajun/fault-proxy'
import { afterAll, beforeAll, describe } from 'vitest'
import { EtcdMetadataStore, type EtcdMetadataStoreOptions, etcdCapabilities } from '../src/index.ts'

const auth = { username: 'cajun', password: 'a secret of the test' }

for (const secured of [false, true]) {
  const skip = await reasonToSkip('etcd', { secured })
  const name = secured ? 'etcd over TLS, with authentication' : 'etcd'
  describe.skipIf(skip !== undefined)(skip ?? name, () => {
    let etcd: Backend
    let server: Interruptible
    let access: EtcdMetadataStoreOptions
    beforeAll(async () => {
      etcd = await Backend.start('etcd', secured ? { tls: true, credentials: auth } : {})
      // With authentication on, an empty store would have no users: it can't come back as one that clients may enter.
      server = new Interruptible(etcd, { wipeable: !secured })
      access = etcd.tls === undefined ? {} : { auth, tls: { ca: readFileSync(etcd.tls.certFile) } }
    })
    afterAll(() => etcd?.stop())

    metadataStoreContract({
      name,
      capabilities: etcdCapabilities,
      harness: async () => {
        const { protocol, port } = new URL(etcd.url)
        const proxy = await CutProxy.start(Number(port))
        return {
          store: (client) => new EtcdMetadataStore({ ...client, ...access, endpoints: [`${protocol}//127.0.0.1:${proxy.port}`] }),
          peer: (client) => new EtcdMetadataStore({ ...client, ...access, endpoints: [etcd.url] }),
          ...faultsOf(proxy, server),
        }
      },
    })
  })
}
