// Options of the embedded store.

import { ConfigError, type MetadataStoreOptions } from '@cajun/core/adapter'
import type { EmbeddedDatabase } from './embedded-database.ts'
import type { LinkFaults } from './link-faults.ts'

export interface MemoryMetadataStoreOptions extends MetadataStoreOptions {
  /** The `url` of a `MemoryMetadataServer` in another process, as in 'tcp://127.0.0.1:4100'. Default: none, the store is in this process. */
  readonly url?: string
  /** The database to share with other stores of this process. Default: one of its own. */
  readonly database?: EmbeddedDatabase
  /** With a `url`: how often the server is asked for a sign of life. After two to three silent intervals the connection is made anew. Default 500. */
  readonly keepAliveMs?: number
  /** Without a `url`: faults of this store's link alone, for tests. */
  readonly faults?: LinkFaults
}

export const memoryMetadataStoreDefaults: { readonly keepAliveMs: number } = { keepAliveMs: 500 }

export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly keepAliveMs: number
}

/** Where the server is; `undefined`: in this process. */
export function resolveServerAddress(options: MemoryMetadataStoreOptions): ServerAddress | undefined {
  const { url, keepAliveMs = memoryMetadataStoreDefaults.keepAliveMs } = options
  if (!Number.isFinite(keepAliveMs) || keepAliveMs < 10) {
    throw new ConfigError(`keepAliveMs is ${keepAliveMs}; it must be a number of milliseconds of at least 10`)
  }
  if (url === undefined) return undefined
  if (options.database !== undefined || options.faults !== undefined) {
    throw new ConfigError('url is given together with database or faults: the store is either in another process or in this one')
  }
  const parsed = URL.parse(url)
  if (parsed?.protocol !== 'tcp:' || parsed.hostname === '' || parsed.port === '') {
    throw new ConfigError(`url is '${url}'; it must be as in 'tcp://127.0.0.1:4100'`)
  }
  return { host: parsed.hostname.replace(/^\[|\]$/g, ''), port: Number(parsed.port), keepAliveMs }
}
