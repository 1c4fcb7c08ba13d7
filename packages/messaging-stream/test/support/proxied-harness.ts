// The messaging contract's harness over real loopback sockets, for every transport over a stream of bytes: between two nodes, each way of dialing
// leads through a proxy of its own.

import { connect } from 'node:net'
import type { MessagingContractOptions, MessagingHarness, SystemOptions } from '@cajun/contract-tests'
import type { MessagingSystem } from '@cajun/core/adapter'
import { FaultProxy } from '@cajun/fault-proxy'
import type { StreamMessagingOptions } from '../../src/index.ts'

export const streamMessaging = {
  capabilities: { ordered: true, durable: false, maxFrameBytes: 400_000 },
  highWaterMarkBytes: 1 << 20,
  heartbeatTimeoutMs: 600,
  maxReconnectDelayMs: 150,
} satisfies Omit<MessagingContractOptions, 'name' | 'harness'>

/** What systems in the contract suite are made with. */
export function contractOptions(options?: SystemOptions): StreamMessagingOptions {
  return {
    port: options?.sameAddressAs === undefined ? 0 : Number(hostPortOf(options.sameAddressAs).split(':').at(-1)),
    maxFrameBytes: streamMessaging.capabilities.maxFrameBytes,
    highWaterMarkBytes: streamMessaging.highWaterMarkBytes,
    heartbeatIntervalMs: 150,
    heartbeatTimeoutMs: streamMessaging.heartbeatTimeoutMs,
    connectTimeoutMs: 1_000,
    closeTimeoutMs: 500,
    reconnect: { minDelayMs: 20, maxDelayMs: streamMessaging.maxReconnectDelayMs },
  }
}

/** Of `host:port` or a URL. */
function hostPortOf(address: string): string {
  return address.includes('://') ? new URL(address).host : address
}

export async function proxiedHarness(
  system: (nodeId: string, options: SystemOptions | undefined) => MessagingSystem,
  garbage: Uint8Array,
): Promise<MessagingHarness> {
  const cuts = new Set<string>()
  const proxies = new Map<string, FaultProxy>()
  const proxy = (from: string, to: string): FaultProxy | undefined => proxies.get(`${from} ${to}`)
  return {
    fixedAddresses: true,
    system,
    async route(from, to, address) {
      const existing = proxy(from, to)
      if (existing !== undefined) {
        existing.retarget(hostPortOf(address))
        return address.replace(hostPortOf(address), existing.address)
      }
      const made = await FaultProxy.listen({ target: hostPortOf(address) })
      proxies.set(`${from} ${to}`, made)
      if (cuts.has(`${from} ${to}`)) made.hold('toTarget')
      if (cuts.has(`${to} ${from}`)) made.hold('toClient')
      return address.replace(hostPortOf(address), made.address)
    },
    cut(from, to) {
      cuts.add(`${from} ${to}`)
      proxy(from, to)?.hold('toTarget')
      proxy(to, from)?.hold('toClient')
    },
    restore(a, b) {
      cuts.delete(`${a} ${b}`)
      cuts.delete(`${b} ${a}`)
      proxy(a, b)?.release()
      proxy(b, a)?.release()
    },
    drop(a, b) {
      proxy(a, b)?.drop()
      proxy(b, a)?.drop()
    },
    garble(from, to) {
      proxy(from, to)?.inject('toTarget', garbage)
      proxy(to, from)?.inject('toClient', garbage)
    },
    connections: (a, b) => (proxy(a, b)?.report.open ?? 0) + (proxy(b, a)?.report.open ?? 0),
    attempts: (from, to) => proxy(from, to)?.report.connections ?? 0,
    intrude: (address, bytes) =>
      new Promise((resolve) => {
        const socket = connect({ host: '127.0.0.1', port: Number(hostPortOf(address).split(':').at(-1)) })
        socket.on('error', () => {})
        socket.on('close', () => resolve())
        socket.resume()
        socket.end(bytes)
      }),
    async [Symbol.asyncDispose]() {
      await Promise.all([...proxies.values()].map((made) => made.close()))
    },
  }
}
