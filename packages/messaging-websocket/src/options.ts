// Options of WebSocketMessagingSystem: those of every transport over a stream of bytes, and where in the world of HTTP it lives.

import { Server } from 'node:http'
import { Server as SecureServer } from 'node:https'
import { ConfigError } from '@cajun/core/adapter'
import {
  type ResolvedStreamOptions,
  resolveStreamOptions,
  type StreamMessagingOptions,
  streamMessagingDefaults,
} from '@cajun/messaging-stream'
import { parseUrl } from './url.ts'

export interface WebSocketMessagingOptions extends Omit<StreamMessagingOptions, 'port' | 'advertise'> {
  /** 0: the system picks one, and `start` tells which. Required unless `server` is given. */
  readonly port?: number
  /**
   * Take connections at `path` of this server instead of listening. It must be listening when `start` is called, and is not closed by `stop`. With option `tls` it must be one
   * of node:https made with `requestCert: true` and the authority of `tls.caFile`; its own certificate is its owner's affair, reloading included.
   */
  readonly server?: Server | SecureServer
  /** Where connections are taken. Default `/cajun`. */
  readonly path?: string
  /**
   * Under which URL (`ws://…` or `wss://…`) others reach this process, if that is not where it listens: that of the proxy or load balancer, which must lead to
   * this very process. `host` or `host:port` alone take the rest from where it listens. Required when it listens on every interface.
   */
  readonly advertise?: string
}

export interface ResolvedWebSocketOptions {
  readonly stream: ResolvedStreamOptions
  readonly server: Server | SecureServer | undefined
  readonly path: string
  /** A whole URL; what is less than that is in `stream.advertise`. */
  readonly advertisedUrl: string | undefined
}

export const webSocketMessagingDefaults: typeof streamMessagingDefaults & { readonly path: string } = {
  ...streamMessagingDefaults,
  path: '/cajun',
}

/** Throws {@link ConfigError} that names the option, its value and what would be right. */
export function resolveWebSocketOptions(options: WebSocketMessagingOptions): ResolvedWebSocketOptions {
  const { server, path = webSocketMessagingDefaults.path, port, advertise, ...rest } = options
  if (typeof path !== 'string' || !/^\/[\w\-./~%]*$/.test(path)) {
    throw new ConfigError(`option path is '${String(path)}'; it must begin with / and hold no query, such as '/cajun'`)
  }
  const isUrl = typeof advertise === 'string' && advertise.includes('://')
  if (isUrl && parseUrl(advertise) === undefined) {
    throw new ConfigError(`option advertise is '${advertise}'; it must be ws://host:port/path or wss://host:port/path, host, or host:port`)
  }
  if (server !== undefined) {
    const given: unknown = server
    if (!(given instanceof Server || given instanceof SecureServer)) {
      throw new ConfigError('option server must be a server of node:http or node:https')
    }
    for (const name of ['port', 'host'] as const) {
      if (options[name] !== undefined) throw new ConfigError(`option ${name} is given beside option server, which listens by itself`)
    }
  } else if (port === undefined) {
    throw new ConfigError('option port is missing: a port, 0 for any that is free, or option server instead of it')
  }
  // A whole URL says where others go; then it does not matter that `host` means every interface.
  const stream = resolveStreamOptions({
    ...rest,
    port: port ?? 0,
    ...(advertise === undefined ? {} : { advertise: isUrl ? new URL(advertise).hostname : advertise }),
  })
  return { stream, server, path, advertisedUrl: isUrl ? advertise : undefined }
}
