// Options of every transport over a broker.

import { type ConnectionOptions, type ResolvedConnectionOptions, resolveConnectionOptions } from '@cajun/messaging-stream'
import { type FrameKey, FrameKeys } from './frame-key.ts'

export interface BrokerMessagingOptions extends ConnectionOptions {
  /**
   * Signs each packet, so that one who may write to the broker and does not have the key can't act as a node. Every node has the same. The first key signs,
   * all are believed; to exchange one: add the new one behind it everywhere, then put it first everywhere, then take the old one away. Default: none.
   */
  readonly frameKeys?: readonly FrameKey[]
}

export interface ResolvedBrokerOptions extends ResolvedConnectionOptions {
  readonly keys: FrameKeys
}

/** Throws `ConfigError` that names the option, its value and what would be right. Other options than these are passed on. */
export function resolveBrokerOptions<T extends BrokerMessagingOptions>(options: T): T & ResolvedBrokerOptions {
  return { ...resolveConnectionOptions(options), keys: new FrameKeys(options.frameKeys ?? []) }
}
