// The messaging contract's harness over a real broker: each node reaches it through a proxy of its own.

import type { Backend } from '@cajun/backends'
import type { MessagingContractOptions, MessagingHarness } from '@cajun/contract-tests'
import { FaultProxy } from '@cajun/fault-proxy'
import kafkajs from 'kafkajs'
import { type KafkaMessagingOptions, KafkaMessagingSystem } from '../../src/index.ts'

export const kafkaMessaging = {
  capabilities: { ordered: true, durable: false, maxFrameBytes: 400_000 },
  highWaterMarkBytes: 1 << 20,
  heartbeatTimeoutMs: 1_500,
  maxReconnectDelayMs: 150,
} satisfies Omit<MessagingContractOptions, 'name' | 'harness'>

/** As many as a case of the contract has nodes, and some more. */
const MOST_NODES = 8

export async function kafkaMessagingHarness(backend: Backend, options: Partial<KafkaMessagingOptions> = {}): Promise<MessagingHarness> {
  const unused = await Promise.all(Array.from({ length: MOST_NODES }, () => FaultProxy.listen({ target: backend.url })))
  const proxies = new Map<string, FaultProxy>()
  const proxy = (nodeId: string): FaultProxy => {
    const made = proxies.get(nodeId) ?? unused.pop()
    if (made === undefined) throw new Error(`more than ${MOST_NODES} nodes in one case`)
    proxies.set(nodeId, made)
    return made
  }
  return {
    system: (nodeId) =>
      new KafkaMessagingSystem({
        brokers: [backend.url],
        brokerAddress: () => proxy(nodeId).address,
        maxFrameBytes: kafkaMessaging.capabilities.maxFrameBytes,
        highWaterMarkBytes: kafkaMessaging.highWaterMarkBytes,
        heartbeatIntervalMs: 300,
        heartbeatTimeoutMs: kafkaMessaging.heartbeatTimeoutMs,
        requestTimeoutMs: 2_000,
        closeTimeoutMs: 500,
        reconnect: { minDelayMs: 20, maxDelayMs: kafkaMessaging.maxReconnectDelayMs },
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
      const kafka = new kafkajs.Kafka({ brokers: [backend.url], logLevel: kafkajs.logLevel.NOTHING })
      const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
      await producer.connect()
      await producer.send({ topic: address.slice(0, address.lastIndexOf('#')), messages: [{ value: Buffer.from(bytes) }] })
      await producer.disconnect()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...unused, ...proxies.values()].map((made) => made.close()))
    },
  }
}
