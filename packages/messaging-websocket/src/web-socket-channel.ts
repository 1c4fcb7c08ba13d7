// A WebSocket as a channel. Its binary messages are chunks of one stream of bytes: several small frames share one, a large frame takes several,
// and where one ends means nothing. So ws frames as little as possible, and what it buffers is bounded by the size of a chunk.

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { ProtocolError } from '@cajun/core/adapter'
import { type ByteChannel, type ChannelListener, type ChannelSecurity, channelError, securityOf } from '@cajun/messaging-stream'
import type { ClientOptions, RawData, WebSocket } from 'ws'

/** The largest binary message. Every chunk that arrives is a sign of life, so a large frame on a slow line is none too. */
export const CHUNK_BYTES: number = 64 * 1_024

/** Pieces in which a proxy may cut one message. */
const MAX_FRAGMENTS = 256

/** For both ends. */
export const webSocketLimits: Pick<ClientOptions, 'perMessageDeflate' | 'maxPayload' | 'skipUTF8Validation'> & { maxFragments: number } = {
  // On by default at the dialing end. Each message would wait for a thread of zlib, keep a window of memory, and could unfold into a bomb.
  perMessageDeflate: false,
  // By default 100 MiB, buffered before anybody is asked.
  maxPayload: CHUNK_BYTES,
  // By default 16,384, each of which costs more than its bytes.
  maxFragments: MAX_FRAGMENTS,
  skipUTF8Validation: true,
}

export class WebSocketChannel implements ByteChannel {
  readonly #webSocket: WebSocket
  readonly #socket: () => Socket | undefined
  readonly #isPeerTls: boolean

  /**
   * `socket`: what the WebSocket runs on. `isPeerTls`: the other end of its TLS is the peer, as option `tls` says; otherwise it may be a proxy, whose certificate
   * names no node, and whose channel is not the peer's.
   */
  constructor(webSocket: WebSocket, socket: () => Socket | undefined, isPeerTls: boolean) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#isPeerTls = isPeerTls
  }

  get security(): ChannelSecurity | undefined {
    const socket = this.#socket()
    return this.#isPeerTls && socket instanceof TLSSocket ? securityOf(socket) : undefined
  }

  attach(listener: ChannelListener): void {
    const webSocket = this.#webSocket
    const broken = (problem: string, cause?: Error): void => {
      listener.onError(new ProtocolError(problem, cause && { cause }))
      // A closing handshake with one who does not keep to the protocol may never end.
      webSocket.terminate()
    }
    const watchSocket = (): void => {
      // Gotcha: once a WebSocket is open, ws keeps the errors of its socket to itself, and only closes: a reset, or bytes that are no TLS.
      this.#socket()?.on('error', (error) => listener.onError(channelError(error)))
    }
    if (webSocket.readyState === webSocket.OPEN) watchSocket()
    webSocket.on('open', () => {
      watchSocket()
      listener.onOpen()
    })
    webSocket.on('message', (data: RawData, isBinary: boolean) => {
      if (isBinary) listener.onData(data as Buffer)
      else broken('a text message came over the WebSocket; peers send binary ones')
    })
    // Stays for its whole life: an 'error' that nobody listens to would end the process.
    webSocket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code?.startsWith('WS_ERR_') === true) broken(`not a WebSocket peer: ${error.message}`, error)
      else listener.onError(channelError(error))
    })
    webSocket.on('close', () => listener.onClose())
  }

  write(parts: readonly Uint8Array[], written: () => void): void {
    const webSocket = this.#webSocket
    // While it is connecting `send` throws; when it is closing nothing would be sent, and the callback would get an error.
    if (webSocket.readyState !== webSocket.OPEN) return
    const socket = this.#socket()
    // Each message is two writes, a head and a body: without the cork each would be a packet.
    socket?.cork()
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as Uint8Array
      const isLast = i === parts.length - 1
      for (let from = 0; from < part.byteLength; from += CHUNK_BYTES) {
        const to = from + CHUNK_BYTES
        // `send` never says that there is too much: how much the socket has not taken yet is known by the callbacks alone.
        const done = isLast && to >= part.byteLength ? (error?: Error | null) => error == null && written() : undefined
        webSocket.send(part.byteLength <= CHUNK_BYTES ? part : part.subarray(from, to), done)
      }
    }
    socket?.uncork()
  }

  end(): void {
    if (this.#webSocket.readyState === this.#webSocket.CONNECTING) this.#webSocket.terminate()
    else this.#webSocket.close(1_000)
  }

  /** Not `close`: that waits for the other side, which may be dead. */
  destroy(): void {
    this.#webSocket.terminate()
  }
}
