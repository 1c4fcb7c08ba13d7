// Options of transports that listen on a port: their defaults, and what is refused at construction.

import { ConfigError } from '@cajun/core/adapter'
import { isLoopback, isWildcard, parseAddress } from './address.ts'
import {
  type ConnectionOptions,
  connectionDefaults,
  integer,
  type ResolvedConnectionOptions,
  resolveConnectionOptions,
} from './connection-options.ts'

export interface StreamMessagingOptions extends ConnectionOptions {
  /** The interface to listen on. Default `127.0.0.1`: reachable from this machine alone. Anything else needs `insecure: true`, because nothing is encrypted. */
  readonly host?: string
  /** 0: the system picks one, and `start` tells which. */
  readonly port: number
  /** Under which `host:port` others reach this process, if that is not where it listens (behind a mapping, or when `host` means every interface). `host` alone takes the port listened on. */
  readonly advertise?: string
  /** Listen on more than the loopback interface without encryption or authentication: whoever reaches the port can act as a node. Default false. */
  readonly insecure?: boolean
}

export interface ResolvedStreamOptions
  extends ResolvedConnectionOptions,
    Required<Omit<StreamMessagingOptions, keyof ConnectionOptions | 'advertise'>> {
  readonly advertise: string | undefined
}

export const streamMessagingDefaults: Omit<ResolvedStreamOptions, 'port' | 'advertise' | 'runtime'> = {
  host: '127.0.0.1',
  insecure: false,
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
  }
  const { host, insecure, advertise } = resolved
  if (typeof host !== 'string') throw new ConfigError(`option host is ${String(host)}; it must be a host name or an address`)
  integer('port', resolved.port, 0, 65_535)
  if (!insecure && !isLoopback(host)) {
    throw new ConfigError(
      `option host is '${host}': without TLS, which this transport does not have yet, it listens on the loopback interface alone (127.0.0.1, ::1, localhost). ` +
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
