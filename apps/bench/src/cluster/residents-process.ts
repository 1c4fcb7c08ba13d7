// Started by residents.ts: makes so many actors, sends each one message, waits until they are idle, and prints what the process then holds as JSON.

import { type ActorRef, ActorSystem, ClusterActorSystem, ConsoleLogger } from '@cajun/core'
import { TcpMessagingSystem } from '@cajun/messaging-tcp'
import { MemoryMetadataStore } from '@cajun/metadata-memory'
import { inLanes } from '../remote/subject.ts'
import { Counter } from './counter.ts'

const [what, countText] = process.argv.slice(2)
const count = Number(countText)
const MIB = 1024 * 1024
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function collect(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await pause(50)
    globalThis.gc?.()
  }
}

const startNode = (): Promise<ClusterActorSystem> =>
  ClusterActorSystem.start({
    clusterId: 'bench',
    nodeId: 'node',
    metadata: new MemoryMetadataStore(),
    messaging: new TcpMessagingSystem({ port: 0 }),
    actors: [Counter],
    strict: false,
    logger: new ConsoleLogger('error'),
  })

async function tellEach(refOf: (id: string) => ActorRef): Promise<void> {
  for (let n = 0; n < count; n++) {
    const ref = refOf(`actor-${n}`)
    if (!ref.tell('add', 1)) await ref.ready()
    if (n % 1_000 === 999) await new Promise((resolve) => setImmediate(resolve))
  }
}

const work: Record<string, () => Promise<{ actors(): number; check(id: string): Promise<unknown> }>> = {
  async local() {
    const system = new ActorSystem({ strict: false })
    await tellEach((id) => system.spawn(Counter, id))
    return { actors: () => count, check: (id) => system.ref(Counter, id).ask('read') }
  },
  async cluster() {
    const node = await startNode()
    await tellEach((id) => node.ref(Counter, id))
    return { actors: () => node.metrics().actors, check: (id) => node.ref(Counter, id).ask('read') }
  },
  async registered() {
    const node = await startNode()
    await node.register(Counter, 'first')
    await collect()
    before = process.memoryUsage().heapUsed
    // At once: a shard's owner writes what has come together in one batch.
    await inLanes(count, count, (n) => node.register(Counter, `actor-${n}`, { timeoutMs: 60_000 }))
    await inLanes(count, 256, (n) => node.ref(Counter, `actor-${n}`).send('add', 1))
    return { actors: () => count, check: (id) => node.ref(Counter, id).ask('read') }
  },
}

let before = 0
await collect()
before = process.memoryUsage().heapUsed
const { actors, check } = await (work[what as string] as (typeof work)[string])()
for (let n = 0; n < count; n += 9_973) if ((await check(`actor-${n}`)) !== 1) throw new Error(`actor-${n} did not get its message`)
if (actors() < count) throw new Error(`${actors()} actors live, of ${count}`)
await collect()
const { rss, heapUsed } = process.memoryUsage()
console.log(
  JSON.stringify({
    'resident memory': rss / MIB,
    'largest resident memory': process.resourceUsage().maxRSS / 1024,
    'heap per actor': (heapUsed - before) / count,
  }),
)
process.exit(0)
