// The public names of this package.

export { type TcpMessagingOptions, tcpMessagingDefaults } from './options.ts'
export type { ReconnectOptions } from './reconnect-delay.ts'
export { TcpMessagingSystem } from './tcp-messaging-system.ts'
