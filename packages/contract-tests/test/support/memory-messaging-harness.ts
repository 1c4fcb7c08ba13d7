// The messaging contract's harness over core's network in memory, in virtual time: what the suite itself is tested with.

import type { MessagingSystem } from '@cajun/core/adapter'
import { ManualRuntime } from '../../../core/test/support/manual-runtime.ts'
import { MemoryNetwork } from '../../../core/test/support/memory-network.ts'
import type { MessagingContractOptions, MessagingHarness } from '../../src/index.ts'

export const memoryMessaging = {
  capabilities: { ordered: true, durable: false, maxFrameBytes: 300_000 },
  highWaterMarkBytes: 1 << 20,
  heartbeatTimeoutMs: 400,
  maxReconnectDelayMs: 1_000,
} satisfies Omit<MessagingContractOptions, 'name' | 'harness'>

/** `make` may wrap each system, to break it. */
export function memoryMessagingHarness(
  make: (system: MessagingSystem, network: MemoryNetwork) => MessagingSystem = (system) => system,
  tune: (network: MemoryNetwork) => void = () => {},
): MessagingHarness {
  const runtime = new ManualRuntime()
  const network = new MemoryNetwork({
    runtime,
    maxFrameBytes: memoryMessaging.capabilities.maxFrameBytes,
    highWaterMarkBytes: memoryMessaging.highWaterMarkBytes,
    heartbeatTimeoutMs: memoryMessaging.heartbeatTimeoutMs,
  })
  tune(network)
  return {
    runtime,
    advance: (ms) => runtime.advanceAndSettle(ms),
    fixedAddresses: true,
    system: (_nodeId, options) =>
      make(network.open(options?.sameAddressAs === undefined ? {} : { address: options.sameAddressAs }), network),
    cut: (from, to) => network.cutOneWay(from, to),
    restore: (a, b) => network.restore(a, b),
    drop: (a, b) => network.drop(a, b),
    freeze: (nodeId) => network.freeze(nodeId),
    thaw: (nodeId) => network.thaw(nodeId),
    intrude: (address) => network.intrude(address),
    garble: (from, to) => network.garble(from, to),
    connections: (a, b) => network.connections(a, b),
    attempts: (from, to) => network.attempts(from, to),
    async [Symbol.asyncDispose]() {},
  }
}
