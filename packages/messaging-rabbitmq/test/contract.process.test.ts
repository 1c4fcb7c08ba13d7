// The RabbitMQ transport keeps the contract of messaging systems, over a real broker and through proxies that break the connections to it.

import { Backend, reasonToSkip } from '@cajun/backends'
import { messagingSystemContract } from '@cajun/contract-tests'
import { afterAll, beforeAll, describe } from 'vitest'
import { rabbitMqMessaging, rabbitMqMessagingHarness } from './support/rabbitmq-messaging-harness.ts'

const skip = await reasonToSkip('rabbitmq')

describe.skipIf(skip !== undefined)(skip ?? 'with a broker', () => {
  let backend: Backend
  beforeAll(async () => {
    backend = await Backend.start('rabbitmq')
  })
  afterAll(() => backend?.stop())
  messagingSystemContract({ name: 'RabbitMQ', harness: () => rabbitMqMessagingHarness(backend), ...rabbitMqMessaging })
})
