// Options of transports that listen on a port: their defaults, and what is refused at construction.

import { ConfigError } from '@cajun/core/adapter'
import { isLoopback, isWildcard, parseAddress } from './address.ts'
import { MIN_SECRET_BYTES, type SharedSecret } from './authenticator.ts'
import {
  type ConnectionOptions,
  connectionDefaults,
  duration,
  integer,
  type ResolvedConnectionOptions,
  resolveConnectionOptions,
} from './connection-options.ts'
import { nameFits } from './handshake-message.ts'
import type { ResolvedTlsFiles, TlsFiles } from './tls-credentials.ts'
import { MAX_NAME_BYTES } from './wire-format.ts'

export interface StreamMessagingOptions extends ConnectionOptions {
  /** The interface to listen on. Default `127.0.0.1`: reachable from this machine alone. Anything else needs `tls`, or `insecure: true`. */
  readonly host?: string
  /** 0: the system picks one, and `start` tells which. */
  readonly port: number
  /** Under which `host:port` others reach this process, if that is not where it listens (behind a mapping, or when `host` means every interface). `host` alone takes the port listened on. */
  readonly advertise?: string
  /** TLS 1.3 both ways: this node shows its certificate, and the other side's must be that of the node it says it is. Needs `secrets` too. On every node of a cluster, or on none. */
  readonly tls?: TlsFiles
  /**
   * The shared secret of the cluster, which both sides of each connection prove to have; a second one while it is exchanged: the first is used for dialing, both
   * are accepted. To exchange it, append the new one everywhere, then put it first everywhere, then take the old one out. On every node, or on none.
   */
  readonly secrets?: readonly SharedSecret[]
  /** Listen on more than the loopback interface without TLS: whoever reaches the network can read along, and, without `secrets`, act as a node. Default false. */
  readonly insecure?: boolean
}

export interface ResolvedStreamOptions
  extends ResolvedConnectionOptions,
    Required<Omit<StreamMessagingOptions, keyof ConnectionOptions | 'advertise' | 'tls' | 'secrets'>> {
  readonly advertise: string | undefined
  readonly tls: ResolvedTlsFiles | undefined
  readonly secrets: readonly SharedSecret[] | undefined
}

export const streamMessagingDefaults: Omit<ResolvedStreamOptions, 'port' | 'advertise' | 'runtime' | 'tls' | 'secrets'> & {
  readonly tls: { readonly reloadIntervalMs: number }
} = {
  host: '127.0.0.1',
  insecure: false,
  tls: { reloadIntervalMs: 10_000 },
  ...connectionDefaults,
}

/** Throws {@link ConfigError} that names the option, its value and what would be right. */
export function resolveStreamOptions(options: StreamMessagingOptions): ResolvedStreamOptions {
  const given = resolveConnectionOptions(options)
  const resolved: ResolvedStreamOptions = {
    ...given,
    host: options.host ?? streamMessagingDefaults.host,
    insecure: options.insecure ?? streamMessagingDefaults.insecure,
    advertise: options.advertise,
    tls: options.tls && { ...streamMessagingDefaults.tls, ...options.tls },
    secrets: options.secrets,
  }
  const { host, insecure, advertise } = resolved
  if (typeof host !== 'string') throw new ConfigError(`option host is ${String(host)}; it must be a host name or an address`)
  integer('port', resolved.port, 0, 65_535)
  if (resolved.tls !== undefined) checkTls(resolved.tls, resolved.secrets)
  if (resolved.secrets !== undefined) checkSecrets(resolved.secrets)
  if (!insecure && resolved.tls === undefined && !isLoopback(host)) {
    throw new ConfigError(
      `option host is '${host}': without option tls it listens on the loopback interface alone (127.0.0.1, ::1, localhost). ` +
        'In a network where everybody is trusted, set insecure: true',
    )
  }
  if (advertise === undefined && isWildcard(host)) {
    throw new ConfigError(
      `option host is '${host}', every interface: set option advertise to the host or host:port under which peers reach this node`,
    )
  }
  if (advertise !== undefined && parseAddress(advertise) === undefined && parseAddress(`${advertise}:1`) === undefined) {
    throw new ConfigError(`option advertise is '${advertise}'; it must be host, host:port or [address]:port`)
  }
  return resolved
}

function checkTls(tls: ResolvedTlsFiles, secrets: unknown): void {
  for (const name of ['caFile', 'certFile', 'keyFile'] as const) {
    if (typeof tls[name] !== 'string' || tls[name] === '') {
      throw new ConfigError(`option tls.${name} is ${String(tls[name])}; it must be the path of a PEM file`)
    }
  }
  duration('tls.reloadIntervalMs', tls.reloadIntervalMs)
  if (secrets === undefined) {
    throw new ConfigError(
      'option tls is given without option secrets: nodes prove a shared secret, too, so that a certificate alone lets nobody in',
    )
  }
}

/** What is wrong is said without the secret itself. */
function checkSecrets(secrets: readonly SharedSecret[]): void {
  if (!Array.isArray(secrets) || secrets.length < 1 || secrets.length > 2) {
    throw new ConfigError(
      `option secrets holds ${Array.isArray(secrets) ? secrets.length : 'no'} secrets; it must be one, or two while it is exchanged`,
    )
  }
  for (const [i, { id, secret }] of secrets.entries()) {
    if (typeof id !== 'string' || !nameFits(id))
      throw new ConfigError(`option secrets[${i}].id must be a text of 1 to ${MAX_NAME_BYTES} bytes`)
    const bytes = typeof secret === 'string' ? Buffer.byteLength(secret) : secret instanceof Uint8Array ? secret.byteLength : 0
    if (bytes < MIN_SECRET_BYTES) {
      throw new ConfigError(
        `option secrets[${i}].secret has ${bytes} bytes; at least ${MIN_SECRET_BYTES} are needed, as from: openssl rand -base64 32`,
      )
    }
  }
  if (secrets.length === 2 && secrets[0].id === secrets[1].id)
    throw new ConfigError(`option secrets holds two secrets with the id '${secrets[0].id}'`)
}
