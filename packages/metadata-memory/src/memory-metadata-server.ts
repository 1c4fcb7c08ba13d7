// Lets other processes of the machine into an embedded store, over a socket.

import { createServer, type Server } from 'node:net'
import { ConfigError, nodeRuntime, type Runtime } from '@cajun/core/adapter'
import { EmbeddedDatabase } from './embedded-database.ts'
import { ServerConnection, type ServerConnectionOwner } from './server-connection.ts'

export interface MemoryMetadataServerOptions {
  /** Default: 0, any free one; `url` says which. */
  readonly port?: number
  /** Default: 127.0.0.1. The protocol has neither authentication nor encryption: anything but loopback needs `insecure: true`. */
  readonly host?: string
  readonly insecure?: boolean
  /** What is served. Default: a database of its own. Hand it to a `MemoryMetadataStore` as well to use it in this process without a socket. */
  readonly database?: EmbeddedDatabase
  readonly runtime?: Runtime
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])
const MAX_CONNECTIONS = 1_024

export class MemoryMetadataServer implements AsyncDisposable {
  readonly database: EmbeddedDatabase
  readonly #options: Required<Pick<MemoryMetadataServerOptions, 'host' | 'port'>>
  readonly #server: Server
  readonly #connections = new Set<ServerConnection>()
  /** The connection by which each client is served. */
  readonly #clients = new Map<string, ServerConnection>()
  #closing: Promise<void> | undefined

  constructor(options: MemoryMetadataServerOptions = {}) {
    const { host = '127.0.0.1', port = 0, runtime = nodeRuntime } = options
    if (!LOOPBACK.has(host) && options.insecure !== true) {
      throw new ConfigError(
        `host is '${host}', and the embedded store has no authentication: keep to 127.0.0.1, or set insecure: true on a network you trust`,
      )
    }
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      throw new ConfigError(`port is ${port}; it must be a whole number from 0 (any) to 65535`)
    this.#options = { host, port }
    this.database = options.database ?? new EmbeddedDatabase({ runtime })
    const owner: ServerConnectionOwner = {
      database: this.database,
      runtime,
      admit: (connection) => this.#admit(connection),
      left: (connection) => this.#left(connection),
    }
    this.#server = createServer((socket) => this.#connections.add(new ServerConnection(socket, owner)))
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  static async start(options: MemoryMetadataServerOptions = {}): Promise<MemoryMetadataServer> {
    const server = new MemoryMetadataServer(options)
    await server.listen()
    return server
  }

  listen(): Promise<void> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => {
        const why = error.code === 'EADDRINUSE' ? 'it is taken; choose another, or 0 for any' : error.message
        reject(new ConfigError(`can't listen on ${host}:${port} (options host and port): ${why}`, { cause: error }))
      }
      this.#server.once('error', failed)
      this.#server.listen(port, host, () => {
        this.#server.off('error', failed)
        this.#server.on('error', () => {}) // a connection that could not be accepted; its client tries again
        resolve()
      })
    })
  }

  /** What a `MemoryMetadataStore` takes as its `url`. */
  get url(): string {
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new ConfigError('the server does not listen; await listen() first')
    return `tcp://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
  }

  /** Ends all connections. The database stays, and so do its sessions as long as their TTL. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve())
      for (const connection of [...this.#connections]) connection.end()
    })
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #admit(connection: ServerConnection): boolean {
    const client = connection.client as string
    const former = this.#clients.get(client)
    if (former !== undefined && former.number >= connection.number) return false
    this.#clients.set(client, connection)
    former?.end()
    return true
  }

  #left(connection: ServerConnection): void {
    this.#connections.delete(connection)
    if (connection.client !== undefined && this.#clients.get(connection.client) === connection) this.#clients.delete(connection.client)
  }
}
