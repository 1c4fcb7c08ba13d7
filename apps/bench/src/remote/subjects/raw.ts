// The raw floor: the least code that carries messages to actors of another process at full speed. A socket, and the packing of `packing.ts`.

import { connect, createServer } from 'node:net'
import { payloads } from '../payloads.ts'
import { BURST, eventLoopTurn, inLanes, RECEIVERS, type RemoteSubject } from '../subject.ts'
import { ECHO, FloorActor, HIT, Packer, REPLY, unpacking } from './packing.ts'

export const subject: RemoteSubject = {
  receive(_setUp, hit) {
    const actors = Array.from({ length: RECEIVERS }, () => new FloorActor())
    const server = createServer({ noDelay: true }, (socket) => {
      const packer = new Packer((packet) => void socket.write(packet))
      socket.on('error', () => {})
      socket.on(
        'data',
        unpacking((actor, type, slot, payload) => {
          const target = actors[actor] as FloorActor
          target.handled++
          hit()
          if (type === ECHO) packer.write(0, REPLY, slot, (payload as { id: number }).id)
        }),
      )
    })
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address())))
  },

  async send({ contact }) {
    const socket = connect({ port: (contact as { port: number }).port, host: '127.0.0.1', noDelay: true })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const packer = new Packer((packet) => void socket.write(packet))
    const slots: (((reply: unknown) => void) | undefined)[] = []
    const free: number[] = []
    socket.on(
      'data',
      unpacking((_actor, _type, slot, reply) => {
        const resolve = slots[slot]
        slots[slot] = undefined
        free.push(slot)
        resolve?.(reply)
      }),
    )
    return async (work) => {
      const make = payloads(work.bytes)
      if (work.do === 'oneway') {
        for (let n = 0; n < work.count; n++) {
          packer.write(n % RECEIVERS, HIT, 0, make(n))
          if (n % BURST !== BURST - 1) continue
          if (socket.writableNeedDrain) await new Promise<void>((resolve) => socket.once('drain', () => resolve()))
          else await eventLoopTurn()
        }
        return undefined
      }
      if (work.do !== 'ask') throw new Error(`the raw floor has no '${work.do}'`)
      return inLanes(work.count, work.lanes, async (n) => {
        const payload = make(n)
        const reply = await new Promise((resolve) => {
          const slot = free.pop() ?? slots.length
          slots[slot] = resolve
          packer.write(n % RECEIVERS, ECHO, slot, payload)
        })
        if (reply !== payload.id) throw new Error('a wrong reply')
      })
    }
  },
}
