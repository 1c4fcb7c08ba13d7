// Options of transports over a stream of bytes: their defaults, and what is refused at construction.

import { ConfigError, nodeRuntime, type Runtime } from '@cajun/core/adapter'
import { isLoopback, isWildcard, parseAddress } from './address.ts'
import type { ReconnectOptions } from './reconnect-delay.ts'
import { MAX_BODY_BYTES } from './wire-format.ts'

export interface StreamMessagingOptions {
  /** The interface to listen on. Default `127.0.0.1`: reachable from this machine alone. Anything else needs `insecure: true`, because nothing is encrypted. */
  readonly host?: string
  /** 0: the system picks one, and `start` tells which. */
  readonly port: number
  /** Under which `host:port` others reach this process, if that is not where it listens (behind a mapping, or when `host` means every interface). `host` alone takes the port listened on. */
  readonly advertise?: string
  /** Listen on more than the loopback interface without encryption or authentication: whoever reaches the port can act as a node. Default false. */
  readonly insecure?: boolean
  /** A peer that was silent this long is asked for a sign of life. Default 1,000. */
  readonly heartbeatIntervalMs?: number
  /** A peer that was silent this long is taken for gone. At least three intervals. Default 4,000. */
  readonly heartbeatTimeoutMs?: number
  /** Time for an attempt to connect, handshake included. Default 5,000. */
  readonly connectTimeoutMs?: number
  /** Waits between attempts: a random part of a ceiling that doubles. Default 50 to 2,000. */
  readonly reconnect?: Partial<ReconnectOptions>
  /** Above this much unwritten data for a peer, `send` returns false. Default 1 MiB. */
  readonly highWaterMarkBytes?: number
  /** The largest frame. The same on every node of a cluster, which the handshake checks. Default 4 MiB, at most 16 MiB less one byte. */
  readonly maxFrameBytes?: number
  /** Incoming connections whose handshake is not complete; more are closed at once. Default 64. */
  readonly maxPendingConnections?: number
  /** Of these, from one address. Behind a proxy or load balancer all have the same one: give it as many as `maxPendingConnections`. Default 16. */
  readonly maxPendingPerAddress?: number
  /** How long `stop` and `disconnect` wait for what was accepted to be written. Default 1,000. */
  readonly closeTimeoutMs?: number
  /** Clocks, timers and randomness. Default: Node's. */
  readonly runtime?: Runtime
}

export interface ResolvedStreamOptions extends Required<Omit<StreamMessagingOptions, 'advertise' | 'reconnect'>> {
  readonly advertise: string | undefined
  readonly reconnect: ReconnectOptions
}

export const streamMessagingDefaults: Omit<ResolvedStreamOptions, 'port' | 'advertise' | 'runtime'> = {
  host: '127.0.0.1',
  insecure: false,
  heartbeatIntervalMs: 1_000,
  heartbeatTimeoutMs: 4_000,
  connectTimeoutMs: 5_000,
  reconnect: { minDelayMs: 50, maxDelayMs: 2_000 },
  highWaterMarkBytes: 1_048_576,
  maxFrameBytes: 4_194_304,
  maxPendingConnections: 64,
  maxPendingPerAddress: 16,
  closeTimeoutMs: 1_000,
}

/** Throws {@link ConfigError} that names the option, its value and what would be right. */
export function resolveStreamOptions(options: StreamMessagingOptions): ResolvedStreamOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as unknown as StreamMessagingOptions
  const resolved: ResolvedStreamOptions = {
    ...streamMessagingDefaults,
    runtime: nodeRuntime,
    ...given,
    advertise: given.advertise,
    reconnect: { ...streamMessagingDefaults.reconnect, ...given.reconnect },
  }
  const { host, insecure, advertise, heartbeatIntervalMs, heartbeatTimeoutMs, reconnect } = resolved
  if (typeof host !== 'string') throw new ConfigError(`option host is ${String(host)}; it must be a host name or an address`)
  integer('port', resolved.port, 0, 65_535)
  integer('maxFrameBytes', resolved.maxFrameBytes, 1, MAX_BODY_BYTES)
  integer('highWaterMarkBytes', resolved.highWaterMarkBytes, 1, 2 ** 31)
  integer('maxPendingConnections', resolved.maxPendingConnections, 1, 65_536)
  integer('maxPendingPerAddress', resolved.maxPendingPerAddress, 1, 65_536)
  duration('heartbeatIntervalMs', heartbeatIntervalMs)
  duration('heartbeatTimeoutMs', heartbeatTimeoutMs)
  duration('connectTimeoutMs', resolved.connectTimeoutMs)
  duration('closeTimeoutMs', resolved.closeTimeoutMs)
  duration('reconnect.minDelayMs', reconnect.minDelayMs)
  duration('reconnect.maxDelayMs', reconnect.maxDelayMs)
  if (heartbeatTimeoutMs < 3 * heartbeatIntervalMs) {
    throw new ConfigError(
      `option heartbeatTimeoutMs is ${heartbeatTimeoutMs}; with heartbeatIntervalMs ${heartbeatIntervalMs} it must be at least ${3 * heartbeatIntervalMs}, or a single late answer ends a connection`,
    )
  }
  if (reconnect.maxDelayMs < reconnect.minDelayMs) {
    throw new ConfigError(
      `option reconnect.maxDelayMs is ${reconnect.maxDelayMs}; it must be at least reconnect.minDelayMs (${reconnect.minDelayMs})`,
    )
  }
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

function integer(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new ConfigError(`option ${name} is ${String(value)}; it must be a whole number from ${least} to ${most}`)
  }
}

function duration(name: string, value: number): void {
  if (!(typeof value === 'number' && value > 0 && value <= 2 ** 31 - 1)) {
    throw new ConfigError(`option ${name} is ${String(value)}; it must be a number of milliseconds above 0`)
  }
}
