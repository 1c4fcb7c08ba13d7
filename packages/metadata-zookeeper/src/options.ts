// Options of the store on ZooKeeper.

import { ConfigError, type MetadataStoreOptions } from '@cajun/core/adapter'

export interface DigestCredentials {
  readonly username: string
  readonly password: string
}

export interface ZooKeeperMetadataStoreOptions extends MetadataStoreOptions {
  /** The servers, as in '127.0.0.1:2181'. A connection is to one of them, the next one to the next. Default ['127.0.0.1:2181']. */
  readonly endpoints?: readonly string[]
  /** The node under which everything is kept, as in '/apps/shop'; of at most 64 bytes. Made when it is missing. Default '/cajun'. */
  readonly root?: string
  /** Scheme `digest`: what this store creates is then open to this user alone. Default: nobody logs in, and everything is open to everybody. */
  readonly auth?: DigestCredentials
  /** How often the server is asked for a sign of life. After two silent intervals the connection is made anew, to the next server. Default 500. */
  readonly keepAliveMs?: number
}

export const zooKeeperMetadataStoreDefaults: {
  readonly endpoints: readonly string[]
  readonly root: string
  readonly keepAliveMs: number
} = { endpoints: ['127.0.0.1:2181'], root: '/cajun', keepAliveMs: 500 }

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface ResolvedZooKeeperOptions {
  readonly endpoints: readonly Endpoint[]
  readonly root: string
  readonly auth: DigestCredentials | undefined
  readonly keepAliveMs: number
}

export function resolveZooKeeperOptions(options: ZooKeeperMetadataStoreOptions): ResolvedZooKeeperOptions {
  const { endpoints, root, keepAliveMs } = { ...zooKeeperMetadataStoreDefaults, ...options }
  const { auth } = options
  if (!Array.isArray(endpoints) || endpoints.length === 0) throw new ConfigError('endpoints is empty; it must name at least one server')
  if (typeof root !== 'string' || root.length > 64 || !/^(\/(?!\.{1,2}(\/|$))[\w.-]+)+$/.test(root) || /^\/zookeeper(\/|$)/.test(root)) {
    throw new ConfigError(
      `root is '${root}'; it must be a path as in '/cajun', of at most 64 letters, digits and any of _ . - and not within '/zookeeper'`,
    )
  }
  if (!Number.isInteger(keepAliveMs) || keepAliveMs < 50) {
    throw new ConfigError(`keepAliveMs is ${keepAliveMs}; it must be a whole number of milliseconds of at least 50`)
  }
  if (auth !== undefined && (!isText(auth.username) || auth.username.includes(':') || !isText(auth.password))) {
    throw new ConfigError('auth must be { username, password }, both of them text and not empty, the name without a colon')
  }
  return { endpoints: endpoints.map(parseEndpoint), root, auth, keepAliveMs }
}

function parseEndpoint(endpoint: unknown): Endpoint {
  const match = typeof endpoint === 'string' ? /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/@[\],]+)):(\d{1,5})$/.exec(endpoint) : null
  const port = Number(match?.[3])
  if (match === null || port < 1 || port > 65_535) {
    const shown = String(endpoint).replace(/^.*@/, '…@')
    throw new ConfigError(
      `endpoint '${shown}' must be as in '127.0.0.1:2181' or '[::1]:2181', one server each; credentials go to \`auth\`, a path to \`root\``,
    )
  }
  return { host: (match[1] ?? match[2]) as string, port }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}
