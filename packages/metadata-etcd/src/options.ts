// Options of the store on etcd.

import { ConfigError, type MetadataStoreOptions } from '@cajun/core/adapter'
import { etcdCapabilities } from './capabilities.ts'

export interface EtcdTlsOptions {
  /** PEM of the authority that signed the servers' certificates. Default: those that Node knows. */
  readonly ca?: Buffer
  /** PEM of this client's key and certificate, where the servers ask for one. */
  readonly key?: Buffer
  readonly cert?: Buffer
}

export interface EtcdMetadataStoreOptions extends MetadataStoreOptions {
  /** The members, as in 'http://127.0.0.1:2379'; 'https://…' for TLS. One of them is used at a time. Default ['http://127.0.0.1:2379']. */
  readonly endpoints?: readonly string[]
  readonly tls?: EtcdTlsOptions
  readonly auth?: { readonly username: string; readonly password: string }
  /** Stands before all keys in etcd, as in 'apps/shop/'. Default: nothing. */
  readonly prefix?: string
  /** How often the server is asked for a sign of life. After two silent intervals the connection is made anew, to the next member. Default 500. */
  readonly keepAliveMs?: number
  /** How many writes one transaction may hold: what the servers were given as `--max-txn-ops`. Default 128, which is also theirs. */
  readonly maxTxnOps?: number
}

export const etcdMetadataStoreDefaults: {
  readonly endpoints: readonly string[]
  readonly prefix: string
  readonly keepAliveMs: number
  readonly maxTxnOps: number
} = {
  endpoints: ['http://127.0.0.1:2379'],
  prefix: '',
  keepAliveMs: 500,
  maxTxnOps: etcdCapabilities.maxBatch,
}

export interface ResolvedEtcdOptions {
  readonly endpoints: readonly string[]
  readonly tls: EtcdTlsOptions | undefined
  readonly auth: { readonly username: string; readonly password: string } | undefined
  readonly prefix: string
  readonly keepAliveMs: number
  readonly maxTxnOps: number
}

export function resolveEtcdOptions(options: EtcdMetadataStoreOptions): ResolvedEtcdOptions {
  const { endpoints, prefix, keepAliveMs, maxTxnOps } = { ...etcdMetadataStoreDefaults, ...options }
  if (!Array.isArray(endpoints) || endpoints.length === 0) throw new ConfigError('endpoints is empty; it must name at least one member')
  const schemes = new Set(endpoints.map(requireEndpoint))
  if (schemes.size > 1) throw new ConfigError(`endpoints mix http and https (${endpoints.join(', ')}); all must be of one kind`)
  if (options.tls !== undefined && !schemes.has('https:')) {
    throw new ConfigError(`tls is given, but endpoints are ${endpoints.join(', ')}; write https://`)
  }
  if (typeof prefix !== 'string' || !prefix.isWellFormed() || Buffer.byteLength(prefix) > 512) {
    throw new ConfigError('prefix must be well-formed text of at most 512 bytes')
  }
  if (!Number.isInteger(keepAliveMs) || keepAliveMs < 50) {
    throw new ConfigError(`keepAliveMs is ${keepAliveMs}; it must be a whole number of milliseconds of at least 50`)
  }
  if (!Number.isInteger(maxTxnOps) || maxTxnOps < 2) {
    throw new ConfigError(`maxTxnOps is ${maxTxnOps}; it must be a whole number of at least 2`)
  }
  return { endpoints: [...endpoints], tls: options.tls, auth: options.auth, prefix, keepAliveMs, maxTxnOps }
}

function requireEndpoint(endpoint: unknown): string {
  const parsed = typeof endpoint === 'string' ? URL.parse(endpoint) : null
  const plain = parsed !== null && (parsed.pathname === '' || parsed.pathname === '/') && parsed.username === ''
  if (parsed === null || !plain || !['http:', 'https:'].includes(parsed.protocol)) {
    const shown = String(endpoint).replace(/\/\/[^@/]*@/, '//…@')
    throw new ConfigError(
      `endpoint '${shown}' must be as in 'http://127.0.0.1:2379' or 'https://etcd.example:2379'; credentials go to \`auth\``,
    )
  }
  return parsed.protocol
}
