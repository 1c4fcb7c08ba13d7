// Options of the store on Redis: what is wrong is named, and secrets are not.

import { ConfigError } from '@cajun/core/adapter'
import { expect, test } from 'vitest'
import { RedisMetadataStore } from '../src/index.ts'
import { resolveRedisOptions } from '../src/options.ts'

test('wrong options are refused by name', () => {
  expect(() => new RedisMetadataStore({ url: 'http://127.0.0.1' })).toThrow(/url is 'http:/)
  expect(() => new RedisMetadataStore({ namespace: 'a b' })).toThrow(/namespace is 'a b'/)
  expect(() => new RedisMetadataStore({ keepAliveMs: 1 })).toThrow(/keepAliveMs is 1/)
  expect(() => new RedisMetadataStore({ logLength: 0.5 })).toThrow(ConfigError)
})

test('the endpoint named in errors holds no secret', () => {
  const { endpoint, connection } = resolveRedisOptions({ url: 'rediss://me:se%20cret@redis.example:7000/3' })
  expect(endpoint).toBe('rediss://redis.example:7000')
  expect(connection).toMatchObject({ username: 'me', password: 'se cret', db: 3, tls: {}, host: 'redis.example', port: 7000 })
  expect(() => resolveRedisOptions({ url: 'http://me:secret@x' })).not.toThrow(/secret/)
})

test('fencing is claimed only where the user states that no write is ever lost', () => {
  expect(new RedisMetadataStore().capabilities).toMatchObject({ fencing: false, linearizable: false })
  expect(new RedisMetadataStore({ neverLosesWrites: true }).capabilities).toMatchObject({ fencing: true, linearizable: true })
})
