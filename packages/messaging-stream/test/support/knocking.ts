// What a bare client says to get as far as the handshake, without the transport's own code on its side.

import { createHash } from 'node:crypto'
import { encodeHello } from '../../src/handshake-message.ts'
import { HIGHEST_VERSION, LOWEST_VERSION } from '../../src/wire-format.ts'

/** A right hello, from a node to another, as it is on the wire; for WebSocket with the request and the frame around it. */
export function knock(transport: string, from: string, to: string): Buffer {
  const hello = encodeHello({
    ...{ lowestVersion: LOWEST_VERSION, highestVersion: HIGHEST_VERSION, serial: 1, maxFrameBytes: 4_194_304, nonce: new Uint8Array(32) },
    from: { clusterId: 'c', nodeId: from, processId: `${from}-1` },
    expected: { nodeId: to, processId: `${to}-1` },
  })
  if (transport === 'TCP') return Buffer.from(hello)
  const request =
    'GET /cajun HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
  return Buffer.concat([Buffer.from(request), frameOf(hello)])
}

/** A binary message of at most 125 bytes from a client, with a mask of zeros. */
export function frameOf(message: Uint8Array): Buffer {
  if (message.byteLength > 125) throw new Error(`${message.byteLength} bytes need a longer head`)
  return Buffer.concat([Buffer.from([0x82, 0x80 | message.byteLength, 0, 0, 0, 0]), message])
}

/** The answer of a WebSocket server to a request. */
export function upgradeAnswer(request: Buffer): string {
  const key = /sec-websocket-key: (\S+)/i.exec(request.toString('latin1'))?.[1]
  if (key === undefined) return ''
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
}
