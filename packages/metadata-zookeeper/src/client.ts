// A client of node-zookeeper-client that lives for one connection. The library's faults are kept out here, and need a hand inside of it:
//
// - It reconnects by itself, keeps what was left of a frame, and reads it before the next connection's answers, which then hang or are taken for others; what
//   waits for an answer while a session expires is never called back. So it may not reconnect: one client, one connection.
// - It takes whatever length the first bytes name for a frame's, and waits for a gigabyte that a stranger's greeting seemed to announce. (It also copies the
//   rest of what arrived for each frame in it.) So it is fed whole frames.
// - An error code that it does not know, as newer servers have them, is thrown out of the socket's event, and would end the process.
// - It never notices that a connection was refused (no state changes), and a connection that is given up leaves a timer behind that keeps the process alive.
// - `Transaction` takes version 0 for none, and writes over any.
// - Beyond ten readers who watch one node Node warns of a leak: each node is watched by one function here, which tells all.

import type { Socket } from 'node:net'
import { type Client, createClient, type Event, type State } from 'node-zookeeper-client'
import { FrameSplitter } from './frames.ts'
import type { DigestCredentials, Endpoint } from './options.ts'
import { ZooKeeperError } from './zookeeper-errors.ts'

export interface ClientSession {
  readonly id: Buffer
  readonly password: Buffer
}

export interface ClientOptions {
  readonly endpoint: Endpoint
  readonly sessionTimeoutMs: number
  /** The session to take up again; absent: a new one. */
  readonly session: ClientSession | undefined
  readonly auth: DigestCredentials | undefined
}

export interface ClientEvents {
  connected(): void
  /** The session that was to be taken up is over. */
  expired(): void
  /** At the latest when the socket is closed. May come more than once. */
  ended(reason: Error): void
  /** All watches of the node at this path have fired. */
  changed(path: string): void
}

/** What is touched of the library's inside. */
interface Manager {
  readonly socket: Socket
  readonly state: number
  readonly connectTimeoutHandler: NodeJS.Timeout | null
  readonly pendingQueue: readonly unknown[]
  connect(): void
  findNextServer(use: (server: Endpoint) => void): void
  onSocketData(chunk: Buffer): void
}

export interface TransactionInside {
  readonly ops: { version: number }[]
}

const CLOSING = -1

export class SingleConnectionClient {
  readonly library: Client
  /** The one watcher: the library calls it once per node, whatever asked for the watch. */
  readonly watcher: (event: Event) => void
  readonly #manager: Manager
  readonly #events: ClientEvents
  readonly #frames = new FrameSplitter()
  #problem: Error | undefined
  #closeAnswered = false
  #corked = false

  constructor({ endpoint, sessionTimeoutMs, session, auth }: ClientOptions, events: ClientEvents) {
    this.#events = events
    const options = {
      sessionTimeout: sessionTimeoutMs,
      retries: 0,
      ...(session === undefined ? {} : { sessionId: session.id, sessionPassword: session.password }),
    }
    // It wants some address; where it connects to is said in `#connectOnce`.
    this.library = createClient('127.0.0.1:2181', options)
    this.watcher = ({ path }) => events.changed(path)
    this.#manager = (this.library as unknown as { readonly connectionManager: Manager }).connectionManager
    if (auth !== undefined) this.library.addAuthInfo('digest', Buffer.from(`${auth.username}:${auth.password}`))
    this.library.on('state', (state) => this.#observe(state))
    this.#connectOnce(endpoint)
  }

  get session(): ClientSession {
    return { id: this.library.getSessionId(), password: this.library.getSessionPassword() }
  }

  /** True when the server has answered `close()`: the session is over. */
  get closeAnswered(): boolean {
    return this.#closeAnswered
  }

  /** The library's client, whose requests of this turn leave in one piece: it writes each for itself, and a list of ten thousand keys is as many writes. */
  get requests(): Client {
    if (!this.#corked) {
      this.#corked = true
      this.#manager.socket.cork()
      process.nextTick(() => {
        this.#corked = false
        this.#manager.socket.uncork()
      })
    }
    return this.library
  }

  release(): void {
    if (this.#manager.connectTimeoutHandler !== null) clearTimeout(this.#manager.connectTimeoutHandler)
    this.#manager.socket.destroy()
  }

  #connectOnce(endpoint: Endpoint): void {
    const manager = this.#manager
    // The library's own wait for a server makes the socket later than anybody could let go of it.
    manager.findNextServer = (use) => use(endpoint)
    const feed = manager.onSocketData.bind(manager)
    manager.onSocketData = (chunk) => this.#receive(chunk, feed)
    this.library.connect()
    manager.connect = () => {}
    manager.socket.on('error', (error) => {
      this.#problem ??= error
    })
    manager.socket.on('close', () => this.#events.ended(this.#problem ?? new Error('the connection was lost')))
  }

  #observe(state: State): void {
    if (state.name === 'SYNC_CONNECTED') this.#events.connected()
    if (state.name === 'EXPIRED') this.#events.expired()
    if (state.name === 'AUTH_FAILED') this.#events.ended(new Error('authentication failed'))
  }

  #receive(chunk: Buffer, feed: (frame: Buffer) => void): void {
    try {
      for (const frame of this.#frames.feed(chunk)) {
        feed(frame)
        if (this.#manager.state === CLOSING && this.#manager.pendingQueue.length === 0) this.#closeAnswered = true
      }
    } catch (error) {
      const code = /^Unknown code: (-?\d+)$/.exec((error as Error).message)?.[1]
      this.#events.ended(code === undefined ? (error as Error) : new ZooKeeperError(Number(code), 'a request'))
    }
  }
}
