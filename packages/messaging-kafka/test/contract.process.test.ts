// The Kafka transport keeps the contract of messaging systems, over a real broker and through proxies that break the connections to it.

import { Backend, reasonToSkip } from '@cajun/backends'
import { messagingSystemContract } from '@cajun/contract-tests'
import { afterAll, beforeAll, describe } from 'vitest'
import { kafkaMessaging, kafkaMessagingHarness } from './support/kafka-messaging-harness.ts'

const skip = await reasonToSkip('kafka')

describe.skipIf(skip !== undefined)(skip ?? 'with a broker', () => {
  let backend: Backend
  beforeAll(async () => {
    backend = await Backend.start('kafka')
  })
  afterAll(() => backend?.stop())
  messagingSystemContract({ name: 'Kafka', harness: () => kafkaMessagingHarness(backend), ...kafkaMessaging })
})
