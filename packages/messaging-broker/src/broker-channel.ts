// One stream of bytes each way between two processes, in packets through their inboxes. Numbers make it a stream: a gap ends it, a repetition
// is dropped. The receiver acknowledges what it has taken, so that what is under way is bounded from end to end, whatever the broker would hold.
//
//   dialed    opening ── accept ──> open ── end, end ──> closed        reset, a lost packet, a lost broker: closed from everywhere
//   accepted                        open
//
// `written` of a write is called when the other process has acknowledged it.

import { type Runtime, type Timer, TransportError } from '@cajun/core/adapter'
import type { ByteChannel, ChannelListener } from '@cajun/messaging-stream'
import { ACCEPT, ACK, DATA, END, OPEN, type Packet, RESET } from './packet.ts'

/** A lone acknowledgement waits this long for data the other way to ride on. */
const ACK_DELAY_MS = 20

/** The other end. */
export interface RemoteEnd {
  readonly inbox: string
  readonly tag: Uint8Array
}

export interface ChannelContext {
  readonly runtime: Runtime
  /** Bytes in one packet of data. */
  readonly maxBodyBytes: number
  /** Received bytes that are acknowledged at once. */
  readonly ackBytes: number
  /** `lost` is called when the packet did not make it, or nobody can know. */
  publish(remote: RemoteEnd, packet: Omit<Packet, 'body' | 'to'>, parts: readonly Uint8Array[], lost: (error: Error) => void): void
  introduction(): Uint8Array
  reason(text: string): Uint8Array
  /** It has ended: forget it. */
  ended(channel: BrokerChannel): void
}

export class BrokerChannel implements ByteChannel {
  readonly #context: ChannelContext
  readonly remote: RemoteEnd
  readonly id: number
  /** The other side's number of it; 0: not known yet. */
  remoteId: number
  #state: 'opening' | 'open' | 'closed'
  #listener: ChannelListener | undefined
  #sent = 0
  #received = 0
  #endSent = false
  #endReceived = false
  /** Sent and not acknowledged, in order. */
  readonly #unacknowledged: { readonly seq: number; readonly written: (() => void) | undefined }[] = []
  #acknowledged = 0
  #unacknowledgedBytes = 0
  #ackTimer: Timer | undefined

  private constructor(context: ChannelContext, remote: RemoteEnd, id: number, remoteId: number) {
    this.#context = context
    this.remote = remote
    this.id = id
    this.remoteId = remoteId
    this.#state = remoteId === 0 ? 'opening' : 'open'
  }

  static dialed(context: ChannelContext, remote: RemoteEnd, id: number): BrokerChannel {
    const channel = new BrokerChannel(context, remote, id, 0)
    channel.#send(OPEN, 0, [context.introduction()])
    return channel
  }

  static accepted(context: ChannelContext, remote: RemoteEnd, id: number, remoteId: number): BrokerChannel {
    const channel = new BrokerChannel(context, remote, id, remoteId)
    channel.#send(ACCEPT, 0, [context.introduction()])
    return channel
  }

  attach(listener: ChannelListener): void {
    this.#listener = listener
  }

