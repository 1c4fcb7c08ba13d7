// One channel and what is spoken on it: the handshake first, then messages both ways, coalesced per turn of the event loop, until either
// side says bye or the channel ends. Who it belongs to, and what happens after, is decided by its owner (peer-table.ts).

import { type PeerId, ProtocolError, type Runtime, type Timer, TransportError } from '@cajun/core/adapter'
import type { ByteChannel, ChannelListener } from './byte-channel.ts'
import type { ResolvedConnectionOptions } from './connection-options.ts'
import type { Entrant } from './doorway.ts'
import { Handshake, type HandshakeIdentity, type HandshakeStep, type Remote } from './handshake.ts'
import { decodeFarewell, encodeBye, type Farewell, type Reason } from './handshake-message.ts'
import { MessageDecoder } from './message-decoder.ts'
import { OutgoingBuffer } from './outgoing-buffer.ts'
import { type BodyLimits, BYE, bodyLimits, DATA, PING, PONG } from './wire-format.ts'

/** Handed to the channel before the turn is over: what the kernel takes now need not wait for the producer to finish. */
const EARLY_FLUSH_BYTES = 256 * 1_024

const NOTHING_YET: BodyLimits = bodyLimits([])

export interface ConnectionOwner {
  /** An acceptor knows who asks; the owner calls `admit` or `refuse`, if it is still waiting then. */
  onIdentified(connection: Connection, remote: Remote): void
  /** A dialer was let in. */
  onOpen(connection: Connection, remote: Remote): void
  /** A dialer was turned away. */
  onRejected(connection: Connection, farewell: Farewell): void
  onFrame(connection: Connection, frame: Uint8Array): void
  onPong(connection: Connection, id: number): void
  onDrain(connection: Connection): void
  /** It ended otherwise than by this side's `close`, `refuse` or `destroy`. Once, and last. */
  onClosed(connection: Connection, reason: Error): void
}

export interface ConnectionContext {
  readonly options: ResolvedConnectionOptions
  readonly identity: HandshakeIdentity
  readonly owner: ConnectionOwner
  /** For data, ping, pong and bye. */
  readonly openLimits: BodyLimits
}

export function openLimits(maxFrameBytes: number): BodyLimits {
  return bodyLimits([
    [DATA, maxFrameBytes],
    [PING, 4],
    [PONG, 4],
    [BYE, 256],
  ])
}

export class Connection implements ChannelListener {
  readonly #context: ConnectionContext
  readonly #runtime: Runtime
  readonly #channel: ByteChannel
  readonly #decoder: MessageDecoder
  /** Dialer: from the moment the channel is open. */
  #handshake: Handshake | undefined
  readonly #outgoing = new OutgoingBuffer()
  /** Dialer: whom it wants at the other end. */
  readonly expected: PeerId | undefined
  /** Acceptor: its place in the doorway. */
  readonly #entrant: Entrant | undefined
  /** Who is at the other end, once the handshake is complete. */
  remote: Remote | undefined
  helloSent = false
  /** `runtime.monotonicMs()` when bytes last came. */
  heardAtMs: number
  /** When it was asked for a sign of life first, if it gave none since. */
  askedAtMs: number | undefined
  /** `ended`: this side closes, or the other did; nothing more is told to the owner. `gone`: so is the channel. */
  #life: 'live' | 'ended' | 'gone' = 'live'
  #flushScheduled = false
  /** Handed to the channel and not yet taken by the kernel. */
  #unwrittenBytes = 0
  #congested = false
  #drainScheduled = false
  #failure: Error | undefined
  #deadline: Timer | undefined
  #whenGone: (() => void) | undefined

  private constructor(context: ConnectionContext, channel: ByteChannel, expected: PeerId | undefined, entrant: Entrant | undefined) {
    this.#context = context
    this.#runtime = context.options.runtime
    this.#channel = channel
    this.expected = expected
    this.#entrant = entrant
    if (expected === undefined) this.#handshake = new Handshake(context.identity, channel.security)
    this.#decoder = new MessageDecoder(this.#handshake?.limits ?? NOTHING_YET, (type, body) => this.#message(type, body))
    this.heardAtMs = this.#runtime.monotonicMs()
    // In the doorway it has a deadline already, which began earlier.
    if (expected !== undefined) this.#deadline = this.#runtime.setTimer(() => this.#handshakeLate(), context.options.connectTimeoutMs)
    channel.attach(this)
  }

