// One life of the connection to Kafka, from connecting to its first failure; it never comes back. What waits for an answer when it ends is rejected.
//
// kafkajs could reconnect and retry by itself, and is not let: it would send batches again whose outcome is unknown, out of order, and after the death of a broker
// it gives up for good (`KafkaJSNonRetriableError`). A client that lives for one connection does none of it; whoever owns it makes a new one.

import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { KeptConnection, type Runtime } from '@cajun/core/adapter'
import kafkajs, { type ISocketFactoryArgs, type SASLOptions } from 'kafkajs'
import { brokerRefusal, createCluster, type KafkaBroker, type KafkaCluster } from './kafkajs-internals.ts'
import type { TlsOptions } from './options.ts'

export interface KafkaConnectionOptions {
  readonly runtime: Runtime
  readonly clientId: string
  readonly brokers: readonly string[]
  readonly tls: TlsOptions | undefined
  readonly sasl: SASLOptions | undefined
  /** Where to connect instead of where a broker says that it is. */
  readonly brokerAddress: (broker: string) => string
  /** For connecting, and for each request. What takes longer ends the connection: the broker is frozen, or out of reach. */
  readonly requestTimeoutMs: number
}

export interface TopicSettings {
  readonly topic: string
  readonly replicationFactor: number
  readonly config: Readonly<Record<string, string>>
}

const PARTITION = 0
const SERVED_RETRY_MS = 10
const LATEST = -1
const EARLIEST = -2
/** Committed or not makes no difference: nobody writes in transactions. */
const READ_UNCOMMITTED = 0

export class KafkaConnection extends KeptConnection {
  readonly #options: KafkaConnectionOptions
  readonly #sockets = new Set<Socket>()
  readonly #cluster: KafkaCluster
  readonly #known = new Set<string>()

  private constructor(options: KafkaConnectionOptions) {
    super()
    this.#options = options
    const { clientId, brokers, tls, sasl, requestTimeoutMs } = options
    const kafka = new kafkajs.Kafka({
      clientId,
      brokers: [...brokers],
      ...(tls === undefined ? {} : { ssl: tls === true ? true : { ...tls } }),
      ...(sasl === undefined ? {} : { sasl }),
      connectionTimeout: requestTimeoutMs,
      authenticationTimeout: requestTimeoutMs,
      // Only so that what kafkajs keeps for a request does not stay for ever: the deadline is ours.
      requestTimeout: 4 * requestTimeoutMs,
      // One attempt at each broker that is named.
      retry: { retries: brokers.length - 1, initialRetryTime: 1, maxRetryTime: 1 },
      socketFactory: (socket) => this.#socket(socket),
      // What goes wrong comes back as an error; kafkajs would write it to the console as well.
      logLevel: kafkajs.logLevel.NOTHING,
      logCreator: () => () => {},
    })
    this.#cluster = createCluster(kafka)
  }

  /** Resolves when a broker has answered and let us in. */
  static async open(options: KafkaConnectionOptions): Promise<KafkaConnection> {
    const connection = new KafkaConnection(options)
    try {
      await connection.#within('connecting', connection.#cluster.connect())
      await connection.#within('metadata', connection.#cluster.refreshMetadata())
      return connection
    } catch (error) {
      connection.drop(error as Error)
      throw error
    }
  }

