// The other floor over RabbitMQ: one AMQP message for each of ours, as most programs use it. JSON, with the actor's number.

import { payloads } from '../payloads.ts'
import { BURST, eventLoopTurn, RECEIVERS, type RemoteSubject } from '../subject.ts'
import { Publisher, reading } from './amqp.ts'
import { FloorActor } from './packing.ts'

export const subject: RemoteSubject = {
  receive(setUp, hit) {
    const actors = Array.from({ length: RECEIVERS }, () => new FloorActor())
    return reading(setUp, (content) => {
      const { to } = JSON.parse(content.toString()) as { readonly to: number }
      const target = actors[to] as FloorActor
      target.handled++
      hit()
    })
  },

  async send({ url, contact }) {
    const publisher = await Publisher.open(url, contact)
    return async (work) => {
      if (work.do !== 'oneway') throw new Error(`one message each has no '${work.do}'`)
      const make = payloads(work.bytes)
      for (let n = 0; n < work.count; n++) {
        publisher.publish(Buffer.from(JSON.stringify({ to: n % RECEIVERS, payload: make(n) })))
        if (n % BURST !== BURST - 1) continue
        await eventLoopTurn()
        if (publisher.isFull) await publisher.hasRoom()
      }
      await publisher.confirmed()
      return undefined
    }
  },
}
