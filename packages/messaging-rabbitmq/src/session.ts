// One life of the connection to the broker: two AMQP connections, one that publishes and one that reads, with a channel each. The broker stops reading
// from a connection that publishes faster than it can store; on a connection of their own, deliveries and their acknowledgements go on.
//
// Whatever goes wrong ends the whole session, once; the next one is made by its owner. amqplib's own recovery is not used: it restores
// connections only, not the channels, queues and consumers on them.

import { connect as openSocket } from 'node:net'
import { TransportError } from '@cajun/core/adapter'
import type { ChannelModel, ConfirmChannel, Channel as ReadChannel } from 'amqplib'
import { connect } from 'amqplib'
import type { ResolvedRabbitMqOptions } from './options.ts'

export interface SessionEvents {
  onMessage(content: Uint8Array): void
  /** Once, and last: unless this side ended it. */
  onEnd(reason: Error): void
  /** It takes nothing, or everything again. */
  onBlocked(reason: string): void
  onUnblocked(): void
}

const ACCESS_REFUSED = 403

export class Session {
  readonly #options: ResolvedRabbitMqOptions
  readonly #inbox: string
  readonly #events: SessionEvents
  readonly #abort = new AbortController()
  readonly #models: ChannelModel[] = []
  #writer: ConfirmChannel | undefined
  #ended = false
  #lastTag = 0
  #ackScheduled = false
  #published = 0
  readonly #returned = new Set<string>()
  #unconfirmed = 0
  #whenConfirmed: (() => void) | undefined

  private constructor(options: ResolvedRabbitMqOptions, inbox: string, events: SessionEvents) {
    this.#options = options
    this.#inbox = inbox
    this.#events = events
  }