  /**
   * Appends to the only partition of a topic, in order, as one batch; resolves when all in-sync replicas have it. Rejects with the connection, or with what the broker
   * said. Gotcha: two calls for one topic at the same time may change places, whatever kafkajs's limit of requests in flight is.
   */
  async append(topic: string, values: readonly Uint8Array[]): Promise<void> {
    const leader = await this.#leader(topic)
    const messages = values.map((value) => ({ value }))
    await this.#within(
      `a batch for ${topic}`,
      leader.produce({
        acks: -1,
        timeout: this.#options.requestTimeoutMs,
        topicData: [{ topic, partitions: [{ partition: PARTITION, messages }] }],
      }),
    )
  }

  /** What stands in the topic from `offset` on; waits up to `maxWaitMs` for the first of it. */
  async read(topic: string, offset: number, maxWaitMs: number, maxBytes: number): Promise<{ values: Uint8Array[]; next: number }> {
    const leader = await this.#leader(topic)
    const { responses } = await this.#within(
      `reading ${topic}`,
      leader.fetch({
        maxWaitTime: maxWaitMs,
        minBytes: 1,
        maxBytes,
        isolationLevel: READ_UNCOMMITTED,
        topics: [{ topic, partitions: [{ partition: PARTITION, fetchOffset: String(offset), maxBytes }] }],
      }),
      maxWaitMs,
    )
    const values: Uint8Array[] = []
    let next = offset
    for (const { offset: at, value } of responses[0]?.partitions[0]?.messages ?? []) {
      // A batch comes whole, also when only its end was asked for.
      if (Number(at) < next) continue
      next = Number(at) + 1
      if (value !== null) values.push(value)
    }
    return { values, next }
  }

  /** The offset of what will be written next. */
  latestOffset(topic: string): Promise<number> {
    return this.#offset(topic, LATEST)
  }

  /** The offset of the oldest that is still there. */
  earliestOffset(topic: string): Promise<number> {
    return this.#offset(topic, EARLIEST)
  }

  /** True when it was made now; false when it was there. Resolves when it can be written to. */
  async createTopic(settings: TopicSettings): Promise<boolean> {
    const isNew = await this.#create(settings)
    await this.#untilServed(settings.topic)
    return isNew
  }

  async deleteTopic(topic: string): Promise<void> {
    const controller = await this.#within('the controller', this.#cluster.findControllerBroker())
    await this.#within(`deleting ${topic}`, controller.deleteTopics({ timeout: this.#options.requestTimeoutMs, topics: [topic] }))
    this.forget(topic)
  }

  async topics(): Promise<readonly string[]> {
    const controller = await this.#within('the controller', this.#cluster.findControllerBroker())
    const { topicMetadata } = await this.#within('the list of topics', controller.metadata([]))
    return topicMetadata.map(({ topic }) => topic)
  }

  /** The leader of a topic may be another broker now: ask. */
  forget(topic: string): void {
    this.#known.delete(topic)
    this.#cluster.targetTopics.delete(topic)
  }

  protected release(): void {
    // With an error, because without one kafkajs does not notice, and keeps what waits for an answer.
    for (const socket of this.#sockets) socket.destroy(new Error('the connection was given up'))
    this.#sockets.clear()
  }

  async #create({ topic, replicationFactor, config }: TopicSettings): Promise<boolean> {
    const controller = await this.#within('the controller', this.#cluster.findControllerBroker())
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    try {
      await this.#within(
        `creating ${topic}`,
        controller.createTopics({
          timeout: this.#options.requestTimeoutMs,
          topics: [{ topic, numPartitions: 1, replicationFactor, configEntries }],
        }),
      )
      return true
    } catch (error) {
      if (this.ended === undefined && refusals(error).every((refusal) => refusal.startsWith('TOPIC_ALREADY_EXISTS'))) return false
      throw error
    }
  }

  /** The controller says that a topic is there before the brokers know it, and they know it before one of them leads it. */
  async #untilServed(topic: string): Promise<void> {
    const { runtime, requestTimeoutMs } = this.#options
    const untilMs = runtime.monotonicMs() + requestTimeoutMs
    for (;;) {
      try {
        // Only its leader answers.
        await this.latestOffset(topic)
        return
      } catch (error) {
        if (this.ended !== undefined || runtime.monotonicMs() > untilMs) throw error
        this.forget(topic)
        await new Promise<void>((resolve) => void runtime.setTimer(resolve, SERVED_RETRY_MS))
      }
    }
  }

  async #offset(topic: string, timestamp: number): Promise<number> {
    const leader = await this.#leader(topic)
    const { responses } = await this.#within(
      `the offsets of ${topic}`,
      leader.listOffsets({ topics: [{ topic, partitions: [{ partition: PARTITION, timestamp }] }] }),
    )
    return Number(responses[0]?.partitions[0]?.offset)
  }

  async #leader(topic: string): Promise<KafkaBroker> {
    if (!this.#known.has(topic)) {
      await this.#within(`finding ${topic}`, this.#cluster.addTargetTopic(topic))
      // It changes nothing when the topic was asked for before, and then the old leader would stay.
      await this.#within(`finding ${topic}`, this.#cluster.refreshMetadata())
      this.#known.add(topic)
    }
    const [leader] = Object.keys(this.#cluster.findLeaderForPartitions(topic, [PARTITION]))
    if (leader === undefined || leader === '-1') {
      this.forget(topic)
      throw new Error(`topic ${topic} has no leader now`)
    }
    return await this.#within(`the leader of ${topic}`, this.#cluster.findBroker({ nodeId: leader }))
  }

  /** The connection ends with whatever the broker does not answer in time, and with whatever is not an answer of the broker. */
  async #within<T>(what: string, work: Promise<T>, extraMs = 0): Promise<T> {
    const limitMs = this.#options.requestTimeoutMs + extraMs
    const timer = this.#options.runtime.setTimer(() => this.drop(new Error(`${what}: no answer within ${limitMs} ms`)), limitMs)
    try {
      return await this.race(work)
    } catch (error) {
      if (this.ended === undefined && refusals(error).length === 0)
        this.drop(new Error(`${what}: ${(error as Error).message}`, { cause: error }))
      throw error
    } finally {
      timer.cancel()
    }
  }

  #socket({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
    const address = this.#options.brokerAddress(`${host}:${port}`)
    const to = { host: address.slice(0, address.lastIndexOf(':')), port: Number(address.slice(address.lastIndexOf(':') + 1)) }
    const socket = ssl
      ? connectTls({ ...to, ...(isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect)
      : connectTcp(to, onConnect)
    // A request waits for its answer: to wait for more to send would only cost time.
    socket.setNoDelay(true)
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      this.drop(new Error(`the connection to broker ${host}:${port} was closed`))
    })
    return socket
  }
}

/** What the broker said, for each topic of the request; none: it was not the broker who said it. */
function refusals(error: unknown): string[] {
  const { errors, cause } = error as { errors?: readonly unknown[]; cause?: unknown }
  if (Array.isArray(errors)) return errors.flatMap((one) => brokerRefusal(one) ?? [])
  const refusal = brokerRefusal(error) ?? (cause === undefined ? undefined : brokerRefusal(cause))
  return refusal === undefined ? [] : [refusal]
}
