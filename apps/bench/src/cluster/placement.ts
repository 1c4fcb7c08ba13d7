// `locate` and `plan`: the two pieces of arithmetic behind placement, by themselves.

import { hashKey, shardOf } from '@cajun/core'
import { initialPlacement, type PlacementEntry, PlacementViews, type PlanCandidate, plan } from '@cajun/core/adapter'
import { type BenchCase, type BenchGroup, single } from '../measure.ts'

const ACTORS = 1_000_000
const KIND = 'counter'
const SHARDS = 256

const nodesOf = (count: number, capacity: (n: number) => number = () => 1): PlanCandidate[] =>
  Array.from({ length: count }, (_, n) => ({
    nodeId: `node-${n}`,
    processId: `process-${n}`,
    incarnation: `incarnation-${n}`,
    kinds: [KIND],
    capacity: capacity(n),
    load: 0,
    draining: false,
  }))

let ids: readonly string[] | undefined

/** The Map is the floor of a look-up in anything that knows each actor; ours knows none of them. */
function locate(nodeCount: number): BenchCase {
  const prepare = once(() => {
    ids ??= Array.from({ length: ACTORS }, (_, n) => `actor-${n}`)
    const nodes = nodesOf(nodeCount)
    const empty = initialPlacement(KIND, SHARDS)
    const entries: PlacementEntry[] = empty.shards.map((entry, shard) => {
      const { nodeId, processId, incarnation } = nodes[shard % nodeCount] as PlanCandidate
      return { ...entry, owner: { nodeId, processId, incarnation }, epoch: shard + 1 }
    })
    const views = new PlacementViews()
    views.replace({ ...empty, shards: entries, epoch: SHARDS, revision: empty.revision + 1 })
    const map = new Map(ids.map((id) => [id, nodes[shardOf(id, SHARDS) % nodeCount] as PlanCandidate]))
    return { ids, views, map }
  })
  const nanoseconds = (find: (id: string) => { readonly nodeId: string } | null | undefined): number => {
    const { ids } = prepare()
    const begin = performance.now()
    for (let n = 0; n < ids.length; n++) if (!find(ids[n] as string)) throw new Error(`${ids[n]} has no owner`)
    return ((performance.now() - begin) * 1e6) / ids.length
  }
  return {
    suite: 'locate',
    case: `${nodeCount} nodes, a million actors`,
    metrics: { 'look-up': 'ns' },
    subjects: {
      cajun: async () => {
        const { views } = prepare()
        return nanoseconds((id) => views.locate(KIND, id)?.owner)
      },
      map: async () => {
        const { map } = prepare()
        return nanoseconds((id) => map.get(id))
      },
    },
  }
}

const NODES = 1_000
const PLAN_SHARDS = 1_024

function planning(name: string, capacity: (n: number) => number): BenchCase {
  const nodes = nodesOf(NODES, capacity)
  const document = initialPlacement(KIND, PLAN_SHARDS)
  const time = (work: () => void): Promise<number> => {
    const begin = performance.now()
    work()
    return Promise.resolve(performance.now() - begin)
  }
  return {
    suite: 'plan',
    case: `${NODES} nodes x ${PLAN_SHARDS} shards, ${name}`,
    metrics: { time: 'ms' },
    subjects: {
      cajun: () =>
        time(() => {
          if (plan(document, nodes).changes.length !== PLAN_SHARDS) throw new Error('shards are left without an owner')
        }),
      /** For each shard the node of the highest score. */
      hashes: () =>
        time(() => {
          const hashes = nodes.map(({ nodeId }) => hashKey(nodeId))
          for (let shard = 0; shard < PLAN_SHARDS; shard++) {
            const ofShard = hashKey(`${KIND}#${shard}`)
            let best = -1
            let highest = -1
            for (let n = 0; n < hashes.length; n++) {
              const ofNode = hashes[n] as number
              const score = mix((mix(ofShard ^ ofNode) + Math.imul(ofNode, 0x9e3779b1)) | 0)
              if (score > highest) {
                highest = score
                best = n
              }
            }
            if (best < 0) throw new Error('no node')
          }
        }),
    },
  }
}

/** The finalizer of MurmurHash3; a pair takes it twice, as in core. */
function mix(bits: number): number {
  let hash = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

export const placementGroups: readonly BenchGroup[] = [
  ...[3, 10, 100].map((count) => single(locate(count))),
  single(planning('equal capacities', () => 1)),
  single(planning('unequal capacities', (n) => 1 + (n % 7))),
]
