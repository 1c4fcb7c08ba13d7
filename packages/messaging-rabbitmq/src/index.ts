// The public names of this package.

export type { FrameKey } from '@cajun/messaging-broker'
export { type RabbitMqMessagingOptions, rabbitMqDefaults } from './options.ts'
export { RabbitMqMessagingSystem } from './rabbitmq-messaging-system.ts'
