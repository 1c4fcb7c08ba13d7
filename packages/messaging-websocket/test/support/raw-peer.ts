// A peer made of a bare WebSocket, which says hello as it should and then whatever a test wants.

import { type ClientOptions, WebSocket } from 'ws'
import { encodeHello } from '../../../messaging-stream/src/handshake-message.ts'
import { HIGHEST_VERSION, LOWEST_VERSION, WELCOME } from '../../../messaging-stream/src/wire-format.ts'

export interface RawPeer {
  readonly webSocket: WebSocket
  /** Binary messages after the welcome. */
  readonly messages: Buffer[]
  readonly closed: Promise<number>
}

/** Rejects when it is not welcomed. */
export async function rawPeer(
  address: string,
  to: { readonly nodeId: string; readonly processId: string; readonly maxFrameBytes: number },
  options: ClientOptions = {},
): Promise<RawPeer> {
  const webSocket = new WebSocket(address, options)
  webSocket.on('error', () => {})
  const messages: Buffer[] = []
  const closed = new Promise<number>((resolve) => {
    webSocket.on('close', resolve)
  })
  await new Promise<void>((resolve, reject) => {
    webSocket.on('open', () =>
      webSocket.send(
        encodeHello({
          lowestVersion: LOWEST_VERSION,
          highestVersion: HIGHEST_VERSION,
          serial: 1,
          maxFrameBytes: to.maxFrameBytes,
          from: { clusterId: 'c', nodeId: 'raw', processId: 'raw-1' },
          expected: to,
          nonce: new Uint8Array(32),
        }),
      ),
    )
    webSocket.on('message', (data: Buffer) => {
      messages.push(data)
      if (data[0] === WELCOME && messages.length === 1) {
        messages.length = 0
        resolve()
      }
    })
    void closed.then((code) => reject(new Error(`closed with ${code} instead of a welcome`)))
  })
  return { webSocket, messages, closed }
}
