// What the transport carries, against a broker started for it: round trips, and frames one way, counted at the receiver. Both ends in one process, so
// that it and the broker share the processors; `pnpm bench rabbitmq` measures whole clusters.
//
//   node --conditions=@cajun/source packages/messaging-rabbitmq/bench/throughput.ts

import { Backend } from '@cajun/backends'
import type { MessagingHandler, PeerAddress } from '@cajun/core/adapter'
import { RabbitMqMessagingSystem } from '../src/index.ts'

const ROUNDS = 5
const TRIPS = 2_000

class End {
  readonly system: RabbitMqMessagingSystem
  peer: PeerAddress = { nodeId: '', processId: '', address: '' }
  received = 0
  expected = 0
  onAll = (): void => {}
  onRoom = (): void => {}
  onUp = (): void => {}

  constructor(url: string, signed: boolean) {
    const frameKeys = signed ? [{ id: 1, secret: 'a secret of no less than 32 bytes' }] : []
    this.system = new RabbitMqMessagingSystem({ url, frameKeys })
  }

  async start(nodeId: string): Promise<void> {
    const identity = { clusterId: 'bench', nodeId, processId: `${nodeId}-${Math.random()}` }
    const handler: MessagingHandler = {
      onFrame: () => {
        if (++this.received === this.expected) this.onAll()
      },
      onPeerUp: () => this.onUp(),
      onPeerDown: () => {},
      onDrain: () => this.onRoom(),
      onError: (error) => console.error(error.message),
    }
    this.peer = { ...identity, ...(await this.system.start(identity, handler)) }
  }
}

function median(values: number[]): number {
  return values.sort((x, y) => x - y)[values.length >> 1] as number
}

async function send(from: End, to: End, frame: Uint8Array, count: number): Promise<number> {
  to.received = 0
  to.expected = count
  const all = new Promise<void>((resolve) => {
    to.onAll = resolve
  })
  const sinceMs = performance.now()
  for (let i = 0; i < count; i++) {
    if (from.system.send('b', frame)) {
      if (i % 256 === 255) await new Promise((resolve) => setImmediate(resolve))
    } else {
      await new Promise<void>((resolve) => {
        from.onRoom = resolve
      })
    }
  }
  await all
  return count / ((performance.now() - sinceMs) / 1_000)
}

await using backend = await Backend.start('rabbitmq')
for (const signed of [false, true]) {
  const [a, b] = [new End(backend.url, signed), new End(backend.url, signed)]
  await Promise.all([a.start('a'), b.start('b')])
  const up = new Promise<void>((resolve) => {
    a.onUp = resolve
  })
  a.system.connect(b.peer)
  await up
  const tripsMs: number[] = []
  for (let i = 0; i < TRIPS; i++) tripsMs.push(await a.system.ping('b'))
  tripsMs.sort((x, y) => x - y)
  const [p50, p99] = [tripsMs[TRIPS / 2], tripsMs[TRIPS * 0.99]] as [number, number]
  console.log(`${signed ? 'signed' : 'plain'}: round trip p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`)
  for (const [bytes, count] of [
    [64, 1_000_000],
    [1_024, 100_000],
    [65_536, 4_000],
  ] as const) {
    const frame = new Uint8Array(bytes)
    await send(a, b, frame, count)
    const rates: number[] = []
    for (let round = 0; round < ROUNDS; round++) rates.push(await send(a, b, frame, count))
    const [least, most] = [Math.min(...rates), Math.max(...rates)].map((rate) => Math.round(rate).toLocaleString('en'))
    console.log(`  ${bytes} B: ${Math.round(median(rates)).toLocaleString('en')} frames/s (${least} to ${most})`)
  }
  await Promise.all([a.system.stop(), b.system.stop()])
}
