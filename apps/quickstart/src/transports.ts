// The transports that a cluster can speak over, by name: how their broker is started, if they have one, and how a process opens its own end. An adapter
// is loaded only when it is asked for.

import type { MessagingSystem } from '@cajun/core'
import { type RunningServer, type ServerAddress, startServer } from './servers.ts'

/** Where a process listens, and where its peers are told to connect to (a proxy). */
export interface Via {
  readonly port: number
  readonly advertise: string
}

interface DirectKind {
  /** Nodes connect to each other. */
  readonly broker: undefined
  /** No `via`: any free port, reached directly. */
  open(broker: undefined, via: Via | undefined): Promise<MessagingSystem>
}

interface BrokerKind {
  /** Starts what stands between all nodes. */
  broker(): Promise<RunningServer>
  /** `through`: the address to connect to instead of the broker's own (a proxy). */
  open(broker: ServerAddress, through: string | undefined): Promise<MessagingSystem>
}

export type TransportKind = DirectKind | BrokerKind

const kinds = {
  tcp: {
    broker: undefined,
    async open(_broker, via) {
      const { TcpMessagingSystem } = await import('@cajun/messaging-tcp')
      return new TcpMessagingSystem(via ?? { port: 0 })
    },
  },
  websocket: {
    broker: undefined,
    async open(_broker, via) {
      const { WebSocketMessagingSystem } = await import('@cajun/messaging-websocket')
      return new WebSocketMessagingSystem(via ?? { port: 0 })
    },
  },
  rabbitmq: {
    broker: () => startServer('rabbitmq', 'RabbitMQ'),
    async open({ url }: ServerAddress, through?: string) {
      const { RabbitMqMessagingSystem } = await import('@cajun/messaging-rabbitmq')
      return new RabbitMqMessagingSystem({ url: through === undefined ? url : url.replace(/[^/@]+:\d+/, through) })
    },
  },
  kafka: {
    broker: () => startServer('kafka', 'Kafka'),
    async open({ url }: ServerAddress, through?: string) {
      const { KafkaMessagingSystem } = await import('@cajun/messaging-kafka')
      const brokers = url.split(',')
      return new KafkaMessagingSystem(through === undefined ? { brokers } : { brokers, brokerAddress: () => through })
    },
  },
} satisfies Record<string, TransportKind>

export type TransportName = keyof typeof kinds
export const transports: Readonly<Record<TransportName, TransportKind>> = kinds
export const transportNames = Object.keys(kinds) as TransportName[]
