// Options of RabbitMqMessagingSystem: their defaults, and what is refused at construction.

import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { ConfigError } from '@cajun/core/adapter'
import { type BrokerMessagingOptions, type ResolvedBrokerOptions, resolveBrokerOptions } from '@cajun/messaging-broker'

export interface RabbitMqMessagingOptions extends BrokerMessagingOptions {
  /** `amqp://host:port/vhost`, or `amqps://` for TLS. Several are the nodes of one RabbitMQ cluster: the next one is tried when one can't be reached. */
  readonly url: string | readonly string[]
  /** Default: those in the URL, else `guest`, whom RabbitMQ lets in from its own machine alone. */
  readonly credentials?: { readonly username: string; readonly password: string }
  /** For `amqps://`, passed to `node:tls`: `ca`, `cert`, `key`, `servername` … */
  readonly tls?: TlsOptions
  /** What the names of inboxes begin with. The same on every node. Default `cajun`. */
  readonly prefix?: string
  /** Deliveries that the broker sends ahead. 100 to 500 are sensible. Default 300. */
  readonly prefetch?: number
  /** An inbox that nobody reads is removed after this long: that of a process that died. Default 600,000 (10 minutes). */
  readonly inboxExpiresMs?: number
  /** What an inbox holds at most; the broker refuses more, and the sender's connection ends. Default 256 MiB. */
  readonly maxInboxBytes?: number
}

export interface ResolvedRabbitMqOptions extends ResolvedBrokerOptions {
  readonly urls: readonly URL[]
  readonly credentials: { readonly username: string; readonly password: string } | undefined
  readonly tls: TlsOptions | undefined
  readonly prefix: string
  readonly prefetch: number
  readonly inboxExpiresMs: number
  readonly maxInboxBytes: number
}

export const rabbitMqDefaults = {
  prefix: 'cajun',
  prefetch: 300,
  inboxExpiresMs: 600_000,
  maxInboxBytes: 268_435_456,
}

/** Throws {@link ConfigError} that names the option, its value and what would be right. */
export function resolveRabbitMqOptions(options: RabbitMqMessagingOptions): ResolvedRabbitMqOptions {
  const given = Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as RabbitMqMessagingOptions
  const { url, ...rest } = { ...rabbitMqDefaults, credentials: undefined, tls: undefined, ...given }
  const resolved = { ...resolveBrokerOptions(rest), urls: (typeof url === 'string' ? [url] : url).map(readUrl) }
  const { urls, prefix, prefetch, tls } = resolved
  if (urls.length === 0) throw new ConfigError('option url is empty; it must be one URL or more')
  if (tls !== undefined && urls.some(({ protocol }) => protocol === 'amqp:')) {
    throw new ConfigError('option tls is given, and a URL begins with amqp://, which is not encrypted; it must begin with amqps://')
  }
  if (!/^[A-Za-z0-9._-]{1,40}$/.test(prefix)) {
    throw new ConfigError(`option prefix is '${prefix}'; it must be 1 to 40 letters, digits, dots, hyphens and underscores`)
  }
  whole('prefetch', prefetch, 1, 65_535)
  // AMQP counts queue time-outs in 32 bits.
  whole('inboxExpiresMs', resolved.inboxExpiresMs, 1_000, 2 ** 32 - 1)
  whole('maxInboxBytes', resolved.maxInboxBytes, resolved.highWaterMarkBytes + resolved.maxFrameBytes, Number.MAX_SAFE_INTEGER)
  return resolved
}

/** The text of a wrong URL may hold a password, so it is in no message. */
function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'amqp:' && url.protocol !== 'amqps:') || url.hostname === '') {
    throw new ConfigError('option url is not of the form amqp://host:port/vhost or amqps://host:port/vhost')
  }
  return url
}

function whole(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new ConfigError(`option ${name} is ${String(value)}; it must be a whole number from ${least} to ${most}`)
  }
}
