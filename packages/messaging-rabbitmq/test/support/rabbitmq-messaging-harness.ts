// The messaging contract's harness over a real broker: each node reaches it through a proxy of its own.

import type { Backend } from '@cajun/backends'
import type { MessagingContractOptions, MessagingHarness } from '@cajun/contract-tests'
import { FaultProxy } from '@cajun/fault-proxy'
import { connect } from 'amqplib'
import { type RabbitMqMessagingOptions, RabbitMqMessagingSystem } from '../../src/index.ts'

export const rabbitMqMessaging = {
  capabilities: { ordered: true, durable: false, maxFrameBytes: 400_000 },
  highWaterMarkBytes: 1 << 20,
  heartbeatTimeoutMs: 1_500,
  maxReconnectDelayMs: 150,
} satisfies Omit<MessagingContractOptions, 'name' | 'harness'>

/** As many as a case of the contract has nodes, and some more. */
const MOST_NODES = 8

export async function rabbitMqMessagingHarness(
  backend: Backend,
  options: Partial<RabbitMqMessagingOptions> = {},
): Promise<MessagingHarness> {
  const url = new URL(backend.url)
  const unused = await Promise.all(Array.from({ length: MOST_NODES }, () => FaultProxy.listen({ target: url.host })))
  const proxies = new Map<string, FaultProxy>()
  const proxy = (nodeId: string): FaultProxy => {
    const made = proxies.get(nodeId) ?? unused.pop()
    if (made === undefined) throw new Error(`more than ${MOST_NODES} nodes in one case`)
    proxies.set(nodeId, made)
    return made
  }
  return {
    system: (nodeId) =>
      new RabbitMqMessagingSystem({
        url: `${url.protocol}//${proxy(nodeId).address}`,
        maxFrameBytes: rabbitMqMessaging.capabilities.maxFrameBytes,
        highWaterMarkBytes: rabbitMqMessaging.highWaterMarkBytes,
        heartbeatIntervalMs: 300,
        heartbeatTimeoutMs: rabbitMqMessaging.heartbeatTimeoutMs,
        connectTimeoutMs: 2_000,
        closeTimeoutMs: 500,
        reconnect: { minDelayMs: 20, maxDelayMs: rabbitMqMessaging.maxReconnectDelayMs },
        ...options,
      }),
    // What a node says to the broker does not get there; what others say to it does.
    cut: (from) => proxy(from).hold('toTarget'),
    restore(a, b) {
      proxy(a).release()
      proxy(b).release()
    },
    drop(a, b) {
      proxy(a).drop()
      proxy(b).drop()
    },
    ...(backend.controllable && { broker: backend }),
    async intrude(address, bytes) {
      const model = await connect(backend.url)
      const channel = await model.createConfirmChannel()
      channel.sendToQueue(address.slice(0, address.lastIndexOf('#')), Buffer.from(bytes))
      await channel.waitForConfirms()
      await model.close()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...unused, ...proxies.values()].map((made) => made.close()))
    },
  }
}
