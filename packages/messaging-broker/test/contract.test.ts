// Transports over a broker keep the contract of messaging systems, under a clock of the suite's own. Here all processes of a node read one inbox.

import { messagingSystemContract } from '@cajun/contract-tests'
import { ManualRuntime } from '../../core/test/support/manual-runtime.ts'
import { MemoryBrokerSystem, MemoryHub, memoryBrokerOptions } from './support/memory-broker.ts'

let runs = 0

messagingSystemContract({
  name: 'a broker in memory',
  capabilities: { ordered: true, durable: false, maxFrameBytes: memoryBrokerOptions.maxFrameBytes },
  highWaterMarkBytes: memoryBrokerOptions.highWaterMarkBytes,
  heartbeatTimeoutMs: memoryBrokerOptions.heartbeatTimeoutMs,
  maxReconnectDelayMs: memoryBrokerOptions.reconnect.maxDelayMs,
  harness: () => {
    const runtime = new ManualRuntime(++runs)
    const hub = new MemoryHub(runtime)
    const inboxes = new Map<string, string>()
    return {
      runtime,
      advance: (ms) => runtime.advanceAndSettle(ms),
      system: (nodeId) => new MemoryBrokerSystem(hub, nodeId),
      route(_from, to, address) {
        inboxes.set(to, address.slice(0, address.lastIndexOf('#')))
        return address
      },
      cut: (from) => {
        hub.muted.add(from)
      },
      restore(a, b) {
        hub.muted.delete(a)
        hub.muted.delete(b)
        hub.pump()
      },
      drop(a, b) {
        hub.drop(a)
        hub.drop(b)
      },
      garble: (from) => {
        hub.garbled.add(from)
      },
      intrude: (address, bytes) => hub.inject(address.slice(0, address.lastIndexOf('#')), bytes),
      attempts: (from, to) => hub.opens.get(`${from} ${inboxes.get(to)}`) ?? 0,
      broker: {
        kill: async () => hub.kill(),
        restart: async () => {
          hub.isAlive = true
          hub.isFrozen = false
        },
        freeze: async () => {
          hub.isFrozen = true
        },
        thaw: async () => {
          hub.isFrozen = false
          hub.pump()
        },
      },
      [Symbol.asyncDispose]: async () => {},
    }
  },
})
