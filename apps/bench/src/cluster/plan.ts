// `plan`: the arithmetic behind placement, by itself.

import { hashKey } from '@cajun/core'
import { initialPlacement, plan } from '@cajun/core/adapter'
import { type BenchCase, type BenchGroup, single } from '../measure.ts'
import { candidates, KIND } from './candidates.ts'

const NODES = 1_000
const PLAN_SHARDS = 1_024

function planning(name: string, capacity: (n: number) => number): BenchCase {
  const nodes = candidates(NODES, capacity)
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

export const planGroups: readonly BenchGroup[] = [
  single(planning('equal capacities', () => 1)),
  single(planning('unequal capacities', (n) => 1 + (n % 7))),
]
