// Options of KafkaMessagingSystem: what Kafka's client is told, the inboxes' settings, and what is refused at construction. What concerns peers (heartbeats, limits) is
// the same for every broker: `BrokerMessagingOptions`.

import type { ConnectionOptions } from 'node:tls'
import { ConfigError } from '@cajun/core/adapter'
import { type BrokerMessagingOptions, type ResolvedBrokerOptions, resolveBrokerOptions } from '@cajun/messaging-broker'
import type { SASLOptions } from 'kafkajs'

/** As Node's `tls.connect` takes them: `ca`, `cert`, `key`, …; `true`: the authorities that Node trusts. */
export type TlsOptions = true | ConnectionOptions

export interface KafkaMessagingOptions extends BrokerMessagingOptions {
  /** Some brokers of the Kafka cluster, each `host:port`; the others are found through them. */
  readonly brokers: readonly string[]
  /** Encrypts the connections to the brokers. Default: they are in clear. */
  readonly tls?: TlsOptions
  /** How to log in to the brokers, as kafkajs takes it: `{ mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', username, password }`, or another mechanism of it. */
  readonly sasl?: SASLOptions
  /**
   * Where to connect to reach the broker that calls itself `host:port`: for brokers behind tunnels, port forwarding and address translation, whose own addresses lead
   * nowhere from here. Also asked about those in `brokers`. Default: to what they call themselves.
   */
  readonly brokerAddress?: (broker: string) => string
  /** The name that the brokers' logs and quotas know this client by. Default `cajun`. */
  readonly clientId?: string
  /** Copies of each inbox. Default -1: the brokers' `default.replication.factor`. */
  readonly replicationFactor?: number
  /** How long an inbox keeps packets; the inbox of a node that was away longer is deleted by the others. At least a minute. Default one hour. */
  readonly inboxRetentionMs?: number
  /** How much an inbox keeps at most; beyond it the oldest are lost, and their senders' connections with them. Default 1 GiB. */
  readonly inboxRetentionBytes?: number
  /** Connecting to a broker, and each request to one. What takes longer counts as a lost connection. Default 3,000. */
  readonly requestTimeoutMs?: number
  /** How long a broker holds a request of the reader while there is nothing to read: the first packet ends it. Default 500. */
  readonly maxWaitMs?: number
}

export interface ResolvedKafkaOptions
  extends ResolvedBrokerOptions,
    Required<Omit<KafkaMessagingOptions, keyof BrokerMessagingOptions | 'tls' | 'sasl' | 'brokerAddress'>> {
  readonly tls: TlsOptions | undefined
  readonly sasl: SASLOptions | undefined
  readonly brokerAddress: (broker: string) => string
}

type KafkaDefault = 'clientId' | 'replicationFactor' | 'inboxRetentionMs' | 'inboxRetentionBytes' | 'requestTimeoutMs' | 'maxWaitMs'

export const kafkaMessagingDefaults: Required<Pick<KafkaMessagingOptions, KafkaDefault>> = {
  clientId: 'cajun',
  replicationFactor: -1,
  inboxRetentionMs: 3_600_000,
  inboxRetentionBytes: 1_073_741_824,
  requestTimeoutMs: 3_000,
  maxWaitMs: 500,
}

const ADDRESS = /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/

/** Throws {@link ConfigError} that names the option, its value and what would be right. */
export function resolveKafkaOptions(options: KafkaMessagingOptions): ResolvedKafkaOptions {
  const { brokers, tls, sasl } = options
  if (!Array.isArray(brokers) || brokers.length === 0)
    throw new ConfigError("option brokers must name at least one broker, as ['host:port']")
  for (const broker of brokers) {
    if (typeof broker !== 'string' || !ADDRESS.test(broker)) {
      throw new ConfigError(`option brokers has '${String(broker)}'; each must be host:port, without a scheme`)
    }
  }
  if (sasl !== undefined && (typeof sasl !== 'object' || typeof sasl.mechanism !== 'string')) {
    throw new ConfigError("option sasl must have a mechanism, such as { mechanism: 'scram-sha-256', username, password }")
  }
  const clientId = options.clientId ?? kafkaMessagingDefaults.clientId
  if (typeof clientId !== 'string' || clientId === '') throw new ConfigError('option clientId must be a name')
  const replicationFactor = options.replicationFactor ?? kafkaMessagingDefaults.replicationFactor
  if (replicationFactor !== -1) whole('replicationFactor', replicationFactor, 1, 32_767)
  return {
    ...resolveBrokerOptions(options),
    brokers,
    tls,
    sasl,
    brokerAddress: options.brokerAddress ?? ((broker) => broker),
    clientId,
    replicationFactor,
    inboxRetentionMs: whole('inboxRetentionMs', options.inboxRetentionMs ?? kafkaMessagingDefaults.inboxRetentionMs, 60_000, 2 ** 31 - 1),
    inboxRetentionBytes: whole(
      'inboxRetentionBytes',
      options.inboxRetentionBytes ?? kafkaMessagingDefaults.inboxRetentionBytes,
      16 * 1_048_576,
      Number.MAX_SAFE_INTEGER,
    ),
    requestTimeoutMs: whole('requestTimeoutMs', options.requestTimeoutMs ?? kafkaMessagingDefaults.requestTimeoutMs, 100, 600_000),
    maxWaitMs: whole('maxWaitMs', options.maxWaitMs ?? kafkaMessagingDefaults.maxWaitMs, 1, 60_000),
  }
}

function whole(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new ConfigError(`option ${name} is ${String(value)}; it must be a whole number from ${least} to ${most}`)
  }
  return value
}
