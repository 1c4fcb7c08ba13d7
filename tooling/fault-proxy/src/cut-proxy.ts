// A TCP proxy on loopback that can swallow what passes: in both directions, or the answers only. Nobody is told, as with a firewall.
// Healing resets the connections that were cut: bytes are missing in them.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

interface Pair {
  readonly client: Socket
  readonly server: Socket
  stranded: boolean
}

export class CutProxy implements AsyncDisposable {
  readonly #targetPort: number
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #cut: 'both' | 'answers' | undefined
  #answerDelayMs = 0

  constructor(targetPort: number) {
    this.#targetPort = targetPort
    this.#server = createServer((client) => this.#join(client))
  }

  static async start(targetPort: number): Promise<CutProxy> {
    const proxy = new CutProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  isolate(direction: 'both' | 'answers'): void {
    this.#cut = direction
  }

  heal(): void {
    if (this.#cut === undefined) return
    this.#cut = undefined
    this.reset()
  }

  /** Ends all connections at once, in the middle of whatever they carry. */
  reset(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy()
      server.destroy()
    }
  }

  /** Present connections carry nothing any more and are never told, as when a router forgot them; new ones work. */
  strand(): void {
    for (const pair of this.#pairs) pair.stranded = true
  }

  delayAnswers(delayMs: number): void {
    this.#answerDelayMs = delayMs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #join(client: Socket): void {
    const server = connect({ port: this.#targetPort, host: '127.0.0.1', noDelay: true })
    client.setNoDelay(true)
    const pair: Pair = { client, server, stranded: false }
    this.#pairs.add(pair)
    const end = (): void => {
      this.#pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) {
      socket.on('error', () => {})
      socket.on('close', end)
    }
    client.on('data', (chunk) => {
      if (this.#cut !== 'both' && !pair.stranded) server.write(chunk)
    })
    const answer = (chunk: Buffer): void => {
      if (this.#cut === undefined && !pair.stranded) client.write(chunk)
    }
    server.on('data', (chunk) => {
      if (this.#answerDelayMs === 0) answer(chunk)
      // What is on its way when the way is cut is lost, too.
      else setTimeout(() => answer(chunk), this.#answerDelayMs)
    })
  }
}
