// One connection of a client to a `MemoryMetadataServer`, from connect to its end. It never comes back: `TcpLink` makes the next one.
//
//   connecting ──welcome──> ready ──closed, faulty, or silent for too long──> ended

import { connect, type Socket } from 'node:net'
import { ProtocolError, type Runtime, StoreRefusedError, type Timer, type WatchEvent } from '@cajun/core/adapter'
import { encodeFrame, FrameDecoder } from './frame.ts'
import { MAX_FRAME_BYTES, PROTOCOL_VERSION, readServerMessage, type ServerMessage } from './protocol.ts'
import type { StoreRequest } from './requests.ts'

export interface ClientConnectionOptions {
  readonly runtime: Runtime
  readonly host: string
  readonly port: number
  readonly client: string
  readonly number: number
  readonly keepAliveMs: number
  readonly onReady: (connection: ClientConnection) => void
  readonly onEvent: (id: number, event: WatchEvent) => void
  /** Once, with the reason. */
  readonly onEnd: (connection: ClientConnection, reason: Error) => void
}

/** Requests of the keep-alive are numbered from here; those of the link count from 1. */
const PING_IDS = 2 ** 40
/** Silent intervals after which the connection is given up. */
const PATIENCE_INTERVALS = 2

interface Pending {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
  parts: unknown[] | undefined
}

export class ClientConnection {
  readonly #options: ClientConnectionOptions
  readonly #socket: Socket
  readonly #decoder = new FrameDecoder(MAX_FRAME_BYTES)
  readonly #pending = new Map<number, Pending>()
  readonly #snapshots = new Map<number, unknown[]>()
  #state: 'connecting' | 'ready' | 'ended' = 'connecting'
  /** Intervals since the server was last heard. A count and not a time: this process may have been paused itself. */
  #silentIntervals: number = PATIENCE_INTERVALS
  #keepAlive: Timer | undefined
  #pings = 0

  constructor(options: ClientConnectionOptions) {
    this.#options = options
    const socket = connect({ host: options.host, port: options.port, noDelay: true })
    this.#socket = socket
    socket.on('connect', () => this.#send({ hello: PROTOCOL_VERSION, client: options.client, connection: options.number }))
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', (error) => this.end(error))
    socket.on('close', () => this.end(new Error('the connection was closed')))
    this.#scheduleKeepAlive()
  }

  get ready(): boolean {
    return this.#state === 'ready'
  }

  /** Sends it at once. Rejects when the connection ends before the answer. */
  request(id: number, request: StoreRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, parts: undefined })
      this.#send({ id, request })
    })
  }

  /** Nobody waits for this answer any more. */
  forget(id: number): void {
    this.#pending.delete(id)
  }

  watch(id: number, prefix: string): void {
    this.#send({ id, watch: prefix })
  }

  unwatch(id: number): void {
    this.#snapshots.delete(id)
    this.#send({ unwatch: id })
  }

  end(reason: Error): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#keepAlive?.cancel()
    this.#socket.destroy()
    for (const pending of this.#pending.values()) pending.reject(reason)
    this.#pending.clear()
    this.#options.onEnd(this, reason)
  }

  #send(message: object): void {
    if (this.#state !== 'ended') this.#socket.write(encodeFrame(message))
  }

  // A server that is frozen, or behind a cut, keeps its connections: only its silence tells. Each interval asks for a sign of life. A new
  // connection has one interval for its welcome.
  #scheduleKeepAlive(): void {
    const { runtime, keepAliveMs } = this.#options
    this.#keepAlive = runtime.setTimer(() => {
      if (this.#silentIntervals >= PATIENCE_INTERVALS) return this.end(new Error(`the server is silent (asked every ${keepAliveMs} ms)`))
      this.#silentIntervals++
      this.#send({ id: PING_IDS + this.#pings++, request: { op: 'ping' } })
      this.#scheduleKeepAlive()
    }, keepAliveMs)
  }

  #read(chunk: Buffer): void {
    this.#silentIntervals = 0
    try {
      for (const fields of this.#decoder.push(chunk)) {
        if (this.#state === 'ended') return
        this.#handle(readServerMessage(fields))
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.end(error)
    }
  }

  #handle(message: ServerMessage): void {
    switch (message.type) {
      case 'welcome':
        this.#state = 'ready'
        return this.#options.onReady(this)
      case 'refused':
        return this.end(new StoreRefusedError(`the server refused the connection: ${message.reason}`))
      case 'answerPart': {
        const pending = this.#pending.get(message.id)
        if (pending === undefined) return
        pending.parts ??= []
        pending.parts.push(...message.entries)
        return
      }
      case 'answer': {
        const pending = this.#pending.get(message.id)
        this.#pending.delete(message.id)
        return pending?.resolve(pending.parts === undefined ? message.answer : [...pending.parts, ...(message.answer as unknown[])])
      }
      case 'snapshotPart': {
        const parts = this.#snapshots.get(message.id) ?? []
        parts.push(...message.entries)
        this.#snapshots.set(message.id, parts)
        return
      }
      case 'snapshot': {
        const entries = [...(this.#snapshots.get(message.id) ?? []), ...message.entries] as typeof message.entries
        this.#snapshots.delete(message.id)
        return this.#options.onEvent(message.id, { type: 'snapshot', entries })
      }
      case 'changes':
        return this.#options.onEvent(message.id, { type: 'changes', changes: message.changes })
    }
  }
}
