// The TCP transport keeps the contract of messaging systems, over real sockets and through proxies that break them.

import { messagingSystemContract } from '@cajun/contract-tests'
import { tcpMessaging, tcpMessagingHarness } from './support/tcp-messaging-harness.ts'

messagingSystemContract({ name: 'TCP', harness: tcpMessagingHarness, ...tcpMessaging })
