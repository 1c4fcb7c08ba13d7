// The floor of frames: a bare socket that carries as many bytes in 64 KiB slabs, and counts what it reads as it comes.

import { connect, createServer } from 'node:net'
import type { RemoteSubject } from '../subject.ts'

const SLAB_BYTES = 65_536

export const subject: RemoteSubject = {
  receive(_setUp, hit) {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => {})
      socket.on('data', (chunk) => hit(chunk.length))
    })
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address())))
  },

  async send({ contact }) {
    const socket = connect({ port: (contact as { port: number }).port, host: '127.0.0.1', noDelay: true })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return async (work) => {
      const slab = new Uint8Array(SLAB_BYTES).fill(7)
      for (let left = work.count; left > 0; ) {
        const bytes = Math.min(left, SLAB_BYTES)
        left -= bytes
        if (!socket.write(bytes === SLAB_BYTES ? slab : slab.subarray(0, bytes)))
          await new Promise((resolve) => socket.once('drain', resolve))
      }
      return undefined
    }
  },
}
