// The public names of this package.

export type { ReconnectOptions } from '@cajun/messaging-stream'
export { type WebSocketMessagingOptions, webSocketMessagingDefaults } from './options.ts'
export { WebSocketMessagingSystem } from './web-socket-messaging-system.ts'
