// The store on Redis keeps the whole contract against a real server, its clients behind a proxy.

import { readFileSync } from 'node:fs'
import { Backend, faultsOf, Interruptible, reasonToSkip } from '@cajun/backends'
import { metadataStoreContract } from '@cajun/contract-tests'
import { CutProxy } from '@cajun/fault-proxy'
import { afterAll, beforeAll, describe } from 'vitest'
import { RedisMetadataStore, type RedisMetadataStoreOptions, redisCapabilities, redisCapabilitiesWithoutLoss } from '../src/index.ts'

const credentials = { username: 'cajun', password: 'a secret of the test' }

for (const secured of [false, true]) {
  const skip = await reasonToSkip('redis', { secured })
  const name = secured ? 'Redis over TLS, with an ACL, that never loses writes' : 'Redis'
  describe.skipIf(skip !== undefined)(skip ?? name, () => {
    let redis: Backend
    let server: Interruptible
    let options: RedisMetadataStoreOptions
    beforeAll(async () => {
      redis = await Backend.start('redis', secured ? { tls: true, credentials } : {})
      server = new Interruptible(redis)
      const { tls } = redis
      options = { neverLosesWrites: secured, redis: tls === undefined ? {} : { ...credentials, tls: { ca: readFileSync(tls.certFile) } } }
    })
    afterAll(() => redis?.stop())

    metadataStoreContract({
      name,
      capabilities: secured ? redisCapabilitiesWithoutLoss : redisCapabilities,
      harness: async () => {
        const { protocol, port } = new URL(redis.url)
        const proxy = await CutProxy.start(Number(port))
        return {
          store: (client) => new RedisMetadataStore({ ...client, ...options, url: `${protocol}//127.0.0.1:${proxy.port}` }),
          peer: (client) => new RedisMetadataStore({ ...client, ...options, url: redis.url }),
          ...faultsOf(proxy, server),
        }
      },
    })
  })
}