  /** Connects, makes the inbox and reads it. Rejects with {@link TransportError} within `connectTimeoutMs`; nothing is left then. */
  static async open(options: ResolvedRabbitMqOptions, url: URL, inbox: string, events: SessionEvents, stop: AbortSignal): Promise<Session> {
    const session = new Session(options, inbox, events)
    const late = Promise.withResolvers<never>()
    const { connectTimeoutMs } = options
    const timer = options.runtime.setTimer(
      () => late.reject(new TransportError(`no answer within ${connectTimeoutMs} ms (option connectTimeoutMs)`)),
      connectTimeoutMs,
    )
    const stopped = (): void => late.reject(new TransportError('this messaging system was stopped'))
    stop.addEventListener('abort', stopped)
    try {
      await Promise.race([session.#open(url), late.promise, session.#failed.promise])
      return session
    } catch (error) {
      session.destroy()
      throw new TransportError(`RabbitMQ at ${url.host}: ${(error as Error).message}`, { cause: error })
    } finally {
      timer.cancel()
      stop.removeEventListener('abort', stopped)
    }
  }

  /** Rejects when it ends. */
  readonly #failed = Promise.withResolvers<never>()

  publish(inbox: string, packet: Uint8Array, settled: (error?: Error) => void): void {
    const id = (++this.#published).toString(36)
    const done = (error: unknown): void => {
      this.#unconfirmed--
      if (this.#unconfirmed === 0) this.#whenConfirmed?.()
      if (error) settled(new TransportError(`the broker did not take a packet for ${inbox}: ${(error as Error).message}`))
      // It is confirmed all the same, afterwards.
      else if (this.#returned.delete(id)) settled(new TransportError(`there is no inbox ${inbox}: its process has ended, or never was`))
      else settled()
    }
    this.#unconfirmed++
    try {
      const content = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength)
      this.#writer?.publish('', inbox, content, { mandatory: true, persistent: false, messageId: id }, done)
    } catch (error) {
      // A channel that ended throws.
      this.#options.runtime.endOfTurn(() => done(error))
    }
  }

  /** Resolves when the broker has everything that was published, or the session has ended. */
  async confirmed(): Promise<void> {
    if (this.#unconfirmed === 0 || this.#ended) return
    const all = new Promise<void>((resolve) => {
      this.#whenConfirmed = resolve
    })
    await Promise.race([all, this.#failed.promise.catch(() => {})])
  }

  /** Removes the inbox and says good-bye. */
  async close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#writer?.deleteQueue(this.#inbox)
    for (const model of this.#models) await model.close()
  }

  /** Ends it at once; nothing more is told. */
  destroy(): void {
    this.#ended = true
    this.#abort.abort()
  }

  async #open(url: URL): Promise<void> {
    const [outgoing, incoming] = await Promise.all([this.#connect(url), this.#connect(url)])
    outgoing.on('blocked', (reason: string) => this.#events.onBlocked(reason))
    outgoing.on('unblocked', () => this.#events.onUnblocked())
    const writer = await outgoing.createConfirmChannel()
    this.#watch(writer, 'the publishing channel')
    writer.on('return', (message: { properties: { messageId?: string } }) => this.#returned.add(message.properties.messageId ?? ''))
    this.#writer = writer
    await this.#read(incoming)
  }

  async #connect(url: URL): Promise<ChannelModel> {
    const { credentials, heartbeatTimeoutMs } = this.#options
    const model = await connect(
      {
        protocol: url.protocol.slice(0, -1),
        hostname: url.hostname.replaceAll(/[[\]]/g, ''),
        ...(url.port !== '' && { port: Number(url.port) }),
        username: credentials?.username ?? (decodeURIComponent(url.username) || 'guest'),
        password: credentials?.password ?? (decodeURIComponent(url.password) || 'guest'),
        vhost: url.pathname.length > 1 ? url.pathname.slice(1) : '/',
        // In whole seconds. Two silent ones in a row end the connection: so a frozen broker is found when nobody else finds it.
        heartbeat: Math.max(1, Math.floor(heartbeatTimeoutMs / 3_000)),
        frameMax: 131_072,
      },
      this.#socketOptions(url),
    )
    // Whatever it still emits, also after its end: an 'error' that nobody listens to would end the process.
    model.on('error', (error: Error) => this.#end(error))
    model.on('close', (error?: Error) => this.#end(error ?? new Error('the broker closed the connection')))
    this.#models.push(model)
    if (this.#ended) this.#abort.abort()
    return model
  }

  /** `signal`: the only way to a socket that amqplib is still opening, or whose broker does not answer a close. */
  #socketOptions(url: URL): object {
    const { signal } = this.#abort
    // Off by default: small packets would wait for the acknowledgement of the one before.
    const common = { noDelay: true, clientProperties: { connection_name: this.#inbox } }
    if (url.protocol === 'amqp:') return { ...common, signal }
    const socket = openSocket({ host: url.hostname.replaceAll(/[[\]]/g, ''), port: Number(url.port || 5671), signal, noDelay: true })
    socket.on('error', () => {})
    return { ...common, ...this.#options.tls, socket }
  }

  async #read(model: ChannelModel): Promise<void> {
    try {
      await this.#consume(await this.#readChannel(model))
    } catch (error) {
      if ((error as { code?: number }).code !== ACCESS_REFUSED) throw error
      // The connection that this process had before still holds the inbox: the broker has not noticed that it is gone, and may not for a minute. What is in
      // it belongs to channels that broke; so a new one takes its place.
      const channel = await this.#readChannel(model)
      await channel.deleteQueue(this.#inbox)
      await this.#consume(channel)
    }
  }

  async #readChannel(model: ChannelModel): Promise<ReadChannel> {
    const channel = await model.createChannel()
    channel.on('error', (error: Error & { code?: number }) => {
      if (error.code !== ACCESS_REFUSED) this.#end(error)
    })
    return channel
  }

  async #consume(channel: ReadChannel): Promise<void> {
    const { inboxExpiresMs, maxInboxBytes, prefetch } = this.#options
    await channel.assertQueue(this.#inbox, {
      durable: true,
      exclusive: false,
      autoDelete: false,
      arguments: {
        'x-queue-type': 'classic',
        'x-expires': inboxExpiresMs,
        'x-max-length-bytes': maxInboxBytes,
        'x-overflow': 'reject-publish',
      },
    })
    await channel.prefetch(prefetch)
    await channel.consume(
      this.#inbox,
      (message) => {
        if (this.#ended) return
        if (message === null) return this.#end(new Error(`the inbox ${this.#inbox} was deleted`))
        this.#events.onMessage(message.content)
        this.#acknowledge(channel, message.fields.deliveryTag)
      },
      { exclusive: true, noAck: false },
    )
    this.#watch(channel, 'the reading channel')
  }

  /** All that one turn of the event loop handed over at once. */
  #acknowledge(channel: ReadChannel, deliveryTag: number): void {
    this.#lastTag = deliveryTag
    if (this.#ackScheduled) return
    this.#ackScheduled = true
    this.#options.runtime.endOfTurn(() => {
      this.#ackScheduled = false
      if (this.#ended) return
      try {
        channel.ack({ fields: { deliveryTag: this.#lastTag } } as Parameters<ReadChannel['ack']>[0], true)
      } catch (error) {
        this.#end(error as Error)
      }
    })
  }

  #watch(channel: ReadChannel, what: string): void {
    channel.on('error', (error: Error) => this.#end(error))
    channel.on('close', () => this.#end(new Error(`${what} was closed`)))
  }

  #end(error: Error): void {
    if (this.#ended) return
    this.destroy()
    const reason = new TransportError(`the connection to the broker was lost: ${error.message}`, { cause: error })
    this.#failed.reject(reason)
    this.#failed.promise.catch(() => {})
    this.#events.onEnd(reason)
  }
}
