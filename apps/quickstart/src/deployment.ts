// What a cluster runs on: a metadata store and a transport, chosen by name. The demo and the tests start its servers; each node process opens its own
// clients from the description that they hand to it.

import type { MessagingSystem, MetadataStore } from '@cajun/core'
import type { RunningServer, ServerAddress } from './servers.ts'
import { type StoreName, stores } from './stores.ts'
import { type TransportName, transports, type Via } from './transports.ts'

export interface DeploymentChoice {
  readonly metadata: StoreName
  readonly messaging: TransportName
}

/** Everything that a process needs to know of it; can be written as JSON. */
export interface DeploymentDescription {
  readonly metadata: { readonly name: StoreName; readonly server: ServerAddress }
  /** No broker: nodes connect to each other, by way of `via`. With one: `through` is where to connect to instead of to the broker itself. */
  readonly messaging: { readonly name: TransportName; readonly broker?: ServerAddress; readonly via?: Via; readonly through?: string }
}

export class Deployment implements AsyncDisposable {
  readonly choice: DeploymentChoice
  readonly store: RunningServer
  readonly broker: RunningServer | undefined

  private constructor(choice: DeploymentChoice, store: RunningServer, broker: RunningServer | undefined) {
    this.choice = choice
    this.store = store
    this.broker = broker
  }

  /** Starts the servers that it takes. Rejects when one of them can't be had, and leaves nothing running. */
  static async start(choice: DeploymentChoice): Promise<Deployment> {
    const [store, broker] = await Promise.allSettled([stores[choice.metadata].start(), transports[choice.messaging].broker?.()])
    if (store.status === 'fulfilled' && broker.status === 'fulfilled') return new Deployment(choice, store.value, broker.value)
    const reasons: unknown[] = []
    for (const server of [store, broker]) {
      if (server.status === 'rejected') reasons.push(server.reason)
      else await server.value?.[Symbol.asyncDispose]()
    }
    throw reasons[0]
  }

  get description(): DeploymentDescription {
    const { metadata, messaging } = this.choice
    return {
      metadata: { name: metadata, server: this.store.address },
      messaging: { name: messaging, ...(this.broker === undefined ? {} : { broker: this.broker.address }) },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.store[Symbol.asyncDispose](), this.broker?.[Symbol.asyncDispose]()])
  }
}

/** A process's own clients. */
export async function openClients({
  metadata,
  messaging,
}: DeploymentDescription): Promise<{ readonly metadata: MetadataStore; readonly messaging: MessagingSystem }> {
  const transport = transports[messaging.name]
  const open = async (): Promise<MessagingSystem> => {
    if (transport.broker === undefined) return transport.open(undefined, messaging.via)
    if (messaging.broker === undefined) throw new Error(`${messaging.name} takes the address of its broker`)
    return transport.open(messaging.broker, messaging.through)
  }
  return { metadata: await stores[metadata.name].open(metadata.server), messaging: await open() }
}
