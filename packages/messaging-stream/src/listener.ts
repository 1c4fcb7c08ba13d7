// The listening socket: where it listens, what it is called outside, and how many may stand in the doorway.

import { createServer, type Server, type Socket } from 'node:net'
import { TransportError } from '@cajun/core/adapter'
import { formatHostPort, parseAddress } from './address.ts'
import type { ResolvedStreamOptions } from './stream-options.ts'

export class Listener {
  readonly #options: ResolvedStreamOptions
  readonly #server: Server
  #listening = false

  /** `onSocket` takes the socket or destroys it. `onError` gets what goes wrong after `listen` (out of file descriptors). */
  constructor(options: ResolvedStreamOptions, onSocket: (socket: Socket) => void, onError: (error: Error) => void) {
    this.#options = options
    this.#server = createServer({ noDelay: true }, onSocket)
    // For the server's whole life: an 'error' that nobody listens to would end the process.
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
    if (advertise === undefined) return formatHostPort(host, boundPort)
    return parseAddress(advertise) === undefined ? `${advertise}:${boundPort}` : advertise
  }

  close(): Promise<void> {
    if (!this.#listening) return Promise.resolve()
    this.#listening = false
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  #explain(error: NodeJS.ErrnoException): TransportError {
    const { host, port } = this.#options
    const where = formatHostPort(host, port)
    const why: Record<string, string> = {
      EADDRINUSE: 'the port is taken; choose another one with option port, or 0 for any that is free',
      EADDRNOTAVAIL: 'no interface of this machine has this address; see option host',
      EACCES: 'this process may not listen on that port; choose one above 1023 with option port',
      ENOTFOUND: 'the host name is unknown; see option host',
    }
    return new TransportError(`can't listen on ${where}: ${why[error.code ?? ''] ?? error.message}`, { cause: error })
  }
}
