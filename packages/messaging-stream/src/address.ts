// `host:port` and `[v6]:port`, and which hosts only this machine can reach. Pure.

import { isIPv4, isIPv6 } from 'node:net'

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Undefined: it is not an address. */
export function parseAddress(address: string): HostPort | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(address)
  if (match === null) return undefined
  const host = match[1] ?? match[2] ?? ''
  const port = Number(match[3])
  if (port < 1 || port > 65_535 || (match[1] !== undefined && !isIPv6(host))) return undefined
  return { host, port }
}

export function formatHostPort(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.')
  return host === 'localhost' || host === '::1' || /^::ffff:127\./i.test(host)
}

/** A host that means "every interface" is no address for others to connect to. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === ''
}
