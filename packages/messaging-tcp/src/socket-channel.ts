// A TCP socket, plain or with TLS, as a channel.

import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type ByteChannel, type ChannelListener, type ChannelSecurity, channelError, securityOf } from '@cajun/messaging-stream'

export class SocketChannel implements ByteChannel {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
  }

  get security(): ChannelSecurity | undefined {
    return this.#socket instanceof TLSSocket ? securityOf(this.#socket) : undefined
  }

  attach(listener: ChannelListener): void {
    const socket = this.#socket
    socket.on(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => listener.onOpen())
    socket.on('data', (chunk) => listener.onData(chunk))
    // Stays for the socket's whole life: an 'error' that nobody listens to would end the process.
    socket.on('error', (error) => listener.onError(channelError(error)))
    socket.on('end', () => listener.onEnd())
    socket.on('close', () => listener.onClose())
  }

  write(parts: readonly Uint8Array[], written: () => void): void {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) return
    if (parts.length === 1) {
      socket.write(parts[0] as Uint8Array, written)
      return
    }
    socket.cork()
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as Uint8Array
      if (i === parts.length - 1) socket.write(part, written)
      else socket.write(part)
    }
    socket.uncork()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
