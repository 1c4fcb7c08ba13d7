// The packed floor over RabbitMQ: the packing of the raw floor, each packet one AMQP message.

import { payloads } from '../payloads.ts'
import { BURST, eventLoopTurn, RECEIVERS, type RemoteSubject } from '../subject.ts'
import { Publisher, reading } from './amqp.ts'
import { FloorActor, HIT, Packer, unpacking } from './packing.ts'

export const subject: RemoteSubject = {
  receive(setUp, hit) {
    const actors = Array.from({ length: RECEIVERS }, () => new FloorActor())
    return reading(
      setUp,
      unpacking((actor) => {
        const target = actors[actor] as FloorActor
        target.handled++
        hit()
      }),
    )
  },

  async send({ url, contact }) {
    const publisher = await Publisher.open(url, contact)
    const packer = new Packer((packet) => publisher.publish(packet))
    return async (work) => {
      if (work.do !== 'oneway') throw new Error(`the packed floor has no '${work.do}'`)
      const make = payloads(work.bytes)
      for (let n = 0; n < work.count; n++) {
        packer.write(n % RECEIVERS, HIT, 0, make(n))
        if (n % BURST !== BURST - 1) continue
        await eventLoopTurn()
        if (publisher.isFull) await publisher.hasRoom()
      }
      await eventLoopTurn()
      await publisher.confirmed()
      return undefined
    }
  },
}
