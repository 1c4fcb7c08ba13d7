// One question over one connection, as readiness probes ask it.

import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface Endpoint {
  readonly host: string
  readonly port: number
  /** With it: over TLS. */
  readonly ca: Buffer | undefined
}

/** The first bytes of the answer; rejects when there are none within a second. */
export function exchange({ host, port, ca }: Endpoint, question: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = ca === undefined ? connect({ host, port }) : connectTls({ host, port, ca })
    socket.setTimeout(1_000, () => socket.destroy(new Error(`no answer from ${host}:${port}`)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`${host}:${port} hung up`)))
    socket.on('data', (chunk) => {
      resolve(chunk.toString())
      socket.destroy()
    })
    socket.write(question)
  })
}
