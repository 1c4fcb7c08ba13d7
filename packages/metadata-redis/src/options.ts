// Options of the store on Redis.

import { ConfigError, type MetadataStoreOptions } from '@cajun/core/adapter'
import type { RedisOptions } from 'ioredis'

export interface RedisMetadataStoreOptions extends MetadataStoreOptions {
  /** As in 'redis://127.0.0.1:6379', or 'rediss://…' for TLS; may hold a user name and a password. Default 'redis://127.0.0.1:6379'. */
  readonly url?: string
  /** What ioredis takes: `tls`, `username`, `password`, `sentinels` … Comes before what the url says. How to reconnect is left to the store. */
  readonly redis?: RedisOptions
  /** All keys in Redis begin with `{<namespace>}`. Default 'cajun'. */
  readonly namespace?: string
  /** How often the server is asked for a sign of life, and sessions that ended are removed. After two silent intervals the connection is made anew. Default 500. */
  readonly keepAliveMs?: number
  /** How many writes back a watch may be behind before it has to start again with a snapshot. Redis keeps their values. Default 1,000. */
  readonly logLength?: number
  /**
   * States that this Redis never loses a write that it acknowledged: one server with `appendfsync always`, no failover to a replica, no eviction. Only then
   * do leadership and guarded writes survive its failures, and the store claims `fencing` and `linearizable`. Default false.
   */
  readonly neverLosesWrites?: boolean
}

export const redisMetadataStoreDefaults = {
  url: 'redis://127.0.0.1:6379',
  namespace: 'cajun',
  keepAliveMs: 500,
  logLength: 1_000,
  neverLosesWrites: false,
} as const

export interface ResolvedRedisOptions {
  readonly connection: RedisOptions
  /** For errors: without secrets. */
  readonly endpoint: string
  /** In braces, so that a Redis Cluster keeps everything in one slot. */
  readonly namespace: string
  readonly keepAliveMs: number
  readonly logLength: number
  readonly neverLosesWrites: boolean
}

export function resolveRedisOptions(options: RedisMetadataStoreOptions): ResolvedRedisOptions {
  const { url, namespace, keepAliveMs, logLength, neverLosesWrites } = { ...redisMetadataStoreDefaults, ...options }
  const parsed = URL.parse(url)
  if (parsed === null || !['redis:', 'rediss:'].includes(parsed.protocol) || parsed.hostname === '') {
    throw new ConfigError(`url is '${withoutSecrets(url)}'; it must be as in 'redis://127.0.0.1:6379' or 'rediss://redis.example:6379'`)
  }
  if (!/^[\w.:-]{1,64}$/.test(namespace)) {
    throw new ConfigError(`namespace is '${namespace}'; it must be 1 to 64 letters, digits and any of _ . : -`)
  }
  requireNumber('keepAliveMs', keepAliveMs, 50, 'milliseconds')
  requireNumber('logLength', logLength, 1, 'writes')
  const host = parsed.hostname.replace(/^\[|\]$/g, '')
  const port = parsed.port === '' ? 6_379 : Number(parsed.port)
  const database = Number(parsed.pathname.slice(1))
  const connection: RedisOptions = {
    host,
    port,
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
    ...(Number.isInteger(database) && database > 0 ? { db: database } : {}),
    ...options.redis,
  }
  const endpoint =
    connection.sentinels === undefined
      ? `${connection.tls === undefined ? 'redis' : 'rediss'}://${connection.host}:${connection.port}`
      : `redis sentinel '${connection.name ?? 'mymaster'}'`
  return { connection, endpoint, namespace: `{${namespace}}`, keepAliveMs, logLength, neverLosesWrites }
}

function requireNumber(name: string, value: number, least: number, of: string): void {
  if (!Number.isInteger(value) || value < least)
    throw new ConfigError(`${name} is ${value}; it must be a whole number of ${of} of at least ${least}`)
}

function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//…@')
}