  static accepted(context: ConnectionContext, channel: ByteChannel, entrant: Entrant): Connection {
    return new Connection(context, channel, undefined, entrant)
  }

  static dialed(context: ConnectionContext, channel: ByteChannel, expected: PeerId): Connection {
    return new Connection(context, channel, { nodeId: expected.nodeId, processId: expected.processId }, undefined)
  }

  /** Acceptor: `admit` or `refuse` is awaited, and the other side is still there. */
  get isWaiting(): boolean {
    return this.#life === 'live' && this.#handshake?.state === 'identified'
  }

  get bufferedBytes(): number {
    return this.#unwrittenBytes + this.#outgoing.bytes
  }

  /** Acceptor, answering `onIdentified`: the connection is open. */
  admit(remote: Remote): void {
    if (this.#handshake === undefined) return
    this.#write(this.#handshake.admit())
    this.#opened(remote)
  }

  /** Acceptor, answering `onIdentified`. */
  refuse(reason: Reason, text: string): void {
    if (this.#handshake !== undefined) this.#write(this.#handshake.refuse(reason, text))
    this.#end()
  }

  /** False: above the high-water mark. The frame is taken all the same. */
  send(frame: Uint8Array): boolean {
    this.#outgoing.append(DATA, frame)
    this.#appended()
    if (this.bufferedBytes > this.#context.options.highWaterMarkBytes) this.#congested = true
    return !this.#congested
  }

  ping(id: number): void {
    this.#control(PING, id)
  }

  askForLife(): void {
    this.askedAtMs ??= this.#runtime.monotonicMs()
    this.ping(0)
  }

  /** Ends it from this side: what was accepted is written, with a bye, within `closeTimeoutMs`. The owner hears nothing more of it. */
  close(reason: Reason, text: string): void {
    if (this.#life !== 'live') return
    if (this.remote !== undefined) this.#write(encodeBye(reason, text))
    this.#end()
  }

  /** Ends it at once. The owner hears nothing more of it. */
  destroy(): void {
    this.#life = this.#life === 'live' ? 'ended' : this.#life
    this.#decoder.close()
    this.#channel.destroy()
  }

  /** The other side is not heard any more: ends it at once and tells the owner. */
  fail(reason: Error): void {
    if (this.#life !== 'live') return
    this.#failure = reason
    this.destroy()
    this.#context.owner.onClosed(this, reason)
  }

  /** Resolves when the channel is closed. */
  gone(): Promise<void> {
    if (this.#life === 'gone') return Promise.resolve()
    return new Promise((resolve) => {
      const previous = this.#whenGone
      this.#whenGone = () => {
        previous?.()
        resolve()
      }
    })
  }

  onOpen(): void {
    if (this.#life !== 'live' || this.expected === undefined) return
    const handshake = new Handshake(this.#context.identity, this.#channel.security)
    this.#handshake = handshake
    try {
      this.#write(handshake.begin(this.expected))
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#malformed(error)
      return
    }
    this.#decoder.limits = handshake.limits
    this.helloSent = true
  }

  onData(chunk: Uint8Array): void {
    if (this.#life !== 'live') return
    this.heardAtMs = this.#runtime.monotonicMs()
    this.askedAtMs = undefined
    try {
      this.#decoder.push(chunk)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#malformed(error)
    }
  }

  onError(error: Error): void {
    this.#failure ??= error
  }

  onEnd(): void {
    this.#lost(new TransportError('the other side closed the connection'))
  }

  onClose(): void {
    const { owner } = this.#context
    const wasLive = this.#life === 'live'
    this.#life = 'gone'
    this.#decoder.close()
    this.#deadline?.cancel()
    if (wasLive) owner.onClosed(this, this.#failure ?? new TransportError('the connection was closed'))
    this.#whenGone?.()
  }

  #opened(remote: Remote): void {
    this.remote = remote
    this.#entrant?.leave()
    this.#decoder.limits = this.#context.openLimits
    this.#deadline?.cancel()
    this.#deadline = undefined
  }

  #message(type: number, body: Uint8Array): void {
    if (this.#life !== 'live') return
    if (type === DATA) this.#context.owner.onFrame(this, body)
    else if (this.remote === undefined) this.#handshakeMessage(type, body)
    else if (type === BYE) this.#bye(decodeFarewell(body))
    else if (body.byteLength !== 4) throw new ProtocolError(`ping or pong of ${body.byteLength} bytes; they have 4`)
    else if (type === PONG) this.#context.owner.onPong(this, readU32(body))
    // One who pings without reading the answers gets none: they must not pile up.
    else if (this.bufferedBytes <= this.#context.options.highWaterMarkBytes) this.#control(PONG, readU32(body))
  }

  #handshakeMessage(type: number, body: Uint8Array): void {
    const handshake = this.#handshake
    if (handshake === undefined) return
    const step = handshake.receive(type, body)
    this.#decoder.limits = handshake.limits
    this.#take(step)
  }

  #take(step: HandshakeStep): void {
    switch (step.kind) {
      case 'reply':
        this.#write(step.message)
        return
      case 'identified':
        this.#context.owner.onIdentified(this, step.remote)
        return
      case 'refused':
        this.#write(step.reply)
        this.#end()
        this.#context.owner.onClosed(this, step.error)
        return
      case 'open':
        this.#opened(step.remote)
        this.#context.owner.onOpen(this, step.remote)
        return
      case 'rejected':
        this.#end()
        this.#context.owner.onRejected(this, step.farewell)
    }
  }

  #bye(farewell: Farewell): void {
    this.#lost(new TransportError(`the other side closed the connection: ${farewell.text}`))
  }

  /** The other side sends nothing more. */
  #lost(reason: Error): void {
    if (this.#life !== 'live') return
    this.#end()
    this.#context.owner.onClosed(this, reason)
  }

  #malformed(error: ProtocolError): void {
    if (this.#life !== 'live') return
    if (this.remote !== undefined) this.#write(encodeBye('protocol', error.message))
    this.#end()
    this.#context.owner.onClosed(this, error)
  }

  #handshakeLate(): void {
    const waited = this.#context.options.connectTimeoutMs
    this.fail(new TransportError(`no connection within ${waited} ms (option connectTimeoutMs)`))
  }

  #control(type: number, id: number): void {
    if (this.#life !== 'live') return
    this.#outgoing.append(type, Uint8Array.of(id >>> 24, id >>> 16, id >>> 8, id))
    this.#appended()
  }

  #write(message: Uint8Array): void {
    this.#outgoing.appendWhole(message)
    this.#appended()
  }

  #appended(): void {
    if (this.#outgoing.bytes >= EARLY_FLUSH_BYTES) {
      this.#flush()
    } else if (!this.#flushScheduled) {
      this.#flushScheduled = true
      this.#runtime.endOfTurn(() => {
        this.#flushScheduled = false
        this.#flush()
      })
    }
  }

  #flush(): void {
    const bytes = this.#outgoing.bytes
    if (bytes === 0) return
    const parts = this.#outgoing.take()
    this.#unwrittenBytes += bytes
    this.#channel.write(parts, () => this.#written(bytes))
  }

