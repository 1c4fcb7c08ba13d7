// What is special to WebSocket: what of ws is switched off or bounded, and living on a server that is somebody else's.

import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { MessagingHandler } from '@cajun/core/adapter'
import { describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { encodeMessage } from '../../messaging-stream/src/wire-format.ts'
import { upgradeAnswer } from '../../messaging-stream/test/support/knocking.ts'
import { WebSocketMessagingSystem } from '../src/index.ts'
import { CHUNK_BYTES, WebSocketChannel } from '../src/web-socket-channel.ts'
import { rawPeer } from './support/raw-peer.ts'

const maxFrameBytes = 400_000
const DATA = 4

class Recorder implements MessagingHandler {
  readonly news: string[] = []
  readonly errors: Error[] = []
  readonly frames: Uint8Array[] = []

  onPeerUp(peer: { processId: string }): void {
    this.news.push(`up ${peer.processId}`)
  }

  onPeerDown(peer: { processId: string }): void {
    this.news.push(`down ${peer.processId}`)
  }

  onFrame(_: unknown, frame: Uint8Array): void {
    this.frames.push(frame)
  }

  onDrain(): void {}

  onError(error: Error): void {
    this.errors.push(error)
  }

  codes(): unknown[] {
    return this.errors.map((error) => (error as { code?: string }).code)
  }
}

async function started(options: ConstructorParameters<typeof WebSocketMessagingSystem>[0] = { port: 0 }, nodeId = 'a') {
  const system = new WebSocketMessagingSystem({ maxFrameBytes, reconnect: { minDelayMs: 10, maxDelayMs: 50 }, ...options })
  const recorder = new Recorder()
  const identity = { clusterId: 'c', nodeId, processId: `${nodeId}-1` }
  const { address } = await system.start(identity, recorder)
  return {
    system,
    recorder,
    address,
    peer: { nodeId, processId: `${nodeId}-1`, address, maxFrameBytes },
    [Symbol.asyncDispose]: () => system.stop(),
  }
}

async function listening(server = createServer()) {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return { server, port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: async () => void server.close() }
}

describe('the WebSocket', () => {
  test('is not compressed, whoever asks for it', async () => {
    await using a = await started()
    const { webSocket, messages } = await rawPeer(a.address, a.peer, { perMessageDeflate: true })
    expect(webSocket.extensions).toBe('')
    a.system.send('raw', new Uint8Array(10_000))
    await vi.waitFor(() => expect(Buffer.concat(messages).byteLength).toBe(10_004), 5_000)
    webSocket.terminate()

    await using other = await listening()
    const asked = once(other.server, 'upgrade')
    a.system.connect({ nodeId: 'b', processId: 'b-1', address: `ws://127.0.0.1:${other.port}/cajun` })
    const [{ headers }, socket] = (await asked) as [{ headers: Record<string, string> }, Socket]
    expect(headers['sec-websocket-extensions']).toBeUndefined()
    socket.destroy()
  })

  test.each([
    ['a message of more than a chunk', (webSocket: WebSocket) => webSocket.send(encodeMessage(DATA, new Uint8Array(CHUNK_BYTES)))],
    [
      'a message in very many pieces',
      (webSocket: WebSocket) => {
        for (let i = 0; i < 300; i++) webSocket.send(i === 0 ? Uint8Array.of(DATA, 0, 1, 44) : Uint8Array.of(i), { fin: i === 299 })
      },
    ],
    ['a text message', (webSocket: WebSocket) => webSocket.send('\u0004\0\0\u0001x')],
  ])('%s is a ProtocolError, and ends the connection', async (_, send) => {
    await using a = await started()
    const { webSocket, closed } = await rawPeer(a.address, a.peer)
    await vi.waitFor(() => expect(a.recorder.news).toEqual(['up raw-1']), 5_000)
    send(webSocket)
    await closed
    expect(a.recorder.news).toEqual(['up raw-1', 'down raw-1'])
    expect(a.recorder.codes()).toEqual(['PROTOCOL'])
    expect(a.recorder.frames).toEqual([])
  })

  test('frames of one turn leave in one message, large ones in several', async () => {
    await using a = await started()
    const { webSocket, messages } = await rawPeer(a.address, a.peer)
    for (let i = 0; i < 100; i++) a.system.send('raw', new Uint8Array(50))
    await vi.waitFor(() => expect(messages.map((message) => message.byteLength)).toEqual([100 * 54]), 5_000)
    a.system.send('raw', new Uint8Array(150_000))
    await vi.waitFor(() => expect(messages.slice(1).map((message) => message.byteLength)).toEqual([4, 65_536, 65_536, 18_928]), 5_000)
    webSocket.terminate()
  })

  test('the messages of one turn reach the socket together, with the callback after the last', async () => {
    await using server = await listening()
    const webSocket = new WebSocket(`ws://127.0.0.1:${server.port}/`)
    webSocket.on('error', () => {})
    const calls: string[] = []
    const socket = { cork: () => calls.push('cork'), uncork: () => calls.push('uncork') } as unknown as Socket
    const channel = new WebSocketChannel(webSocket, () => socket, false)
    // `send` of ws throws while it is connecting.
    expect(() => channel.write([Uint8Array.of(1)], () => calls.push('written'))).not.toThrow()
    expect(calls).toEqual([])
    Object.defineProperty(webSocket, 'readyState', { value: webSocket.OPEN })
    webSocket.send = (data: Uint8Array, done: unknown) => calls.push(`send ${data.byteLength}${done === undefined ? '' : ' and tell'}`)
    channel.write([new Uint8Array(10), new Uint8Array(CHUNK_BYTES + 1)], () => {})
    expect(calls).toEqual(['cork', 'send 10', `send ${CHUNK_BYTES}`, 'send 1 and tell', 'uncork'])
    webSocket.terminate()
  })

  test('destroy does not wait for a peer that is dead', { timeout: 10_000 }, async () => {
    await using server = await listening()
    const silent = new Promise<Socket>((resolve) => {
      server.server.on('upgrade', (incoming, socket) => {
        socket.write(upgradeAnswer(Buffer.from(`sec-websocket-key: ${incoming.headers['sec-websocket-key']}`)))
        resolve(socket as Socket)
      })
    })
    const webSocket = new WebSocket(`ws://127.0.0.1:${server.port}/`)
    await once(webSocket, 'open')
    const closed = once(webSocket, 'close')
    new WebSocketChannel(webSocket, () => undefined, false).destroy()
    await closed
    const socket = await silent
    socket.destroy()
  })

  test('a stranger can not make it put a large message together', { timeout: 10_000 }, async () => {
    await using a = await started({ port: 0, connectTimeoutMs: 60_000 })
    const socket = connect(Number(new URL(a.address).port), '127.0.0.1')
    const closed = once(socket, 'close')
    socket.on('error', () => {})
    socket.write(
      'GET /cajun HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    )
    await once(socket, 'data')
    // Fin, binary, masked, 60,000 bytes: and 5,000 of them.
    socket.write(Buffer.concat([Buffer.from([0x82, 0xfe, 0xea, 0x60, 0, 0, 0, 0]), Buffer.alloc(5_000)]))
    await closed
    expect(a.recorder.frames).toEqual([])
  })

  test('a request of more than 4 KiB is refused', async () => {
    await using a = await started({ port: 0, connectTimeoutMs: 60_000 })
    const socket = connect(Number(new URL(a.address).port), '127.0.0.1')
    socket.on('error', () => {})
    const closed = once(socket, 'close')
    socket.resume()
    socket.write(`GET /cajun HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(5_000)}\r\n`)
    await closed
    expect(a.recorder.codes()).toEqual(['PROTOCOL'])
  })

  test('another path is 404, and a request that asks for no WebSocket 426', async () => {
    await using a = await started()
    const url = new URL(a.address)
    const [response] = await once(request(`http://${url.host}/cajun`).end(), 'response')
    expect(response.statusCode).toBe(426)
    response.resume()
    await using b = await started({ port: 0 }, 'b')
    b.system.connect({ ...a.peer, address: `ws://${url.host}/elsewhere` })
    await vi.waitFor(() => expect(b.recorder.errors[0]?.message).toContain('Unexpected server response: 404'), 5_000)
    b.system.connect({ ...a.peer, address: `${url.host}` })
    await vi.waitFor(() => expect(b.recorder.errors.at(-1)?.message).toContain('the address is not of the form ws://host:port/path'), 5_000)
  })
})

describe('at a path of a server that is somebody else’s', () => {
  test('peers meet, requests and other paths go on, and stop leaves the server alone', async () => {
    await using shared = await listening(createServer((_, response) => response.end('the application')))
    const elsewhere: string[] = []
    await using a = await started({ server: shared.server, path: '/actors' })
    shared.server.on('upgrade', (incoming, socket) => {
      if (incoming.url === '/actors') return
      elsewhere.push(incoming.url ?? '')
      socket.destroy()
    })
    expect(a.address).toBe(`ws://127.0.0.1:${shared.port}/actors`)
    await using b = await started({ port: 0 }, 'b')
    b.system.connect(a.peer)
    await vi.waitFor(() => expect([a.recorder.news, b.recorder.news]).toEqual([['up b-1'], ['up a-1']]), 5_000)
    expect(await (await fetch(`http://127.0.0.1:${shared.port}/`)).text()).toBe('the application')
    const other = new WebSocket(`ws://127.0.0.1:${shared.port}/chat`)
    await once(other, 'error')
    expect(elsewhere).toEqual(['/chat'])
    await a.system.stop()
    await vi.waitFor(() => expect(b.recorder.news).toEqual(['up a-1', 'down a-1']), 5_000)
    expect(await (await fetch(`http://127.0.0.1:${shared.port}/`)).text()).toBe('the application')
    expect(shared.server.listenerCount('upgrade')).toBe(1)
  })

  test('who is alone there refuses other paths, and limits strangers as a server of its own does', async () => {
    await using shared = await listening()
    await using _a = await started({ server: shared.server, maxPendingPerAddress: 1, connectTimeoutMs: 300 })
    const [error] = await once(new WebSocket(`ws://127.0.0.1:${shared.port}/chat`), 'error')
    expect(error.message).toContain('404')
    const first = new WebSocket(`ws://127.0.0.1:${shared.port}/cajun`)
    first.on('error', () => {})
    await once(first, 'open')
    const [refused] = await once(new WebSocket(`ws://127.0.0.1:${shared.port}/cajun`), 'error')
    expect(refused.message).toContain('503')
    // It says nothing: after its time it is put out, and there is room again.
    await once(first, 'close')
    const third = new WebSocket(`ws://127.0.0.1:${shared.port}/cajun`)
    third.on('error', () => {})
    await once(third, 'open')
    third.terminate()
  })

  test('a server that is not listening, or open to the world without insecure, is refused', async () => {
    const identity = { clusterId: 'c', nodeId: 'a', processId: 'a-1' }
    await using idle = new WebSocketMessagingSystem({ server: createServer() })
    await expect(idle.start(identity, new Recorder())).rejects.toThrow('call its listen() before start()')
    const server = createServer()
    await new Promise<void>((resolve) => {
      server.listen(0, '0.0.0.0', resolve)
    })
    await using open = new WebSocketMessagingSystem({ server })
    await expect(open.start(identity, new Recorder())).rejects.toThrow(/listens on '0.0.0.0'.*insecure: true/)
    await using advertised = new WebSocketMessagingSystem({ server, insecure: true, advertise: 'wss://actors.example.org/a' })
    expect(await advertised.start(identity, new Recorder())).toEqual({ address: 'wss://actors.example.org/a' })
    server.close()
  })
})
