// A TCP proxy that can silence the connections that exist, for good and without a word, as a gateway does that forgot them. New ones pass.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

interface Pair {
  silent: boolean
  readonly sockets: readonly [Socket, Socket]
}

export class DeafProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #pairs = new Set<Pair>()

  private constructor(targetPort: number) {
    this.#server = createServer((client) => this.#join(client, connect({ port: targetPort, host: '127.0.0.1', noDelay: true })))
  }

  static async start(targetPort: number): Promise<DeafProxy> {
    const proxy = new DeafProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  silence(): void {
    for (const pair of this.#pairs) pair.silent = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { sockets } of this.#pairs) for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #join(client: Socket, target: Socket): void {
    const pair: Pair = { silent: false, sockets: [client, target] }
    this.#pairs.add(pair)
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      from.on('error', () => {})
      from.on('data', (chunk) => {
        if (!pair.silent) to.write(chunk)
      })
      // Also its end is told to nobody.
      from.on('close', () => {
        if (!pair.silent) to.destroy()
      })
    }
  }
}
