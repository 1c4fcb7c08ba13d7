// The TCP transport keeps the contract of messaging systems, over real sockets and through proxies that break them.

import { messagingSystemContract } from '@cajun/contract-tests'
import { contractOptions, proxiedHarness, streamMessaging } from '../../messaging-stream/test/support/proxied-harness.ts'
import { TcpMessagingSystem } from '../src/index.ts'

/** A message of a type that does not exist. */
const garbage = Uint8Array.of(0x66, 0, 0, 1, 0)

messagingSystemContract({
  name: 'TCP',
  harness: () => proxiedHarness((_, options) => new TcpMessagingSystem(contractOptions(options)), garbage),
  ...streamMessaging,
})
