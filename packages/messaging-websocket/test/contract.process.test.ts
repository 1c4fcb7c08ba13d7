// The WebSocket transport keeps the contract of messaging systems, over real sockets and through proxies that break them: with a server of its own,
// and at a path of somebody else's.

import { messagingSystemContract } from '@cajun/contract-tests'
import { contractOptions, proxiedHarness, streamMessaging } from '../../messaging-stream/test/support/proxied-harness.ts'
import { WebSocketMessagingSystem } from '../src/index.ts'

/** A frame with an opcode that does not exist. */
const garbage = Uint8Array.of(0x66, 0, 0, 1, 0)

messagingSystemContract({
  name: 'WebSocket',
  harness: () => proxiedHarness((_, options) => new WebSocketMessagingSystem(contractOptions(options)), garbage),
  ...streamMessaging,
})
