// WebSocket below the messaging system, plain or with TLS: a server of its own or a path of somebody else's, and sockets that are dialed.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, Server as SecureServer } from 'node:https'
import { connect, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as secureConnect } from 'node:tls'
import { ConfigError, ProtocolError, TransportError } from '@cajun/core/adapter'
import {
  type ByteChannel,
  type Carrier,
  type CarrierEvents,
  Doorway,
  type Entrant,
  formatHostPort,
  HANDSHAKE_LIMIT_BYTES,
  isLoopback,
  isWildcard,
  Listener,
  reportRefusals,
  type TlsCredentials,
  tlsClientOptions,
  tlsServerOptions,
} from '@cajun/messaging-stream'
import { type ClientOptions, type ServerOptions, WebSocket, WebSocketServer } from 'ws'
import type { ResolvedWebSocketOptions } from './options.ts'
import { hostAndPort, parseUrl } from './url.ts'
import { WebSocketChannel, webSocketLimits } from './web-socket-channel.ts'

/** Of a request that asks for a WebSocket. */
const MAX_HEADER_BYTES = 4_096

/** Missing in the types of ws 8.18, which are those for 8.23. */
interface CloseTimeout {
  readonly closeTimeout: number
}

type AnyServer = Server | SecureServer

export class WebSocketCarrier implements Carrier {
  readonly addressForm: string
  readonly #options: ResolvedWebSocketOptions
  readonly #credentials: TlsCredentials | undefined
  readonly #webSockets: WebSocketServer
  #events: CarrierEvents | undefined
  #close: (() => Promise<void>) | undefined

  constructor(options: ResolvedWebSocketOptions, credentials: TlsCredentials | undefined) {
    this.#options = options
    this.#credentials = credentials
    this.addressForm = `${credentials === undefined ? 'ws' : 'wss'}://host:port/path`
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
    if (url === undefined) return undefined
    let socket: Socket | undefined
    const webSocket = new WebSocket(url, {
      ...webSocketLimits,
      closeTimeout: this.#options.stream.closeTimeoutMs,
      createConnection: () => {
        socket = this.#open(url)
        return socket
      },
    } as ClientOptions & CloseTimeout)
    return new WebSocketChannel(webSocket, () => socket, this.#credentials !== undefined)
  }

  #open(url: URL): Socket {
    const target = hostAndPort(url)
    if (url.protocol === 'ws:') return connect({ ...target, noDelay: true })
    if (this.#credentials !== undefined) return secureConnect({ ...target, ...tlsClientOptions(this.#credentials.material) })
    // A proxy's certificate, then: one of the public authorities, for its host name.
    return secureConnect({ ...target, ...(isIP(target.host) === 0 ? { servername: target.host } : {}) })
  }

  async close(): Promise<void> {
    await this.#close?.()
    this.#close = undefined
  }

  /** A server of its own, which gets its sockets from the listener, so that those in the doorway are counted from their first packet. */
  async #listen(events: CarrierEvents): Promise<string> {
    const { stream, path, advertisedUrl } = this.#options
    const server = this.#server(events)
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const entrant = listener.entrantOf(socket)
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
      (socket) => server.emit('connection', socket),
      (error) => events.onError(error),
      (hostPort) => `${this.#scheme}://${hostPort}${path}`,
    )
    const address = await listener.listen()
    this.#close = () => listener.close()
    return advertisedUrl ?? address
  }

  /** Never listens itself. */
  #server(events: CarrierEvents): AnyServer {
    const answer = (_: unknown, response: ServerResponse): void => {
      response.writeHead(426, { connection: 'close', upgrade: 'websocket' }).end()
    }
    const credentials = this.#credentials
    if (credentials === undefined) return createServer({ maxHeaderSize: MAX_HEADER_BYTES }, answer)
    const { connectTimeoutMs } = this.#options.stream
    const server = createSecureServer(
      { ...tlsServerOptions(credentials.material, connectTimeoutMs), maxHeaderSize: MAX_HEADER_BYTES },
      answer,
    )
    reportRefusals(server, (error) => events.onError(error))
    credentials.onChange = (material) => server.setSecureContext(material.options)
    return server
  }

  get #scheme(): string {
    return this.#credentials === undefined ? 'ws' : 'wss'
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
    if (stream.tls !== undefined && !(server instanceof SecureServer)) {
      throw new ConfigError('option tls is given, and the server of option server is one of node:http; it must be one of node:https')
    }
    if (!stream.insecure && stream.tls === undefined && !isLoopback(at.address)) {
      throw new ConfigError(
        `the server of option server listens on '${at.address}': without option tls only the loopback interface is used. ` +
          'In a network where everybody is trusted, set insecure: true',
      )
    }
    if (advertisedUrl !== undefined) return advertisedUrl
    if (stream.advertise === undefined && isWildcard(at.address)) {
      throw new ConfigError(
        'the server of option server listens on every interface: set option advertise to the URL under which peers reach this node',
      )
    }
    return `${this.#scheme}://${stream.advertise ?? formatHostPort(at.address, at.port)}${path}`
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer, entrant: Entrant, events: CarrierEvents): void {
    let bytes = 0
    // ws puts a message together before anybody sees a byte of it: a stranger must not get that far.
    const count = (chunk: Buffer): void => {
      bytes += chunk.byteLength
      if (!entrant.isPending) socket.off('data', count)
      else if (bytes > HANDSHAKE_LIMIT_BYTES) socket.destroy()
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      // Not earlier: `head` comes again as data, and would be lost if somebody listened before ws does.
      socket.prependListener('data', count)
      events.onChannel(new WebSocketChannel(webSocket, () => socket, this.#credentials !== undefined), entrant)
    })
  }
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? ''
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

function refuse(socket: Socket, status: string): void {
  socket.on('error', () => {})
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy())
}
