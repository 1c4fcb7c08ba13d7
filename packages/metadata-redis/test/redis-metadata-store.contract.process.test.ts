// The store on Redis keeps the whole contract against a real server, its clients behind a proxy.

import { reasonToSkip } from '@cajun/backends'
import { metadataStoreContract } from '@cajun/contract-tests'
import { afterAll, beforeAll, describe } from 'vitest'
import { CutProxy } from '../../metadata-memory/test/support/cut-proxy.ts'
import { RedisMetadataStore, redisCapabilities, redisCapabilitiesWithoutLoss } from '../src/index.ts'
import { RedisUnderTest } from './support/redis-under-test.ts'
import { unhandled } from './support/unhandled.ts'

const skip = await reasonToSkip('redis')
unhandled()

const credentials = { username: 'cajun', password: 'a secret of the test' }

for (const secured of [false, true]) {
  const name = secured ? 'Redis over TLS, with an ACL, that never loses writes' : 'Redis'
  describe.skipIf(skip !== undefined)(skip ?? name, () => {
    let redis: RedisUnderTest
    beforeAll(async () => {
      redis = await RedisUnderTest.start(secured ? { tls: true, credentials } : {})
    })
    afterAll(() => redis?.stop())

    metadataStoreContract({
      name,
      capabilities: secured ? redisCapabilitiesWithoutLoss : redisCapabilities,
      harness: async () => {
        const proxy = await CutProxy.start(redis.port)
        const options = { redis: redis.access, neverLosesWrites: secured }
        return {
          store: (client) => new RedisMetadataStore({ ...client, ...options, url: redis.urlAt(proxy.port) }),
          peer: (client) => new RedisMetadataStore({ ...client, ...options, url: redis.url }),
          isolate: (direction) => proxy.isolate(direction),
          heal: () => proxy.heal(),
          delayAnswers: (delayMs) => proxy.delayAnswers(delayMs),
          interruptions: redis.interruptions,
          interrupt: (how) => redis.interrupt(how),
          restore: () => redis.restore(),
          [Symbol.asyncDispose]: async () => {
            await redis.restore()
            await proxy[Symbol.asyncDispose]()
          },
        }
      },
    })
  })
}
