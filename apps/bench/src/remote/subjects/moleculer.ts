// Moleculer over its own TCP transporter: events for one way, a call for an ask. Discovery by addresses given beforehand, its quickest settings.

import { ServiceBroker } from 'moleculer'
import { type BenchPayload, payloads } from '../payloads.ts'
import { BURST, eventLoopTurn, inLanes, type RemoteSubject } from '../subject.ts'
import { portForNode } from '../transports.ts'

interface Contact {
  readonly port: number
}

function broker(nodeID: string, port: number | null, urls: readonly string[]): ServiceBroker {
  return new ServiceBroker({
    nodeID,
    namespace: 'bench',
    logger: false,
    transporter: { type: 'TCP', options: { udpDiscovery: false, port, urls, gossipPeriod: 1 } } as never,
    validator: false,
    internalServices: false,
    requestTimeout: 10_000,
  } as never)
}

export const subject: RemoteSubject = {
  async receive(_setUp, hit) {
    const [port, senderPort] = [await portForNode(), await portForNode()]
    const node = broker('receiver', port, [`127.0.0.1:${senderPort}/sender`])
    node.createService({
      name: 'sink',
      events: { 'sink.hit': () => hit() },
      actions: {
        echo(context: { params: BenchPayload }) {
          hit()
          return context.params.id
        },
      },
    } as never)
    await node.start()
    return { port, senderPort }
  },

  async send({ contact }) {
    const { port, senderPort } = contact as Contact & { senderPort: number }
    const node = broker('sender', senderPort, [`127.0.0.1:${port}/receiver`])
    await node.start()
    await node.waitForServices('sink', 20_000)
    return async (work) => {
      const make = payloads(work.bytes)
      if (work.do === 'oneway') {
        for (let n = 0; n < work.count; n++) {
          node.emit('sink.hit', make(n))
          if (n % BURST === BURST - 1) await eventLoopTurn()
        }
        return undefined
      }
      if (work.do !== 'ask') throw new Error(`moleculer has no '${work.do}'`)
      return inLanes(work.count, work.lanes, async (n) => {
        const payload = make(n)
        if ((await node.call('sink.echo', payload)) !== payload.id) throw new Error('a wrong reply')
      })
    }
  },
}
