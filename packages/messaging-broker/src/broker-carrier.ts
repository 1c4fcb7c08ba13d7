// A carrier over a broker: channels are opened, accepted and found by the packets that come out of the own inbox. What happens within one is
// broker-channel.ts, how packets travel the broker's affair.

import { type LocalIdentity, ProtocolError, type Runtime, TransportError } from '@cajun/core/adapter'
import { type ByteChannel, type Carrier, type CarrierEvents, Doorway, type DoorwayLimits, type Entrant } from '@cajun/messaging-stream'
import type { Broker } from './broker.ts'
import { BrokerChannel, type ChannelContext, type RemoteEnd } from './broker-channel.ts'
import type { Distrust, FrameKeys } from './frame-key.ts'
import {
  ACCEPT,
  decodeIntroduction,
  decodePacket,
  encodeIntroduction,
  encodePacket,
  encodeReason,
  HEAD_BYTES,
  OPEN,
  type Packet,
  processTag,
  RESET,
  TAG_BYTES,
} from './packet.ts'

export interface BrokerCarrierOptions extends DoorwayLimits {
  readonly keys: FrameKeys
  readonly highWaterMarkBytes: number
}

/** Channels that broke with the broker, whose other ends are told when it is back; the oldest are forgotten first, and found by heartbeats. */
const MAX_BROKEN = 4_096
const ADDRESS_FORM = '<inbox>#<32 hexadecimal digits>'
const ADDRESS = new RegExp(`^(.+)#([0-9a-f]{${2 * TAG_BYTES}})$`)

const distrustTexts: Record<Distrust, string> = {
  unsigned: 'a packet is not signed; option frameKeys is set here and not there',
  signed: 'a packet is signed; option frameKeys is set there and not here',
  'unknown key': 'a packet is signed with a key that is not known here (option frameKeys)',
  forged: 'the signature of a packet is wrong: another secret has the same id (option frameKeys), or somebody forges packets',
}

interface Listening {
  readonly local: LocalIdentity
  readonly tag: Buffer
  readonly inbox: string
  readonly events: CarrierEvents
}

export class BrokerCarrier implements Carrier {
  readonly addressForm: string = ADDRESS_FORM
  readonly #broker: Broker
  readonly #options: BrokerCarrierOptions
  readonly #runtime: Runtime
  readonly #doorway: Doorway
  readonly #context: ChannelContext
  #listening: Listening | undefined
  #closing = false
  #whenEmpty: (() => void) | undefined
  readonly #channels = new Map<number, BrokerChannel>()
  /** Accepted ones by who opened them, so that an `open` that comes twice opens one. */
  readonly #accepted = new Map<string, { readonly channel: BrokerChannel; readonly entrant: Entrant }>()
  #broken: { readonly remote: RemoteEnd; readonly remoteId: number; readonly id: number }[] = []
  readonly #reported = new Set<string>()

  constructor(broker: Broker, options: BrokerCarrierOptions) {
    this.#broker = broker
    this.#options = options
    this.#runtime = options.runtime
    this.#doorway = new Doorway(options)
    this.#context = {
      runtime: options.runtime,
      maxBodyBytes: broker.maxPacketBytes - HEAD_BYTES - options.keys.signatureBytes,
      ackBytes: Math.max(1, Math.floor(options.highWaterMarkBytes / 8)),
      publish: (remote, packet, parts, lost) => this.#publish(remote, packet, parts, lost),
      introduction: () => encodeIntroduction(this.#local()),
      reason: encodeReason,
      ended: (channel) => this.#ended(channel),
    }
  }

