// How long a cut connection keeps a message waiting: from the reset of both directions until a message sent at that moment was handled and
// acknowledged. Every node, or the broker, is reached through a proxy, which does the cutting. The floor: a bare socket that connects anew and is answered.

import { connect, createServer } from 'node:net'
import { FaultProxy } from '@cajun/fault-proxy'
import type { BenchGroup, OpenGroup } from '../measure.ts'
import { SubjectPair } from './subject-pair.ts'
import { isBroker, portForNode, prepareTransport } from './transports.ts'

const NAME = 'reconnect'

export function reconnectGroup(transport: string): BenchGroup {
  return { suite: transport, cases: [NAME], warmUps: 1, runs: 9, open: () => open(transport) }
}

interface Via {
  readonly port: number
  readonly advertise: string
}

async function open(transport: string): Promise<OpenGroup> {
  const server = await prepareTransport(transport)
  const proxies: FaultProxy[] = []
  const via = async (): Promise<Via> => {
    const port = await portForNode()
    const proxy = await FaultProxy.listen({ target: `127.0.0.1:${port}` })
    proxies.push(proxy)
    return { port, advertise: proxy.address }
  }
  const start = async (): Promise<SubjectPair> => {
    if (!isBroker(transport)) return SubjectPair.start('cajun', { transport, via: await via() }, await via())
    const [target] = /[\w.]+:\d+$/.exec(server.url as string) as RegExpExecArray
    const proxy = await FaultProxy.listen({ target })
    proxies.push(proxy)
    return SubjectPair.start('cajun', { transport, url: server.url?.replace(target, proxy.address) })
  }
  const pair = await start()
  const echo = createServer((socket) => void socket.on('error', () => {}).pipe(socket))
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  const proxy = await FaultProxy.listen({ target: `127.0.0.1:${(echo.address() as { port: number }).port}` })
  proxies.push(proxy)

  const cajun = async (): Promise<number> => {
    const begin = performance.now()
    for (const each of proxies) each.drop()
    await pair.run({ do: 'awaited', count: 1, bytes: 64, guarantee: 'exactly-once', lanes: 1 })
    return performance.now() - begin
  }
  const socket = async (): Promise<number> => {
    const begin = performance.now()
    const [host, port] = proxy.address.split(':') as [string, string]
    const client = connect({ host, port: Number(port), noDelay: true })
    client.write('x')
    await new Promise((resolve, reject) => client.once('data', resolve).once('error', reject))
    const took = performance.now() - begin
    client.destroy()
    return took
  }
  return {
    cases: [{ suite: transport, case: NAME, metrics: { time: 'ms' }, subjects: { cajun, socket } }],
    async close() {
      await pair.close()
      await Promise.all(proxies.map((each) => each[Symbol.asyncDispose]()))
      echo.close()
      await server.close()
    },
  }
}
