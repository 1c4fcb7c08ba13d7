// A process with one messaging system, for tests that stop and kill real processes. A script of the transport's package calls `serveSystem`.

import type { MessagingSystem } from '@cajun/core/adapter'
import { leave, report, serve } from '../../../core/test/process/support/child-api.ts'
import type { StreamMessagingOptions } from '../../src/index.ts'

export function serveSystem(make: (options: StreamMessagingOptions) => MessagingSystem): void {
  let system: MessagingSystem | undefined
  let frames = 0
  let bytes = 0

  serve({
    async start(nodeId: string, processId: string, options: object) {
      system = make({ port: 0, ...options })
      return system.start(
        { clusterId: 'c', nodeId, processId },
        {
          onPeerUp: (peer) => report({ type: 'up', processId: peer.processId }),
          onPeerDown: (peer, reason) => report({ type: 'down', processId: peer.processId, reason: reason.message }),
          onFrame: (_peer, frame) => {
            frames++
            bytes += frame.byteLength
          },
          onDrain: () => {},
          onError: (error) => report({ type: 'error', message: error.message }),
        },
      )
    },
    connect(nodeId: string, processId: string, address: string) {
      system?.connect({ nodeId, processId, address })
    },
    send(nodeId: string, count: number, size: number) {
      let taken = 0
      for (let i = 0; i < count; i++) if (system?.send(nodeId, new Uint8Array(size).fill(i + 1))) taken++
      return taken
    },
    received: () => ({ frames, bytes }),
    stopAndLeave() {
      void system?.stop().then(leave)
    },
    /** Blocks the event loop. */
    block(ms: number) {
      const until = performance.now() + ms
      while (performance.now() < until);
    },
  })
}