  async listen(events: CarrierEvents, local: LocalIdentity): Promise<string> {
    const listening = { local, tag: processTag(local), inbox: this.#broker.inboxOf(local), events }
    this.#listening = listening
    await this.#broker.open(listening.inbox, {
      onPacket: (packet) => this.#received(packet),
      onUp: () => this.#brokerUp(),
      onDown: (reason) => this.#brokerDown(reason),
      onError: (error) => events.onError(error),
    })
    return `${listening.inbox}#${Buffer.from(listening.tag).toString('hex')}`
  }

  dial(address: string): ByteChannel | undefined {
    const match = ADDRESS.exec(address)
    if (match === null) return undefined
    const remote = { inbox: match[1] as string, tag: Buffer.from(match[2] as string, 'hex') }
    const channel = BrokerChannel.dialed(this.#context, remote, this.#newId())
    this.#channels.set(channel.id, channel)
    return channel
  }

  async close(): Promise<void> {
    this.#closing = true
    for (const { channel, entrant } of [...this.#accepted.values()]) if (entrant.isPending) channel.destroy()
    if (this.#channels.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenEmpty = resolve
      })
    }
    await this.#broker.close()
  }

  #received(bytes: Uint8Array): void {
    const { keys } = this.#options
    let packet: Packet
    try {
      packet = decodePacket(keys.unsigned(bytes))
    } catch (error) {
      this.#report(error as Error)
      return
    }
    // For another incarnation of this node, or meant for an inbox that this one took the place of.
    if (!this.#local().tag.equals(packet.to)) return
    const channel = this.#channelOf(packet)
    try {
      if (channel !== undefined) {
        if (this.#trusts(bytes, channel.remote.tag)) channel.receive(packet)
      } else if (packet.type === OPEN || packet.type === ACCEPT) {
        const { tag, inbox } = decodeIntroduction(packet.body)
        if (!this.#trusts(bytes, tag)) return
        if (packet.type === OPEN) this.#opened({ tag, inbox }, packet.fromId)
        // It was given up here.
        else this.#refuse({ tag, inbox }, packet, 'nobody waits for this connection any more')
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#report(error)
    }
  }

  #channelOf({ type, toId, fromId }: Packet): BrokerChannel | undefined {
    if (toId !== 0) return this.#channels.get(toId)
    // Given up before this side's number was known there.
    if (type !== RESET) return undefined
    for (const { channel } of this.#accepted.values()) if (channel.remoteId === fromId) return channel
    return undefined
  }

  #trusts(bytes: Uint8Array, from: Uint8Array): boolean {
    const distrust = this.#options.keys.distrust(bytes, from)
    if (distrust === undefined) return true
    this.#report(new ProtocolError(distrustTexts[distrust]))
    return false
  }

  #opened(remote: RemoteEnd, remoteId: number): void {
    const key = acceptedKey(remote, remoteId)
    if (this.#accepted.has(key) || this.#closing || this.#listening === undefined) return
    const entrant = this.#doorway.enter(remote.inbox, () => this.#accepted.get(key)?.channel.destroy())
    if (entrant === undefined) return
    const channel = BrokerChannel.accepted(this.#context, remote, this.#newId(), remoteId)
    this.#channels.set(channel.id, channel)
    this.#accepted.set(key, { channel, entrant })
    this.#listening.events.onChannel(channel, entrant)
  }

  #refuse(remote: RemoteEnd, { toId, fromId }: Packet, why: string): void {
    this.#publish(remote, { type: RESET, toId: fromId, fromId: toId, seq: 0, ack: 0 }, [encodeReason(why)], () => {})
  }

  #publish(remote: RemoteEnd, packet: Omit<Packet, 'body' | 'to'>, parts: readonly Uint8Array[], lost: (error: Error) => void): void {
    if (!this.#broker.isUp) {
      this.#runtime.endOfTurn(() => lost(new TransportError('the broker can not be reached')))
      return
    }
    const { keys } = this.#options
    const bytes = encodePacket({ ...packet, to: remote.tag }, parts, keys.areSet, keys.signatureBytes)
    keys.sign(bytes, this.#local().tag)
    this.#broker.publish(remote.inbox, bytes, (error) => {
      if (error !== undefined) lost(error)
    })
  }

  #brokerUp(): void {
    for (const { remote, remoteId, id } of this.#broken.splice(0)) {
      const head = { type: RESET, toId: remoteId, fromId: id, seq: 0, ack: 0 }
      this.#publish(remote, head, [encodeReason('the other side lost its broker')], () => {})
    }
  }

  #brokerDown(reason: Error): void {
    for (const channel of [...this.#channels.values()]) {
      if (channel.remoteId !== 0) this.#broken.push({ remote: channel.remote, remoteId: channel.remoteId, id: channel.id })
      channel.break(reason, false)
    }
    if (this.#broken.length > MAX_BROKEN) this.#broken.splice(0, this.#broken.length - MAX_BROKEN)
  }

  #ended(channel: BrokerChannel): void {
    if (!this.#channels.delete(channel.id)) return
    const key = acceptedKey(channel.remote, channel.remoteId)
    const accepted = this.#accepted.get(key)
    if (accepted?.channel === channel) {
      accepted.entrant.leave()
      this.#accepted.delete(key)
    }
    if (this.#channels.size === 0) this.#whenEmpty?.()
  }

  /** Each problem once: whoever writes garbage to an inbox writes a lot of it. */
  #report(error: Error): void {
    if (this.#reported.has(error.message)) return
    if (this.#reported.size >= 100) this.#reported.clear()
    this.#reported.add(error.message)
    this.#listening?.events.onError(error)
  }

  #newId(): number {
    for (;;) {
      const id = Buffer.from(this.#runtime.randomBytes(6)).readUIntBE(0, 6)
      if (id !== 0 && !this.#channels.has(id)) return id
    }
  }

  #local(): Listening {
    if (this.#listening === undefined) throw new TypeError('this carrier does not listen yet')
    return this.#listening
  }
}

function acceptedKey(remote: RemoteEnd, remoteId: number): string {
  return `${Buffer.from(remote.tag).toString('hex')} ${remoteId}`
}
