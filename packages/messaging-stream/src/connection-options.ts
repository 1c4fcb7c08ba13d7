// Options of every transport that has connections of its own, whatever carries them: their defaults, and what is refused at construction.

import { ConfigError, nodeRuntime, type Runtime } from '@cajun/core/adapter'
import type { ReconnectOptions } from './reconnect-delay.ts'
import { MAX_BODY_BYTES } from './wire-format.ts'

export interface ConnectionOptions {
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

export interface ResolvedConnectionOptions extends Required<Omit<ConnectionOptions, 'reconnect'>> {
  readonly reconnect: ReconnectOptions
}

export const connectionDefaults: Omit<ResolvedConnectionOptions, 'runtime'> = {
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

/** Throws {@link ConfigError} that names the option, its value and what would be right. Other options than these are passed on. */
export function resolveConnectionOptions<T extends ConnectionOptions>(options: T): T & ResolvedConnectionOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as unknown as T
  const resolved = {
    ...connectionDefaults,
    runtime: nodeRuntime,
    ...given,
    reconnect: { ...connectionDefaults.reconnect, ...given.reconnect },
  }
  const { heartbeatIntervalMs, heartbeatTimeoutMs, reconnect } = resolved
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
  return resolved
}

export function integer(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new ConfigError(`option ${name} is ${String(value)}; it must be a whole number from ${least} to ${most}`)
  }
}

export function duration(name: string, value: number): void {
  if (!(typeof value === 'number' && value > 0 && value <= 2 ** 31 - 1)) {
    throw new ConfigError(`option ${name} is ${String(value)}; it must be a number of milliseconds above 0`)
  }
}
