// The messaging contract's harness over real loopback sockets: between two nodes, each way of dialing leads through a proxy of its own.

import { connect } from 'node:net'
import type { MessagingContractOptions, MessagingHarness } from '@cajun/contract-tests'
import { FaultProxy } from '@cajun/fault-proxy'
import { TcpMessagingSystem } from '../../src/index.ts'

export const tcpMessaging = {
  capabilities: { ordered: true, durable: false, maxFrameBytes: 400_000 },
  highWaterMarkBytes: 1 << 20,
  heartbeatTimeoutMs: 600,
  maxReconnectDelayMs: 150,
} satisfies Omit<MessagingContractOptions, 'name' | 'harness'>

export async function tcpMessagingHarness(): Promise<MessagingHarness> {
  const cuts = new Set<string>()
  const proxies = new Map<string, FaultProxy>()
  const proxy = (from: string, to: string): FaultProxy | undefined => proxies.get(`${from} ${to}`)
  return {
    fixedAddresses: true,
    system: (_nodeId, options) =>
      new TcpMessagingSystem({
        port: options?.sameAddressAs === undefined ? 0 : Number(options.sameAddressAs.split(':').at(-1)),
        maxFrameBytes: tcpMessaging.capabilities.maxFrameBytes,
        highWaterMarkBytes: tcpMessaging.highWaterMarkBytes,
        heartbeatIntervalMs: 150,
        heartbeatTimeoutMs: tcpMessaging.heartbeatTimeoutMs,
        connectTimeoutMs: 1_000,
        closeTimeoutMs: 500,
        reconnect: { minDelayMs: 20, maxDelayMs: tcpMessaging.maxReconnectDelayMs },
      }),
    async route(from, to, address) {
      const existing = proxy(from, to)
      if (existing !== undefined) {
        existing.retarget(address)
        return existing.address
      }
      const made = await FaultProxy.listen({ target: address })
      proxies.set(`${from} ${to}`, made)
      if (cuts.has(`${from} ${to}`)) made.hold('toTarget')
      if (cuts.has(`${to} ${from}`)) made.hold('toClient')
      return made.address
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
      // A message of a type that does not exist.
      proxy(from, to)?.inject('toTarget', Uint8Array.of(0x66, 0, 0, 1, 0))
      proxy(to, from)?.inject('toClient', Uint8Array.of(0x66, 0, 0, 1, 0))
    },
    connections: (a, b) => (proxy(a, b)?.report.open ?? 0) + (proxy(b, a)?.report.open ?? 0),
    attempts: (from, to) => proxy(from, to)?.report.connections ?? 0,
    intrude: (address, bytes) =>
      new Promise((resolve) => {
        const socket = connect({ host: '127.0.0.1', port: Number(address.split(':').at(-1)) })
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