  #written(bytes: number): void {
    this.#unwrittenBytes -= bytes
    if (this.#hasDrained && !this.#drainScheduled) {
      this.#drainScheduled = true
      // In a turn of its own. The kernel may take a write at once, so that a producer that goes on here would write, be told, and write again without an end:
      // nothing would be read any more, no timer would fire, and the peer would seem dead.
      this.#runtime.nextTurn(() => {
        this.#drainScheduled = false
        if (!this.#hasDrained) return
        this.#congested = false
        if (this.#life === 'live') this.#context.owner.onDrain(this)
      })
    }
  }

  /** Half, so that a producer that fills and waits does not wait for every single frame. */
  get #hasDrained(): boolean {
    return this.#congested && this.bufferedBytes <= this.#context.options.highWaterMarkBytes / 2
  }

  /** Writes what there is, then closes. What still comes is read and thrown away: unread bytes would make the kernel reset the connection and lose ours. */
  #end(): void {
    this.#life = 'ended'
    this.#decoder.close()
    this.#flush()
    this.#channel.end()
    this.#deadline?.cancel()
    this.#deadline = this.#runtime.setTimer(() => this.#channel.destroy(), this.#context.options.closeTimeoutMs)
  }
}

function readU32(bytes: Uint8Array): number {
  return (((bytes[0] as number) << 24) | ((bytes[1] as number) << 16) | ((bytes[2] as number) << 8) | (bytes[3] as number)) >>> 0
}
