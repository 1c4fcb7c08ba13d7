// The public names of this package.

export type { FrameKey } from '@cajun/messaging-broker'
export { KafkaMessagingSystem } from './kafka-messaging-system.ts'
export { type KafkaMessagingOptions, kafkaMessagingDefaults, type TlsOptions } from './options.ts'
