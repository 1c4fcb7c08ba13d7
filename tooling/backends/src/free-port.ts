// Ports for servers that want to be told theirs. Below the range from which the kernel takes ports of outgoing connections: a server that is down for a
// moment must find its port free when it comes back.

import { createServer } from 'node:net'

const FIRST = 20_000
const COUNT = 12_000

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = FIRST + Math.floor(Math.random() * COUNT)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port found between ${FIRST} and ${FIRST + COUNT}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
