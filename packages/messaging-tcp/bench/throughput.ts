// Frames per second and MB per second of the TCP transport against a bare socket that carries the same bytes in 64 KiB slabs. Two processes on loopback,
// interleaved runs, median with minimum and maximum; counted at the receiver.
//
//   node --conditions=@cajun/source packages/messaging-tcp/bench/throughput.ts [runs]

import { fork } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { TcpMessagingSystem } from '../src/index.ts'

const SLAB_BYTES = 65_536
const self = new URL(import.meta.url)

interface Plan {
  readonly frameBytes: number
  readonly frames: number
}

const plans: readonly Plan[] = [
  { frameBytes: 64, frames: 4_000_000 },
  { frameBytes: 256, frames: 2_000_000 },
  { frameBytes: 1_024, frames: 800_000 },
  { frameBytes: 16_384, frames: 80_000 },
  { frameBytes: 65_536, frames: 24_000 },
  { frameBytes: 1_048_576, frames: 1_500 },
]

const identity = (nodeId: string) => ({ clusterId: 'bench', nodeId, processId: nodeId })
const nothing = { onPeerUp() {}, onPeerDown() {}, onDrain() {} }

/** The receiving process: counts, and tells when it has all. */
async function receive(): Promise<void> {
  let expectedBytes = 0
  let seenBytes = 0
  const count = (bytes: number): void => {
    seenBytes += bytes
    if (expectedBytes > 0 && seenBytes >= expectedBytes) {
      expectedBytes = 0
      seenBytes = 0
      process.send?.('done')
    }
  }
  process.on('message', (bytes: number) => {
    expectedBytes = bytes
    process.send?.('ready')
  })
  const system = new TcpMessagingSystem({ port: 0 })
  const { address } = await system.start(identity('b'), { ...nothing, onFrame: (_peer, frame) => count(frame.byteLength) })
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => count(chunk.byteLength))
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ address, port: (server.address() as { port: number }).port }))
}

async function main(runs: number): Promise<void> {
  const child = fork(self, ['receive'], { execArgv: process.execArgv })
  const next = <T>(): Promise<T> => new Promise((resolve) => child.once('message', (message) => resolve(message as T)))
  const { address, port } = await next<{ address: string; port: number }>()

  let drained: (() => void) | undefined
  const system = new TcpMessagingSystem({ port: 0 })
  const up = Promise.withResolvers<void>()
  await system.start(identity('a'), { ...nothing, onFrame() {}, onPeerUp: () => up.resolve(), onDrain: () => drained?.() })
  system.connect({ ...identity('b'), address })
  await up.promise
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })

  /** As a producer does: as many frames as there is room for, then it waits. */
  const overTransport = async ({ frameBytes, frames }: Plan): Promise<void> => {
    const frame = new Uint8Array(frameBytes).fill(7)
    for (let sent = 0; sent < frames; ) {
      while (sent < frames && system.send('b', frame)) sent++
      if (sent === frames) break
      // The frame for which it said false was taken.
      sent++
      await new Promise<void>((resolve) => {
        drained = resolve
      })
    }
  }
  const overSocket = async ({ frameBytes, frames }: Plan): Promise<void> => {
    const slab = new Uint8Array(SLAB_BYTES).fill(7)
    for (let left = frameBytes * frames; left > 0; ) {
      const bytes = Math.min(left, SLAB_BYTES)
      left -= bytes
      if (!socket.write(bytes === SLAB_BYTES ? slab : slab.subarray(0, bytes)))
        await new Promise((resolve) => socket.once('drain', resolve))
    }
  }
  const measure = async (plan: Plan, send: (plan: Plan) => Promise<void>): Promise<number> => {
    child.send(plan.frames * plan.frameBytes)
    await next()
    const startedAt = performance.now()
    const done = next()
    await send(plan)
    await done
    return plan.frames / ((performance.now() - startedAt) / 1_000)
  }

  console.log('| frame | TCP transport, frames/s (min to max) | MB/s | bare socket, MB/s | ratio |')
  console.log('| ---: | ---: | ---: | ---: | ---: |')
  for (const plan of plans) {
    const ours: number[] = []
    const bare: number[] = []
    for (let run = 0; run <= runs; run++) {
      const a = await measure(plan, overTransport)
      const b = await measure(plan, overSocket)
      // The first is the warm-up.
      if (run > 0) {
        ours.push(a)
        bare.push(b)
      }
    }
    const round = (value: number): string => Math.round(value).toLocaleString('en')
    const megabytes = (rate: number): string => round((rate * plan.frameBytes) / 1e6)
    const [median, floor] = [medianOf(ours), medianOf(bare)]
    console.log(
      `| ${plan.frameBytes} B | ${round(median)} (${round(Math.min(...ours))} to ${round(Math.max(...ours))}) | ${megabytes(median)} | ${megabytes(floor)} | ${(median / floor).toFixed(2)} |`,
    )
  }
  const trips: number[] = []
  for (let i = 0; i < 2_000; i++) trips.push(await system.ping('b'))
  trips.sort((a, b) => a - b)
  console.log(`\nping: p50 ${((trips[1_000] as number) * 1_000).toFixed(0)} µs, p99 ${((trips[1_980] as number) * 1_000).toFixed(0)} µs`)
  child.kill()
  socket.destroy()
  await system.stop()
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number
}

if (process.argv[2] === 'receive') await receive()
else await main(Number(process.argv[2] ?? 5))
