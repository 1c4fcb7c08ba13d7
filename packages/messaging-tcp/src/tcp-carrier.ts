// TCP below the messaging system, plain or with TLS: sockets that come in, sockets that are dialed.

import { connect } from 'node:net'
import { createServer, type Server, connect as secureConnect } from 'node:tls'
import {
  type ByteChannel,
  type Carrier,
  type CarrierEvents,
  Listener,
  parseAddress,
  type ResolvedStreamOptions,
  reportRefusals,
  type TlsCredentials,
  tlsClientOptions,
  tlsServerOptions,
} from '@cajun/messaging-stream'
import { SocketChannel } from './socket-channel.ts'

export class TcpCarrier implements Carrier {
  readonly addressForm = 'host:port'
  readonly #options: ResolvedStreamOptions
  readonly #credentials: TlsCredentials | undefined
  #listener: Listener | undefined

  constructor(options: ResolvedStreamOptions, credentials: TlsCredentials | undefined) {
    this.#options = options
    this.#credentials = credentials
  }

  listen(events: CarrierEvents): Promise<string> {
    const secure = this.#credentials && this.#secureServer(this.#credentials, events)
    this.#listener = new Listener(
      this.#options,
      (socket, entrant) => {
        if (secure === undefined) events.onChannel(new SocketChannel(socket), entrant)
        else secure.emit('connection', socket)
      },
      (error) => events.onError(error),
    )
    return this.#listener.listen()
  }

  dial(address: string): ByteChannel | undefined {
    const target = parseAddress(address)
    if (target === undefined) return undefined
    if (this.#credentials === undefined) return new SocketChannel(connect({ ...target, noDelay: true }))
    return new SocketChannel(secureConnect({ ...target, ...tlsClientOptions(this.#credentials.material) }))
  }

  async close(): Promise<void> {
    await this.#listener?.close()
  }

  /** Never listens itself: it gets its sockets from the listener, so that those in the doorway are counted from their first packet. */
  #secureServer(credentials: TlsCredentials, events: CarrierEvents): Server {
    const server = createServer(tlsServerOptions(credentials.material, this.#options.connectTimeoutMs), (socket) => {
      const entrant = socket.authorized ? this.#listener?.entrantOf(socket) : undefined
      if (entrant === undefined) socket.destroy()
      else events.onChannel(new SocketChannel(socket), entrant)
    })
    reportRefusals(server, (error) => events.onError(error))
    credentials.onChange = (material) => server.setSecureContext(material.options)
    return server
  }
}
