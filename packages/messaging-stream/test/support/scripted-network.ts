// Channels without a kernel: every event (connected, accepted, bytes, end, close) waits in a queue of its own until the test lets it happen.
// So a test can run through the orders in which a network may do things.

import type { ByteChannel, ChannelListener } from '../../src/byte-channel.ts'
import type { ChannelSecurity } from '../../src/channel-security.ts'

type Step = () => void

export class ScriptedSocket implements ByteChannel {
  readonly name: string
  other: ScriptedSocket | undefined
  destroyed = false
  writableEnded = false
  /** What happens at this socket, in order. */
  readonly steps: Step[] = []
  /** Writes wait: nobody reads at the other end. */
  blocked = false
  #unread: { readonly chunk: Uint8Array; readonly written: () => void }[] = []
  readonly security: ChannelSecurity | undefined = undefined
  #closeQueued = false
  #listener: ChannelListener | undefined

  constructor(name: string) {
    this.name = name
  }

  attach(listener: ChannelListener): void {
    this.#listener = listener
  }

  write(parts: readonly Uint8Array[], written: () => void): void {
    if (this.destroyed || this.writableEnded) return
    this.#unread.push({ chunk: Buffer.concat(parts), written })
    if (!this.blocked) this.unblock()
  }

  open(): void {
    this.#listener?.onOpen()
  }

  receive(chunk: Uint8Array): void {
    if (!this.destroyed) this.#listener?.onData(chunk)
  }

  unblock(): void {
    this.blocked = false
    for (const { chunk, written } of this.#unread.splice(0)) {
      const { other } = this
      this.steps.push(written)
      if (other !== undefined && !other.destroyed) other.steps.push(() => other.receive(chunk))
    }
  }

  end(): void {
    if (this.writableEnded || this.destroyed) return
    this.writableEnded = true
    const { other } = this
    if (other !== undefined) other.steps.push(() => other.#ended())
  }

  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.#queueClose()
    const { other } = this
    if (other !== undefined && !other.destroyed) other.steps.push(() => other.#ended())
  }

  /** The connection could not be made. */
  refuse(message: string): void {
    this.#listener?.onError(new Error(message))
    this.destroyed = true
    this.#queueClose()
  }

  #ended(): void {
    if (this.destroyed) return
    this.#listener?.onEnd()
    this.end()
    this.destroyed = true
    this.#queueClose()
  }

  #queueClose(): void {
    if (this.#closeQueued) return
    this.#closeQueued = true
    this.steps.push(() => this.#listener?.onClose())
  }
}

export class ScriptedNetwork {
  readonly sockets: ScriptedSocket[] = []
  readonly #listening = new Map<string, (socket: ScriptedSocket) => void>()
  readonly #swallowed = new Set<string>()
  dialed = 0

  listen(address: string, accept: (socket: ScriptedSocket) => void): void {
    this.#listening.set(address, accept)
  }

  unlisten(address: string): void {
    this.#listening.delete(address)
  }

  /** Attempts to reach it hang: nothing answers, nothing is refused. */
  swallow(address: string): void {
    this.#swallowed.add(address)
  }

  dial(address: string): ScriptedSocket {
    this.dialed++
    const number = this.sockets.length / 2 + 1
    const client = new ScriptedSocket(`client ${number}`)
    const server = new ScriptedSocket(`server ${number}`)
    this.sockets.push(client, server)
    if (this.#swallowed.has(address)) return client
    const accept = this.#listening.get(address)
    if (accept === undefined) {
      client.steps.push(() => !client.destroyed && client.refuse('connect ECONNREFUSED'))
      return client
    }
    client.other = server
    server.other = client
    client.steps.push(() => {
      if (!client.destroyed) client.open()
    })
    server.steps.push(() => accept(server))
    return client
  }

  /** Lets one thing happen, picked by `pick` among the sockets that have something waiting. False: nothing is. */
  step(pick: (choices: number) => number): boolean {
    const waiting = this.sockets.filter((socket) => socket.steps.length > 0)
    if (waiting.length === 0) return false
    waiting[pick(waiting.length)]?.steps.shift()?.()
    return true
  }

  run(pick: (choices: number) => number = () => 0): void {
    for (let steps = 0; this.step(pick); steps++) if (steps > 100_000) throw new Error('the network never comes to rest')
  }
}
