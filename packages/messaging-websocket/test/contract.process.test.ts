// The WebSocket transport keeps the contract of messaging systems, over real sockets and through proxies that break them: plain, and with TLS and a
// shared secret.

import { messagingSystemContract } from '@cajun/contract-tests'
import { afterAll, beforeAll } from 'vitest'
import { type CertifiedNodes, certifiedNodes } from '../../messaging-stream/test/support/certified-nodes.ts'
import { contractOptions, proxiedHarness, streamMessaging } from '../../messaging-stream/test/support/proxied-harness.ts'
import { WebSocketMessagingSystem } from '../src/index.ts'

/** A frame with an opcode that does not exist. */
const garbage = Uint8Array.of(0x66, 0, 0, 1, 0)

messagingSystemContract({
  name: 'WebSocket',
  harness: () => proxiedHarness((_, options) => new WebSocketMessagingSystem(contractOptions(options)), garbage),
  ...streamMessaging,
})

let nodes: CertifiedNodes

beforeAll(async () => {
  nodes = await certifiedNodes()
})

afterAll(() => nodes.remove())

messagingSystemContract({
  name: 'WebSocket with TLS',
  clusterId: 'contract',
  harness: () =>
    proxiedHarness(
      (nodeId, options) => new WebSocketMessagingSystem({ ...contractOptions(options), ...nodes.optionsOf(nodeId, options?.clusterId) }),
      garbage,
    ),
  ...streamMessaging,
})
