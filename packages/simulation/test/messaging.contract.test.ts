// The simulated transport in calm weather keeps the whole contract of a messaging system. One host for each system, so that a node's second
// process finds its own.

import { messagingSystemContract } from '../../contract-tests/src/index.ts'
import type { SimulatedProcess } from '../src/host.ts'
import { SimulatedMessaging } from '../src/messaging.ts'
import { World } from './support/world.ts'

messagingSystemContract({
  name: 'simulated',
  capabilities: { ordered: true, durable: false, maxFrameBytes: 64 << 10 },
  highWaterMarkBytes: 128 << 10,
  heartbeatTimeoutMs: 1_000,
  maxReconnectDelayMs: 500,
  harness: () => {
    const world = new World(1, { highWaterBytes: 128 << 10, maxFrameBytes: 64 << 10 })
    const processes = new Map<string, SimulatedProcess>()
    return {
      runtime: world.boot('clock').runtime,
      advance: (ms) => world.loop.run(world.loop.nowMs + ms),
      system: (nodeId) => {
        const process = world.boot(nodeId)
        processes.set(nodeId, process)
        return new SimulatedMessaging(world.network, process)
      },
      cut: (from, to) => world.network.cut(from, to),
      restore: () => world.network.healAll(),
      drop: (a, b) => world.network.reset(a, b),
      freeze: (nodeId) => processes.get(nodeId)?.pause('stall', 1e9),
      thaw: (nodeId) => processes.get(nodeId)?.resume(),
      [Symbol.asyncDispose]: async () => {},
    }
  },
})
