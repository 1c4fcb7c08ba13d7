// Every bound and duration of delivery, with its default, in one place. Resolved and checked once, at construction.

import { ConfigError } from '../errors.ts'
import { DEFAULT_MAX_PAYLOAD_BYTES } from '../messaging/payload-codec.ts'

export interface DeliveryLimits {
  /** Of one encoded payload or reply. Default 1 MiB. */
  readonly maxPayloadBytes: number
  /** Messages kept for one peer until they ended. Default 131,072. */
  readonly outboxMessagesPerPeer: number
  /** Their payloads. Default 64 MiB. */
  readonly outboxBytesPerPeer: number
  /** Messages kept in the whole process, callers that wait for room included. Default 524,288. */
  readonly outboxMessages: number
  /** Default 256 MiB. */
  readonly outboxBytes: number
  /** Frames that are kept because they are not receipted, per peer; the one being written (at most 64 KiB, or one payload) comes on top. Default 8 MiB. */
  readonly linkBufferBytes: number
  /** How much of a sender's messages a receiver holds unread (full mailboxes, a view that is behind), per link. Default 4 MiB. */
  readonly creditBytes: number
  /** Replies and outcomes kept for repeated asks, in the whole process; overflow is answered with `Unknown`. Default 64 MiB. */
  readonly keptReplyBytes: number
  /** Control messages waiting for one peer. Default 8 MiB. */
  readonly controlBytesPerPeer: number
  /** Actors that one link knows by number at a time. Default 65,536. */
  readonly internedActors: number
  /** Message types and kinds that one link knows by number; further ones travel as text. Default 4,096. */
  readonly internedNames: number
  /** How long the frames of a peer that is down are kept for a resumption of its link. Default 30 s. */
  readonly linkRetentionMs: number
  /**
   * How long after its process is gone a source's records are kept; the same on all nodes. A process that was out of the cluster for longer (less two session TTLs) comes
   * back as another process and without what it held in memory, so an outage of the metadata store of this length costs all memory state. Default 1 h.
   */
  readonly sourceRetentionMs: number
  /** A lone receipt leaves within this. Default 2 ms. */
  readonly receiptDelayMs: number
  /** First and longest wait between probes of a link without progress. Defaults 50 ms and 1 s. */
  readonly probeMinMs: number
  readonly probeMaxMs: number
  /** Failures in a row that open a peer's circuit breaker, and for how long. Defaults 5 and 30 s. */
  readonly breakerFailures: number
  readonly breakerOpenMs: number
  /** Deadline of an ask, and of a tell or send, that names none. Defaults 10 s and 60 s. */
  readonly askTimeoutMs: number
  readonly sendTimeoutMs: number
  /** Owner deaths that a message may be in hand at: with the last it is dead-lettered as poison. 2 or more, because at a first death it isn't known what was in hand. Default 3. */
  readonly poisonDeaths: number
}

export const DEFAULT_DELIVERY_LIMITS: DeliveryLimits = {
  maxPayloadBytes: DEFAULT_MAX_PAYLOAD_BYTES,
  outboxMessagesPerPeer: 131_072,
  outboxBytesPerPeer: 64 * 1024 * 1024,
  outboxMessages: 524_288,
  outboxBytes: 256 * 1024 * 1024,
  linkBufferBytes: 8 * 1024 * 1024,
  creditBytes: 4 * 1024 * 1024,
  keptReplyBytes: 64 * 1024 * 1024,
  controlBytesPerPeer: 8 * 1024 * 1024,
  internedActors: 65_536,
  internedNames: 4_096,
  linkRetentionMs: 30_000,
  sourceRetentionMs: 3_600_000,
  receiptDelayMs: 2,
  probeMinMs: 50,
  probeMaxMs: 1_000,
  breakerFailures: 5,
  breakerOpenMs: 30_000,
  askTimeoutMs: 10_000,
  sendTimeoutMs: 60_000,
  poisonDeaths: 3,
}

/** Room that a frame needs around the largest payload: header, definitions, sender and chain. */
export const FRAME_OVERHEAD_BYTES: number = 16 * 1024

/** Fills in defaults; throws `ConfigError` naming the option. `maxFrameBytes` is the transport's. */
export function resolveDeliveryLimits(
  given: Partial<DeliveryLimits> = {},
  maxFrameBytes: number = Number.POSITIVE_INFINITY,
): DeliveryLimits {
  const limits = { ...DEFAULT_DELIVERY_LIMITS }
  for (const [name, value] of Object.entries(given)) {
    if (!(name in DEFAULT_DELIVERY_LIMITS)) throw new ConfigError(`unknown delivery limit '${name}'`)
    if (value === undefined) continue
    if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value)) {
      throw new ConfigError(`delivery limit ${name} is ${String(value)}; it must be a positive number`)
    }
    if (!name.endsWith('Ms') && !Number.isInteger(value)) throw new ConfigError(`delivery limit ${name} is ${value}; it must be whole`)
    limits[name as keyof DeliveryLimits] = value as never
  }
  checkTogether(limits, maxFrameBytes)
  return limits
}

function checkTogether(limits: DeliveryLimits, maxFrameBytes: number): void {
  if (limits.maxPayloadBytes + FRAME_OVERHEAD_BYTES > maxFrameBytes) {
    throw new ConfigError(
      `maxPayloadBytes is ${limits.maxPayloadBytes}; the transport's frames hold ${maxFrameBytes} bytes, so at most ${maxFrameBytes - FRAME_OVERHEAD_BYTES} fit`,
    )
  }
  const atLeastPayload = ['outboxBytesPerPeer', 'outboxBytes', 'linkBufferBytes', 'creditBytes', 'controlBytesPerPeer'] as const
  for (const name of atLeastPayload) {
    if (limits[name] < limits.maxPayloadBytes) {
      throw new ConfigError(`${name} is ${limits[name]}; it must hold at least one payload (maxPayloadBytes ${limits.maxPayloadBytes})`)
    }
  }
  if (limits.poisonDeaths < 2) {
    throw new ConfigError(
      `poisonDeaths is ${limits.poisonDeaths}; it must be 2 or more: at a first death it isn't known which message was in hand`,
    )
  }
  if (limits.probeMinMs > limits.probeMaxMs) {
    throw new ConfigError(`probeMinMs is ${limits.probeMinMs}; it must not exceed probeMaxMs (${limits.probeMaxMs})`)
  }
}
