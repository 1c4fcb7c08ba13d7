// A broker in memory, under a clock that tests move: inboxes that all processes of a node read, and every way of failing that a real one has.

import { type LocalIdentity, type Runtime, TransportError } from '@cajun/core/adapter'
import type { Broker, BrokerEvents } from '../../src/broker.ts'
import { BrokerMessagingSystem } from '../../src/broker-messaging-system.ts'
import { type BrokerMessagingOptions, resolveBrokerOptions } from '../../src/broker-options.ts'
import { DATA, HEAD_BYTES, OPEN } from '../../src/packet.ts'

interface Sent {
  readonly by: MemoryBroker
  readonly inbox: string
  readonly packet: Uint8Array
  readonly settled: (error?: Error) => void
}

const BACK_AFTER_MS = 30

export class MemoryHub {
  readonly runtime: Runtime
  readonly #readers = new Set<MemoryBroker>()
  #waiting: Sent[] = []
  #pumping = false
  isAlive = true
  isFrozen = false
  /** Nodes of which nothing gets to the broker. */
  readonly muted = new Set<string>()
  /** Nodes to which nothing gets from the broker: it holds what comes for them. */
  readonly deaf = new Set<string>()
  readonly garbled = new Set<string>()
  /** `from inbox` -> how many connections were begun. */
  readonly opens = new Map<string, number>()
  /** The types of what was sent, with its inbox. */
  readonly sent: { readonly inbox: string; readonly type: number }[] = []
  /** Everything that was delivered. */
  readonly delivered: { readonly inbox: string; readonly packet: Uint8Array }[] = []
  /** May take packets away, or repeat them. */
  tamper: (packet: Uint8Array) => readonly Uint8Array[] = (packet) => [packet]

  constructor(runtime: Runtime) {
    this.runtime = runtime
  }

  join(broker: MemoryBroker): void {
    this.#readers.add(broker)
  }

  leave(broker: MemoryBroker, reason: Error): void {
    this.#readers.delete(broker)
    const lost = this.#waiting.filter(({ by }) => by === broker)
    this.#waiting = this.#waiting.filter(({ by }) => by !== broker)
    for (const { settled } of lost) settled(reason)
  }

  drop(nodeId: string): void {
    for (const broker of [...this.#readers]) if (broker.nodeId === nodeId) broker.lose(new TransportError('the connection broke'))
  }

  kill(): void {
    this.isAlive = false
    for (const broker of [...this.#readers]) broker.lose(new TransportError('the broker was killed'))
  }

  send(sent: Sent): void {
    if (sent.packet[1] === OPEN) {
      const key = `${sent.by.nodeId} ${sent.inbox}`
      this.opens.set(key, (this.opens.get(key) ?? 0) + 1)
    }
    if (sent.packet[1] === DATA && this.garbled.delete(sent.by.nodeId)) sent.packet[HEAD_BYTES] = 0x66
    this.sent.push({ inbox: sent.inbox, type: sent.packet[1] ?? 0 })
    this.#waiting.push(sent)
    this.pump()
  }

  /** A packet of a stranger, or of one who recorded it. */
  inject(inbox: string, packet: Uint8Array): void {
    for (const reader of [...this.#readers]) if (reader.inbox === inbox) reader.events?.onPacket(packet.slice())
  }

  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    this.runtime.nextTurn(() => {
      this.#pumping = false
      if (this.isFrozen) return
      const now = this.#waiting.filter((sent) => !this.#isHeld(sent))
      this.#waiting = this.#waiting.filter((sent) => this.#isHeld(sent))
      for (const sent of now) this.#deliver(sent)
    })
  }

  #isHeld({ by, inbox }: Sent): boolean {
    return this.muted.has(by.nodeId) || [...this.#readers].some((reader) => reader.inbox === inbox && this.deaf.has(reader.nodeId))
  }

  #deliver({ inbox, packet, settled }: Sent): void {
    const readers = [...this.#readers].filter((reader) => reader.inbox === inbox)
    settled(readers.length === 0 ? new TransportError(`there is no inbox ${inbox}`) : undefined)
    for (const copy of this.tamper(packet)) {
      this.delivered.push({ inbox, packet: copy })
      for (const reader of readers) reader.events?.onPacket(copy.slice())
    }
  }
}

export class MemoryBroker implements Broker {
  readonly maxPacketBytes = 100_000
  readonly nodeId: string
  readonly #hub: MemoryHub
  inbox = ''
  events: BrokerEvents | undefined
  isUp = false
  #closed = false

  constructor(hub: MemoryHub, nodeId: string) {
    this.#hub = hub
    this.nodeId = nodeId
  }

  inboxOf({ clusterId, nodeId }: LocalIdentity): string {
    return `${clusterId}/${nodeId}`
  }

  async open(inbox: string, events: BrokerEvents): Promise<void> {
    if (!this.#hub.isAlive) throw new TransportError('there is no broker')
    this.inbox = inbox
    this.events = events
    this.#hub.join(this)
    this.isUp = true
  }

  publish(inbox: string, packet: Uint8Array, settled: (error?: Error) => void): void {
    this.#hub.send({ by: this, inbox, packet, settled: (error) => this.#hub.runtime.endOfTurn(() => settled(error)) })
  }

  lose(reason: Error): void {
    if (!this.isUp) return
    this.isUp = false
    this.#hub.leave(this, reason)
    this.events?.onDown(reason)
    this.#backLater()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.isUp = false
    this.#hub.leave(this, new TransportError('closed'))
  }

  #backLater(): void {
    this.#hub.runtime.setTimer(() => {
      if (this.#closed) return
      if (!this.#hub.isAlive) return this.#backLater()
      this.#hub.join(this)
      this.isUp = true
      this.events?.onUp()
    }, BACK_AFTER_MS)
  }
}

export const memoryBrokerOptions = {
  maxFrameBytes: 250_000,
  highWaterMarkBytes: 1 << 20,
  heartbeatIntervalMs: 250,
  heartbeatTimeoutMs: 1_000,
  connectTimeoutMs: 1_000,
  closeTimeoutMs: 500,
  reconnect: { minDelayMs: 20, maxDelayMs: 200 },
}

export class MemoryBrokerSystem extends BrokerMessagingSystem {
  constructor(hub: MemoryHub, nodeId: string, options: BrokerMessagingOptions = {}) {
    super(resolveBrokerOptions({ ...memoryBrokerOptions, runtime: hub.runtime, ...options }), new MemoryBroker(hub, nodeId))
  }
}
