// The listening socket: where it listens, what it is called outside, and who is let into the doorway.

import { createServer, type Server, type Socket } from 'node:net'
import { TransportError } from '@cajun/core/adapter'
import { formatHostPort, parseAddress } from './address.ts'
import { Doorway, type Entrant } from './doorway.ts'
import type { ResolvedStreamOptions } from './stream-options.ts'

export class Listener {
  readonly #options: ResolvedStreamOptions
  readonly #server: Server
  readonly #addressOf: (hostPort: string) => string
  readonly #sockets = new Map<Socket, Entrant>()
  readonly #byRemote = new Map<string, Entrant>()
  #listening = false

  /**
   * `onError` gets what goes wrong after `listen` (out of file descriptors). `addressOf` makes the address for others out of `host:port`.
   */
  constructor(
    options: ResolvedStreamOptions,
    onSocket: (socket: Socket, entrant: Entrant) => void,
    onError: (error: Error) => void,
    addressOf: (hostPort: string) => string = (hostPort) => hostPort,
  ) {
    this.#options = options
    this.#addressOf = addressOf
    const doorway = new Doorway(options)
    this.#server = createServer({ noDelay: true }, (socket) => {
      // For its whole life, whatever becomes of it: an 'error' that nobody listens to would end the process.
      socket.on('error', () => {})
      const entrant = this.#listening ? doorway.enter(socket.remoteAddress ?? '', () => socket.destroy()) : undefined
      if (entrant === undefined) {
        socket.destroy()
        return
      }
      const remote = remoteOf(socket)
      this.#sockets.set(socket, entrant)
      this.#byRemote.set(remote, entrant)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        this.#byRemote.delete(remote)
        entrant.leave()
      })
      onSocket(socket, entrant)
    })
    // For the server's whole life, too.
    this.#server.on('error', (error) => {
      if (this.#listening) onError(new TransportError(`listening on ${options.host}: ${error.message}`, { cause: error }))
    })
  }

  /** Returns the address for others. Rejects with {@link TransportError}. */
  async listen(): Promise<string> {
    const { host, port, advertise } = this.#options
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error): void => reject(this.#explain(error))
      this.#server.once('error', failed)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', failed)
        this.#listening = true
        resolve()
      })
    })
    const bound = this.#server.address()
    const boundPort = bound !== null && typeof bound === 'object' ? bound.port : port
    if (advertise === undefined) return this.#addressOf(formatHostPort(host, boundPort))
    return this.#addressOf(parseAddress(advertise) === undefined ? `${advertise}:${boundPort}` : advertise)
  }

  /** Whose socket this is that was made out of one of the listener's, by TLS. Undefined: that one is gone. */
  entrantOf(socket: Socket): Entrant | undefined {
    return this.#byRemote.get(remoteOf(socket))
  }

  /** Closes those in the doorway; resolves when the others are closed too, which is their owner's affair. */
  close(): Promise<void> {
    if (!this.#listening) return Promise.resolve()
    this.#listening = false
    for (const [socket, entrant] of this.#sockets) if (entrant.isPending) socket.destroy()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  #explain(error: NodeJS.ErrnoException): TransportError {
    const { host, port } = this.#options
    const where = this.#addressOf(formatHostPort(host, port))
    const why: Record<string, string> = {
      EADDRINUSE: 'the port is taken; choose another one with option port, or 0 for any that is free',
      EADDRNOTAVAIL: 'no interface of this machine has this address; see option host',
      EACCES: 'this process may not listen on that port; choose one above 1023 with option port',
      ENOTFOUND: 'the host name is unknown; see option host',
    }
    return new TransportError(`can't listen on ${where}: ${why[error.code ?? ''] ?? error.message}`, { cause: error })
  }
}

function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}
