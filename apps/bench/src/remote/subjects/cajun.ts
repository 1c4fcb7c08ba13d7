// Cajun: two nodes of one cluster, as users write them. The receiving one hosts the actors and the store, the sending one is a pure client.

import { type ActorRef, ClusterActorSystem, ConsoleLogger, defineActor } from '@cajun/core'
import { MemoryMetadataServer, MemoryMetadataStore } from '@cajun/metadata-memory'
import { type BenchPayload, numberOf, payloads } from '../payloads.ts'
import {
  BURST,
  CLUSTER_ID,
  eventLoopTurn,
  inLanes,
  RECEIVERS,
  type ReceiverSetUp,
  type RemoteSubject,
  type Sending,
  type Work,
} from '../subject.ts'
import { openTransport } from '../transports.ts'

let onHandled: () => void = () => {}

const Sink = defineActor('sink', {
  messages: {
    hit(_ctx, _payload: BenchPayload) {
      onHandled()
    },
    echo(_ctx, payload: BenchPayload) {
      onHandled()
      return payload.id
    },
  },
})

const common = { clusterId: CLUSTER_ID, actors: [Sink], strict: false, logger: new ConsoleLogger('warn') } as const

export const subject: RemoteSubject = {
  async receive(setUp, hit) {
    onHandled = hit
    const store = await MemoryMetadataServer.start()
    await ClusterActorSystem.start({
      ...common,
      nodeId: 'receiver',
      metadata: new MemoryMetadataStore({ database: store.database }),
      messaging: await openTransport(setUp, 'receiver'),
    })
    return { storeUrl: store.url }
  },

  async send(setUp) {
    const cluster = await ClusterActorSystem.start({
      ...common,
      nodeId: 'sender',
      hosts: [],
      metadata: new MemoryMetadataStore({ url: (setUp.contact as { storeUrl: string }).storeUrl }),
      messaging: await openTransport(setUp, 'sender'),
    })
    const lost: string[] = []
    cluster.onDeadLetter(({ reason, address }) => lost.push(`${address.kind}/${address.id}: ${reason}`))
    const refs = Array.from({ length: RECEIVERS }, (_, i) => cluster.ref(Sink, `s-${i}`))
    await whenOwned(cluster, setUp)
    return sending(refs, lost)
  },
}

/** Until the receiving node owns the actors and is connected. Nothing is sent meanwhile that would be counted. */
async function whenOwned(cluster: ClusterActorSystem, { transport }: ReceiverSetUp): Promise<void> {
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; ) {
    const { nodeId } = await cluster.manager.whereIs(Sink, 's-0').catch(() => ({ nodeId: undefined }))
    const { peers } = await cluster.health()
    if (nodeId === 'receiver' && peers.some((peer) => peer.nodeId === 'receiver' && peer.up)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`the nodes did not meet over ${transport} within 30 s`)
}

function sending(refs: readonly ActorRef[], lost: string[]): Sending {
  const noneLost = (): void => {
    if (lost.length > 0) throw new Error(`${lost.length} dead letters, the first ${lost[0]}`)
  }
  return async (work: Work) => {
    const make = payloads(work.bytes)
    if (work.do === 'frames') throw new Error('actors take messages, not frames')
    const { guarantee } = work
    const targets = guarantee === undefined ? refs : refs.map((ref) => ref.with({ guarantee }))
    const target = (n: number): ActorRef => targets[n % RECEIVERS] as ActorRef
    if (work.do === 'oneway') {
      for (let n = 0; n < work.count; n++) {
        if (!target(n).tell('hit', make(n))) await target(n).ready()
        if (n % BURST === BURST - 1) await eventLoopTurn()
      }
      noneLost()
      return undefined
    }
    if (work.do === 'awaited') {
      await inLanes(work.count, work.lanes, (n) => target(n).send('hit', make(n)))
      noneLost()
      return undefined
    }
    return inLanes(work.count, work.lanes, async (n) => {
      const payload = make(n)
      if ((await target(n).ask('echo', payload)) !== payload.id) throw new Error(`a wrong reply to message ${numberOf(payload)}`)
    })
  }
}
