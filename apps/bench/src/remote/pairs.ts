// The pairs of processes of a group: each is started when it is needed first, and idle unless it is its turn.

import { SubjectPair } from './subject-pair.ts'
import { prepareTransport } from './transports.ts'

export type LazyPair = () => Promise<SubjectPair>

export class Pairs {
  readonly #transport: string
  readonly #server: Awaited<ReturnType<typeof prepareTransport>>
  readonly #started = new Map<string, Promise<SubjectPair>>()
  readonly cajun: LazyPair = () => this.#start('cajun', this.#transport)
  /** The same over TCP, where the transport is another. */
  readonly tcp: LazyPair | undefined
  readonly raw: LazyPair = () => this.#start('raw', 'tcp')
  readonly socket: LazyPair = () => this.#start('socket', 'tcp')
  /** The floors over RabbitMQ, where that is the transport. */
  readonly packed: LazyPair | undefined
  readonly oneEach: LazyPair | undefined
  readonly moleculer: LazyPair = () => this.#start('moleculer', 'tcp')

  private constructor(transport: string, server: Awaited<ReturnType<typeof prepareTransport>>) {
    this.#transport = transport
    this.#server = server
    if (transport === 'rabbitmq') {
      this.packed = () => this.#start('amqp-packed', transport)
      this.oneEach = () => this.#start('amqp-single', transport)
    }
    if (transport !== 'tcp') this.tcp = () => this.#start('cajun', 'tcp')
  }

  /** Rejects with `Unavailable` when the transport's package or server is missing. */
  static async over(transport: string): Promise<Pairs> {
    return new Pairs(transport, await prepareTransport(transport))
  }

  #start(name: string, transport: string): Promise<SubjectPair> {
    const key = `${name} over ${transport}`
    let pair = this.#started.get(key)
    if (pair === undefined) {
      pair = SubjectPair.start(name, { transport, url: this.#server.url })
      this.#started.set(key, pair)
    }
    return pair
  }

  async close(): Promise<void> {
    for (const pair of await Promise.allSettled(this.#started.values())) if (pair.status === 'fulfilled') await pair.value.close()
    await this.#server.close()
  }
}
