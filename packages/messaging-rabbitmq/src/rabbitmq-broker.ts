// RabbitMQ as a broker: keeps a session, and makes the next one when it ends. One inbox for each process, a durable queue that expires when nobody reads it.

import { type LocalIdentity, type Timer, TransportError } from '@cajun/core/adapter'
import type { Broker, BrokerEvents } from '@cajun/messaging-broker'
import { reconnectDelayMs } from '@cajun/messaging-broker'
import type { ResolvedRabbitMqOptions } from './options.ts'
import { Session } from './session.ts'

/** AMQP's limit for names. */
const MAX_INBOX_BYTES = 255

interface Held {
  readonly inbox: string
  readonly packet: Uint8Array
  readonly settled: (error?: Error) => void
}

export class RabbitMqBroker implements Broker {
  /** One AMQP frame of the default size would be 128 KiB; more is split by the client at little cost. */
  readonly maxPacketBytes: number = 1 << 20
  readonly #options: ResolvedRabbitMqOptions
  #inbox = ''
  #events: BrokerEvents | undefined
  #session: Session | undefined
  readonly #stop = new AbortController()
  #retry: Timer | undefined
  #attempts = 0
  #opening: Promise<void> | undefined
  /** While the broker is short of memory or disk it reads nothing: what would be sent waits here. */
  #held: Held[] | undefined
  #reported: string | undefined

  constructor(options: ResolvedRabbitMqOptions) {
    this.#options = options
  }

  get isUp(): boolean {
    return this.#session !== undefined
  }

  inboxOf({ clusterId, nodeId, processId }: LocalIdentity): string {
    const inbox = [this.#options.prefix, clusterId, 'inbox', nodeId, processId].map(encodeURIComponent).join('/')
    if (Buffer.byteLength(inbox) > MAX_INBOX_BYTES) {
      throw new TypeError(
        `the inbox would be called ${inbox}; RabbitMQ's names have at most ${MAX_INBOX_BYTES} bytes: shorten cluster or node id`,
      )
    }
    return inbox
  }

  async open(inbox: string, events: BrokerEvents): Promise<void> {
    this.#inbox = inbox
    this.#events = events
    await this.#connect()
  }

  publish(inbox: string, packet: Uint8Array, settled: (error?: Error) => void): void {
    if (this.#held !== undefined) this.#held.push({ inbox, packet, settled })
    else if (this.#session !== undefined) this.#session.publish(inbox, packet, settled)
    else this.#options.runtime.endOfTurn(() => settled(new TransportError('the broker can not be reached')))
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#retry?.cancel()
    await this.#opening?.catch(() => {})
    const session = this.#session
    this.#session = undefined
    this.#dropHeld(new TransportError('this messaging system was stopped'))
    if (session === undefined) return
    const late = Promise.withResolvers<void>()
    const timer = this.#options.runtime.setTimer(late.resolve, this.#options.closeTimeoutMs)
    await Promise.race([session.confirmed().then(() => session.close()), late.promise]).catch(() => {})
    timer.cancel()
    session.destroy()
  }

  /** Tries each URL once. */
  async #connect(): Promise<void> {
    let failure: unknown
    for (const url of this.#options.urls) {
      if (this.#stop.signal.aborted) throw new TransportError('this messaging system was stopped')
      try {
        const session: Session = await Session.open(
          this.#options,
          url,
          this.#inbox,
          {
            onMessage: (content) => this.#events?.onPacket(content),
            onEnd: (reason) => this.#lost(session, reason),
            onBlocked: (reason) => this.#blocked(reason),
            onUnblocked: () => this.#unblocked(),
          },
          this.#stop.signal,
        )
        this.#session = session
        this.#attempts = 0
        this.#reported = undefined
        return
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  #lost(session: Session, reason: Error): void {
    if (this.#session !== session) return
    this.#session = undefined
    this.#dropHeld(reason)
    this.#events?.onDown(reason)
    this.#reconnectLater()
  }

  #reconnectLater(): void {
    if (this.#stop.signal.aborted) return
    const { reconnect, runtime } = this.#options
    this.#retry = runtime.setTimer(
      () => {
        this.#opening = this.#reconnect()
      },
      reconnectDelayMs(this.#attempts++, reconnect, runtime.random()),
    )
  }

  async #reconnect(): Promise<void> {
    try {
      await this.#connect()
    } catch (error) {
      if (this.#stop.signal.aborted) return
      const { message } = error as Error
      if (this.#reported !== message) this.#events?.onError(error as Error)
      this.#reported = message
      this.#reconnectLater()
      return
    }
    if (!this.#stop.signal.aborted) this.#events?.onUp()
  }

  #blocked(reason: string): void {
    if (this.#held !== undefined) return
    this.#held = []
    this.#events?.onError(new TransportError(`the broker takes no messages for now: ${reason}`))
  }

  #unblocked(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const { inbox, packet, settled } of held) this.publish(inbox, packet, settled)
  }

  #dropHeld(reason: Error): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const { settled } of held) settled(reason)
  }
}
