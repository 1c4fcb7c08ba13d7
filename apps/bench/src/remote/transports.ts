// The transports by name. A package that isn't installed, or a server that this machine lacks, makes its suite unavailable, and says so.

import { createServer } from 'node:net'
import { Backend, type BackendName, backendNames, locate } from '@cajun/backends'
import type { MessagingSystem } from '@cajun/core/adapter'
import { Unavailable } from '../measure.ts'
import { securityOf } from './certificates.ts'
import type { NodeId, ReceiverSetUp } from './subject.ts'

interface Transport {
  readonly package: string
  /** Its class. */
  readonly exports: string
  /** The server that it needs. */
  readonly backend?: string
  options(setUp: ReceiverSetUp, nodeId: NodeId): object
}

const listening = ({ via, certificates }: ReceiverSetUp, nodeId: NodeId): object => ({
  ...(via ?? { port: 0 }),
  ...(certificates === undefined ? {} : securityOf(nodeId, certificates)),
})

const transports: Readonly<Record<string, Transport>> = {
  tcp: { package: '@cajun/messaging-tcp', exports: 'TcpMessagingSystem', options: listening },
  websocket: { package: '@cajun/messaging-websocket', exports: 'WebSocketMessagingSystem', options: listening },
  rabbitmq: {
    package: '@cajun/messaging-rabbitmq',
    exports: 'RabbitMqMessagingSystem',
    backend: 'rabbitmq',
    options: ({ url }) => ({ url }),
  },
  kafka: {
    package: '@cajun/messaging-kafka',
    exports: 'KafkaMessagingSystem',
    backend: 'kafka',
    // A broker names itself as it is reached without a proxy.
    options: ({ url }) => ({ brokers: [url], brokerAddress: () => url as string }),
  },
}

export const transportNames: readonly string[] = Object.keys(transports)

export async function openTransport(setUp: ReceiverSetUp, nodeId: NodeId): Promise<MessagingSystem> {
  const transport = find(setUp.transport)
  const Class = await load(setUp.transport, transport)
  return new Class(transport.options(setUp, nodeId))
}

/** Starts what the transport needs. Rejects with `Unavailable`, saying what is missing. */
export async function prepareTransport(name: string): Promise<{ readonly url: string | undefined; close(): Promise<void> }> {
  const transport = find(name)
  await load(name, transport)
  const { backend } = transport
  if (backend === undefined) return { url: undefined, close: () => Promise.resolve() }
  if (!(backendNames as readonly string[]).includes(backend)) throw new Unavailable(`@cajun/backends can't start ${backend}`)
  const location = await locate(backend as BackendName)
  if (!location.available) throw new Unavailable(`${location.reason}. ${location.remedy}`)
  const server = await Backend.start(backend as BackendName)
  return { url: server.url, close: () => server[Symbol.asyncDispose]() }
}

/** Whether nodes reach each other through a server, and not one another's address. */
export function isBroker(name: string): boolean {
  return find(name).backend !== undefined
}

function find(name: string): Transport {
  const transport = transports[name]
  if (transport === undefined) throw new Error(`no transport is called '${name}'; there are ${transportNames.join(', ')}`)
  return transport
}

async function load(name: string, transport: Transport): Promise<new (options: object) => MessagingSystem> {
  const module = (await import(transport.package).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_MODULE_NOT_FOUND') throw new Unavailable(`${transport.package} is not installed`)
    throw error
  })) as Record<string, unknown>
  const Class = module[transport.exports]
  if (typeof Class !== 'function') throw new Error(`${transport.package} (${name}) exports no ${transport.exports}`)
  return Class as new (
    options: object,
  ) => MessagingSystem
}

/** A port that was free a moment ago, for a node whose address a proxy has to know beforehand. */
export function portForNode(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen({ port: 0, host: '127.0.0.1' }, () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