  write(parts: readonly Uint8Array[], written: () => void): void {
    if (this.#state !== 'open' || this.#endSent) return
    const { maxBodyBytes } = this.#context
    const pieces = [...inPieces(parts, maxBodyBytes)]
    for (const [i, piece] of pieces.entries()) {
      const seq = ++this.#sent
      this.#unacknowledged.push({ seq, written: i === pieces.length - 1 ? written : undefined })
      this.#send(DATA, seq, piece)
    }
  }

  end(): void {
    if (this.#state === 'opening') this.destroy()
    if (this.#state !== 'open' || this.#endSent) return
    this.#endSent = true
    this.#send(END, ++this.#sent, [])
    this.#closeIfBothEnded()
  }

  destroy(): void {
    if (this.#state === 'closed') return
    this.#send(RESET, this.#sent, [this.#context.reason('the other side ended the connection')])
    this.#close()
  }

  /** It can't go on: tells the listener, and the other side if that can be reached. */
  break(error: Error, tellOther: boolean): void {
    if (this.#state === 'closed') return
    if (tellOther) this.#send(RESET, this.#sent, [this.#context.reason(error.message)])
    this.#listener?.onError(error)
    this.#close()
  }

  /** A packet of this channel that may be trusted. */
  receive(packet: Packet): void {
    if (this.#state === 'closed') return
    if (packet.type === RESET) return this.#reset(packet.body)
    if (this.#state === 'opening') {
      if (packet.type !== ACCEPT) return
      this.remoteId = packet.fromId
      this.#state = 'open'
      this.#listener?.onOpen()
      return
    }
    this.#acknowledge(packet.ack)
    if (packet.type === DATA || packet.type === END) this.#inOrder(packet)
  }

  #reset(body: Uint8Array): void {
    const why = Buffer.from(body).toString()
    this.break(
      new TransportError(why === '' ? 'the other side ended the connection' : `the other side ended the connection: ${why}`),
      false,
    )
  }

  #inOrder({ type, seq, body }: Packet): void {
    // Brokers deliver again what was not acknowledged to them before a reconnect.
    if (seq <= this.#received || this.#endReceived) return
    if (seq !== this.#received + 1) {
      this.break(new TransportError(`packet ${seq} came after packet ${this.#received}: what was in between is lost`), true)
      return
    }
    this.#received = seq
    if (type === END) {
      this.#endReceived = true
      this.#listener?.onEnd()
      this.#closeIfBothEnded()
      return
    }
    this.#unacknowledgedBytes += body.byteLength
    this.#listener?.onData(body)
    if (this.#state !== 'open' || this.#unacknowledgedBytes === 0) return
    if (this.#unacknowledgedBytes >= this.#context.ackBytes) this.#sendAck()
    else this.#ackTimer ??= this.#context.runtime.setTimer(() => this.#sendAck(), ACK_DELAY_MS)
  }

  #acknowledge(seq: number): void {
    if (seq <= this.#acknowledged || seq > this.#sent) return
    this.#acknowledged = seq
    let done = 0
    while ((this.#unacknowledged[done]?.seq ?? Number.POSITIVE_INFINITY) <= seq) done++
    for (const { written } of this.#unacknowledged.splice(0, done)) if (this.#state === 'open') written?.()
  }

  #sendAck(): void {
    if (this.#state === 'open') this.#send(ACK, this.#sent, [])
  }

  /** Every packet acknowledges what came. */
  #send(type: number, seq: number, parts: readonly Uint8Array[]): void {
    this.#ackTimer?.cancel()
    this.#ackTimer = undefined
    this.#unacknowledgedBytes = 0
    const head = { type, toId: this.remoteId, fromId: this.id, seq, ack: this.#received }
    this.#context.publish(this.remote, head, parts, (error) => this.break(error, type !== OPEN && type !== RESET))
  }

  #closeIfBothEnded(): void {
    if (this.#endSent && this.#endReceived) this.#close()
  }

  #close(): void {
    this.#state = 'closed'
    this.#ackTimer?.cancel()
    this.#unacknowledged.length = 0
    this.#context.ended(this)
    // Not from within the call that ends it, as with a socket.
    this.#context.runtime.endOfTurn(() => this.#listener?.onClose())
  }
}

/** The same bytes in lists of parts of at most `most` bytes each. */
function* inPieces(parts: readonly Uint8Array[], most: number): Generator<Uint8Array[]> {
  let piece: Uint8Array[] = []
  let room = most
  for (const part of parts) {
    let rest = part
    while (rest.byteLength > room) {
      if (room > 0) piece.push(rest.subarray(0, room))
      rest = rest.subarray(room)
      yield piece
      piece = []
      room = most
    }
    piece.push(rest)
    room -= rest.byteLength
  }
  if (piece.length > 0) yield piece
}
