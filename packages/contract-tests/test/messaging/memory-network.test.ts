// Core's network in memory keeps the contract: other rooms test with it.

import { messagingSystemContract } from '../../src/index.ts'
import { memoryMessaging, memoryMessagingHarness } from '../support/memory-messaging-harness.ts'

messagingSystemContract({ name: "core's test network", harness: () => memoryMessagingHarness(), ...memoryMessaging })
