// TCP below the messaging system: sockets that come in, sockets that are dialed.

import { connect } from 'node:net'
import {
  type ByteChannel,
  type Carrier,
  type CarrierEvents,
  Listener,
  parseAddress,
  type ResolvedStreamOptions,
} from '@cajun/messaging-stream'
import { SocketChannel } from './socket-channel.ts'

export class TcpCarrier implements Carrier {
  readonly addressForm = 'host:port'
  readonly #options: ResolvedStreamOptions
  #listener: Listener | undefined

  constructor(options: ResolvedStreamOptions) {
    this.#options = options
  }

  listen(events: CarrierEvents): Promise<string> {
    this.#listener = new Listener(
      this.#options,
      (socket, entrant) => events.onChannel(new SocketChannel(socket), entrant),
      (error) => events.onError(error),
    )
    return this.#listener.listen()
  }

  dial(address: string): ByteChannel | undefined {
    const target = parseAddress(address)
    return target && new SocketChannel(connect({ ...target, noDelay: true }))
  }

  async close(): Promise<void> {
    await this.#listener?.close()
  }
}
