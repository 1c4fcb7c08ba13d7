// The public names of this package.

export {
  type ReconnectOptions,
  type StreamMessagingOptions as TcpMessagingOptions,
  streamMessagingDefaults as tcpMessagingDefaults,
} from '@cajun/messaging-stream'
export { TcpMessagingSystem } from './tcp-messaging-system.ts'
