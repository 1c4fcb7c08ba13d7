// WebSocket below the messaging system: a server of its own or a path of somebody else's, and sockets that are dialed.

import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ConfigError, ProtocolError, TransportError } from '@cajun/core/adapter'
import {
  type ByteChannel,
  type Carrier,
  type CarrierEvents,
  Doorway,
  type Entrant,
  formatHostPort,
  isLoopback,
  isWildcard,
  Listener,
} from '@cajun/messaging-stream'
import { type ClientOptions, type ServerOptions, WebSocket, WebSocketServer } from 'ws'
import type { ResolvedWebSocketOptions } from './options.ts'
import { hostAndPort, parseUrl } from './url.ts'
import { WebSocketChannel, webSocketLimits } from './web-socket-channel.ts'

/** Of a request that asks for a WebSocket. */
const MAX_HEADER_BYTES = 4_096
/** After it, before it is known who it is. */
const MAX_PENDING_BYTES = 4_096

/** Missing in the types of ws 8.18, which are those for 8.23. */
interface CloseTimeout {
  readonly closeTimeout: number
}

type AnyServer = Server | SecureServer

export class WebSocketCarrier implements Carrier {
  readonly addressForm = 'ws://host:port/path'
  readonly #options: ResolvedWebSocketOptions
  readonly #webSockets: WebSocketServer
  #events: CarrierEvents | undefined
  #close: (() => Promise<void>) | undefined

  constructor(options: ResolvedWebSocketOptions) {
    this.#options = options
    this.#webSockets = new WebSocketServer({
      ...webSocketLimits,
      noServer: true,
      clientTracking: false,
      closeTimeout: options.stream.closeTimeoutMs,
    } as ServerOptions & CloseTimeout)
    this.#webSockets.on('wsClientError', (error, socket) => {
      this.#events?.onError(new ProtocolError(`a connection was refused: ${error.message}`, { cause: error }))
      refuse(socket as Socket, '400 Bad Request')
    })
  }

  async listen(events: CarrierEvents): Promise<string> {
    const { server } = this.#options
    this.#events = events
    return server === undefined ? this.#listen(events) : this.#attach(server, events)
  }

  dial(address: string): ByteChannel | undefined {
    const url = parseUrl(address)
    if (url === undefined || url.protocol !== 'ws:') return undefined
    let socket: Socket | undefined
    const webSocket = new WebSocket(url, {
      ...webSocketLimits,
      closeTimeout: this.#options.stream.closeTimeoutMs,
      createConnection: () => {
        socket = connect({ ...hostAndPort(url), noDelay: true })
        return socket
      },
    } as ClientOptions & CloseTimeout)
    return new WebSocketChannel(webSocket, () => socket)
  }

  async close(): Promise<void> {
    await this.#close?.()
    this.#close = undefined
  }

  /** A server of its own, which gets its sockets from the listener, so that those in the doorway are counted from their first packet. */
  async #listen(events: CarrierEvents): Promise<string> {
    const { stream, path, advertisedUrl } = this.#options
    const entrants = new Map<string, Entrant>()
    const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (_, response) => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end()
    })
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const entrant = entrants.get(remoteOf(socket))
      if (entrant === undefined) socket.destroy()
      else if (pathOf(request) !== path) refuse(socket, '404 Not Found')
      else this.#upgrade(request, socket, head, entrant, events)
    })
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      if (error.code?.startsWith('HPE_') === true)
        events.onError(new ProtocolError(`a connection was refused: ${error.message}`, { cause: error }))
      refuse(socket as Socket, '400 Bad Request')
    })
    const listener = new Listener(
      stream,
      (socket, entrant) => {
        const remote = remoteOf(socket)
        entrants.set(remote, entrant)
        socket.on('close', () => entrants.delete(remote))
        server.emit('connection', socket)
      },
      (error) => events.onError(error),
      (hostPort) => `ws://${hostPort}${path}`,
    )
    const address = await listener.listen()
    this.#close = () => listener.close()
    return advertisedUrl ?? address
  }

  /** A path of a server that is somebody else's: who asks for another one is somebody else's affair, too. */
  #attach(server: AnyServer, events: CarrierEvents): string {
    const { stream, path } = this.#options
    const address = this.#addressAt(server)
    const doorway = new Doorway(stream)
    const pending = new Map<Socket, Entrant>()
    const onUpgrade = (request: IncomingMessage, duplex: Duplex, head: Buffer): void => {
      const socket = duplex as Socket
      if (pathOf(request) !== path) {
        if (server.listenerCount('upgrade') === 1) refuse(socket, '404 Not Found')
        return
      }
      socket.on('error', () => {})
      const entrant = doorway.enter(socket.remoteAddress ?? '', () => socket.destroy())
      if (entrant === undefined) {
        refuse(socket, '503 Service Unavailable')
        return
      }
      pending.set(socket, entrant)
      socket.on('close', () => {
        pending.delete(socket)
        entrant.leave()
      })
      this.#upgrade(request, socket, head, entrant, events)
    }
    server.on('upgrade', onUpgrade)
    this.#close = async () => {
      server.off('upgrade', onUpgrade)
      for (const [socket, entrant] of pending) if (entrant.isPending) socket.destroy()
    }
    return address
  }

  #addressAt(server: AnyServer): string {
    const { stream, path, advertisedUrl } = this.#options
    const at = server.address()
    if (at === null || typeof at === 'string') {
      throw new TransportError('the server of option server is not listening on a port; call its listen() before start()')
    }
    if (!stream.insecure && !isLoopback(at.address)) {
      throw new ConfigError(
        `the server of option server listens on '${at.address}': without TLS only the loopback interface is used. ` +
          'In a network where everybody is trusted, set insecure: true',
      )
    }
    if (advertisedUrl !== undefined) return advertisedUrl
    if (stream.advertise === undefined && isWildcard(at.address)) {
      throw new ConfigError(
        'the server of option server listens on every interface: set option advertise to the URL under which peers reach this node',
      )
    }
    return `ws://${stream.advertise ?? formatHostPort(at.address, at.port)}${path}`
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer, entrant: Entrant, events: CarrierEvents): void {
    let bytes = 0
    // ws puts a message together before anybody sees a byte of it: a stranger must not get that far.
    const count = (chunk: Buffer): void => {
      bytes += chunk.byteLength
      if (!entrant.isPending) socket.off('data', count)
      else if (bytes > MAX_PENDING_BYTES) socket.destroy()
    }
    // What came with the request (`head`) comes again as data.
    socket.on('data', count)
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      events.onChannel(new WebSocketChannel(webSocket, () => socket), entrant)
    })
  }
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? ''
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

function refuse(socket: Socket, status: string): void {
  socket.on('error', () => {})
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}
