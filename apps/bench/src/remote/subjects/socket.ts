// The socket floor of an ask: callbacks on a bare socket. The JSON of the payload there, the JSON of the reply back, a newline after each; one at a time.

import { connect, createServer, type Socket } from 'node:net'
import { payloads } from '../payloads.ts'
import type { RemoteSubject } from '../subject.ts'

function onLines(socket: Socket, onLine: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('error', () => {})
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() as string
    for (const line of lines) onLine(line)
  })
}

export const subject: RemoteSubject = {
  receive(_setUp, hit) {
    const server = createServer({ noDelay: true }, (socket) =>
      onLines(socket, (line) => {
        hit()
        socket.write(`${JSON.stringify(JSON.parse(line).id)}\n`)
      }),
    )
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address())))
  },

  async send({ contact }) {
    const socket = connect({ port: (contact as { port: number }).port, host: '127.0.0.1', noDelay: true })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    let onReply: (line: string) => void = () => {}
    onLines(socket, (line) => onReply(line))
    return (work) => {
      if (work.do !== 'ask' || work.lanes !== 1) return Promise.reject(new Error('the socket floor does one ask at a time'))
      const make = payloads(work.bytes)
      const times = new Float64Array(work.count)
      return new Promise((resolve, reject) => {
        let n = 0
        let begin = 0
        const next = (): void => {
          begin = performance.now()
          socket.write(`${JSON.stringify(make(n))}\n`)
        }
        onReply = (line) => {
          times[n] = performance.now() - begin
          if (JSON.parse(line) !== make(n).id) reject(new Error('a wrong reply'))
          else if (++n === work.count) resolve(times)
          else next()
        }
        next()
      })
    }
  },
}
