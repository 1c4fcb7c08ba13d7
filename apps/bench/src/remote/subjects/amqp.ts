// What the floors over RabbitMQ share: a connection that publishes with confirms and one that reads, as our transport has them; a queue and messages of
// the same kind; its prefetch; one acknowledgement for all that a turn of the event loop handed over. No reconnecting, guarantees, deadlines or limits.

import { type ConfirmChannel, connect } from 'amqplib'
import type { ReceiverSetUp } from '../subject.ts'

/** The default of our transport. */
const PREFETCH = 300
/** Enough for the broker to be busy all the time; more would only fill its memory. */
const MAX_UNCONFIRMED_BYTES = 4 << 20

const open = (url: string | undefined) => connect(url as string, { noDelay: true })

/** Resolves with the queue's name. */
export async function reading({ url }: ReceiverSetUp, onContent: (content: Buffer) => void): Promise<{ readonly queue: string }> {
  const channel = await (await open(url)).createChannel()
  const { queue } = await channel.assertQueue('', {
    durable: true,
    autoDelete: false,
    arguments: { 'x-queue-type': 'classic', 'x-expires': 600_000 },
  })
  await channel.prefetch(PREFETCH)
  let lastTag = 0
  let isScheduled = false
  const acknowledge = (): void => {
    isScheduled = false
    channel.ack({ fields: { deliveryTag: lastTag } } as Parameters<typeof channel.ack>[0], true)
  }
  await channel.consume(
    queue,
    (message) => {
      if (message === null) throw new Error('the queue was deleted')
      onContent(message.content)
      lastTag = message.fields.deliveryTag
      if (isScheduled) return
      isScheduled = true
      setImmediate(acknowledge)
    },
    { exclusive: true, noAck: false },
  )
  return { queue }
}

export class Publisher {
  readonly #channel: ConfirmChannel
  readonly #queue: string
  #unconfirmedBytes = 0
  #failure: unknown
  #onRoom: (() => void) | undefined

  private constructor(channel: ConfirmChannel, queue: string) {
    this.#channel = channel
    this.#queue = queue
  }

  static async open(url: string | undefined, contact: unknown): Promise<Publisher> {
    return new Publisher(await (await open(url)).createConfirmChannel(), (contact as { queue: string }).queue)
  }

  publish(content: Buffer): void {
    this.#unconfirmedBytes += content.length
    this.#channel.publish('', this.#queue, content, { mandatory: true, persistent: false }, (error: unknown) => {
      this.#unconfirmedBytes -= content.length
      if (error) this.#failure ??= error
      if (this.#unconfirmedBytes < MAX_UNCONFIRMED_BYTES / 2) this.#onRoom?.()
    })
  }

  get isFull(): boolean {
    return this.#unconfirmedBytes >= MAX_UNCONFIRMED_BYTES
  }

  hasRoom(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRoom = resolve
    })
  }

  /** Rejects when the broker refused any. */
  async confirmed(): Promise<void> {
    await this.#channel.waitForConfirms()
    if (this.#failure !== undefined) throw this.#failure
  }
}
