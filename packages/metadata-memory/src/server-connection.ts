// One client's connection to a `MemoryMetadataServer`: reads its messages, answers them, feeds its watches.
// Bytes that are not what the protocol says end it. A client that reads too slowly loses its changes and gets a snapshot instead.

import type { Socket } from 'node:net'
import { type Change, ProtocolError, type Runtime, type Timer } from '@cajun/core/adapter'
import type { EmbeddedDatabase } from './embedded-database.ts'
import { encodeFrame, FrameDecoder } from './frame.ts'
import { type ClientMessage, MAX_FRAME_BYTES, MAX_HELLO_BYTES, PROTOCOL_VERSION, partsOf, readClientMessage } from './protocol.ts'

/** Above this, watches stop until the client has caught up. */
const SLOW_BYTES = 4 * 1_048_576
/** Above this, the connection ends: answers are not read at all. */
const STUCK_BYTES = 128 * 1_048_576
const MAX_WATCHES = 1_024
const HELLO_TIMEOUT_MS = 5_000

export interface ServerConnectionOwner {
  readonly database: EmbeddedDatabase
  readonly runtime: Runtime
  /** A client introduced itself. False: it has a newer connection already. */
  admit(connection: ServerConnection): boolean
  left(connection: ServerConnection): void
}

interface ServedWatch {
  readonly prefix: string
  waiting: Change[]
  stop: (() => void) | undefined
}

export class ServerConnection {
  client: string | undefined
  /** The client's own count of its connections. */
  number = -1
  readonly #socket: Socket
  readonly #owner: ServerConnectionOwner
  readonly #decoder = new FrameDecoder(MAX_HELLO_BYTES)
  readonly #watches = new Map<number, ServedWatch>()
  readonly #helloTimer: Timer
  #ended = false

  constructor(socket: Socket, owner: ServerConnectionOwner) {
    this.#socket = socket
    this.#owner = owner
    this.#helloTimer = owner.runtime.setTimer(() => this.end(), HELLO_TIMEOUT_MS)
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('drain', () => this.#caughtUp())
    // Whatever happens to a socket, its client comes back by itself: nothing is to be said or done here.
    socket.on('error', () => {})
    socket.on('close', () => this.end())
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#helloTimer.cancel()
    for (const watch of this.#watches.values()) watch.stop?.()
    this.#watches.clear()
    this.#socket.destroy()
    this.#owner.left(this)
  }

  #read(chunk: Buffer): void {
    try {
      for (const fields of this.#decoder.push(chunk)) {
        if (this.#ended) return
        this.#handle(readClientMessage(fields))
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.end()
    }
  }

  #handle(message: ClientMessage): void {
    if (message.type === 'hello') return this.#welcome(message)
    if (this.client === undefined) throw new ProtocolError('a message before hello')
    switch (message.type) {
      case 'request':
        return this.#answer(message.id, message.request)
      case 'watch':
        if (this.#watches.has(message.id) || this.#watches.size === MAX_WATCHES) throw new ProtocolError('one watch too many')
        this.#watches.set(message.id, { prefix: message.prefix, waiting: [], stop: undefined })
        return this.#follow(message.id)
      case 'unwatch':
        this.#watches.get(message.id)?.stop?.()
        this.#watches.delete(message.id)
    }
  }

  #welcome(hello: Extract<ClientMessage, { type: 'hello' }>): void {
    if (this.client !== undefined) throw new ProtocolError('a second hello')
    this.#helloTimer.cancel()
    if (hello.version !== PROTOCOL_VERSION) {
      this.#send({ refused: `this server speaks version ${PROTOCOL_VERSION} of the protocol, not ${hello.version}` })
      this.#socket.end()
      return
    }
    this.client = hello.client
    this.number = hello.connection
    if (!this.#owner.admit(this)) return this.end()
    this.#decoder.limitBytes = MAX_FRAME_BYTES
    this.#send({ welcome: PROTOCOL_VERSION, storeId: this.#owner.database.storeId })
  }

  #answer(id: number, request: Extract<ClientMessage, { type: 'request' }>['request']): void {
    if (request.op !== 'list') return this.#send({ id, answer: this.#owner.database.execute(request) })
    const parts = partsOf(this.#owner.database.execute(request), (entry) => entry)
    const last = parts.pop()
    for (const part of parts) this.#send({ id, part })
    this.#send({ id, answer: last })
  }

  #follow(id: number): void {
    const watch = this.#watches.get(id)
    if (watch === undefined) return
    const { entries, stop } = this.#owner.database.follow(watch.prefix, (change) => {
      // All that one turn of the event loop changes leaves as one frame.
      if (watch.waiting.push(change) === 1) this.#owner.runtime.endOfTurn(() => this.#flush(id, watch))
    })
    watch.stop = stop
    const parts = partsOf(entries, (entry) => entry)
    const last = parts.pop()
    for (const part of parts) this.#send({ watch: id, part })
    this.#send({ watch: id, snapshot: last })
  }

  #flush(id: number, watch: ServedWatch): void {
    const changes = watch.waiting
    watch.waiting = []
    if (this.#watches.get(id) !== watch || watch.stop === undefined) return
    if (this.#socket.writableLength > SLOW_BYTES) {
      watch.stop()
      watch.stop = undefined
      return
    }
    for (const part of partsOf(changes, (change) => (change.type === 'put' ? change.entry : undefined)))
      this.#send({ watch: id, changes: part })
  }

  #caughtUp(): void {
    for (const [id, watch] of this.#watches) if (watch.stop === undefined) this.#follow(id)
  }

  #send(message: object): void {
    if (this.#ended) return
    this.#socket.write(encodeFrame(message))
    if (this.#socket.writableLength > STUCK_BYTES) this.end()
  }
}
