// `locate`: how a message finds out where its actor lives, by itself. *Uncached*, in the placement of the kind: the hash of the id, and an entry of its
// shard. *Through a ref*: a ref that sent before has a stream to its actor, which has the location and the link of the owner until the placement
// changes. A ref does not hold its stream: each message finds it by kind and id, and that is what is measured, with the location read from it. (What `tell` does
// then, it does for every message: deadline, bounds, entry, encoding; the suites of the transports have all of it.)

import { shardOf } from '@cajun/core'
import { initialPlacement, OutStreams, type PlacementEntry, PlacementViews, type PlanCandidate } from '@cajun/core/adapter'
import type { BenchCase, BenchGroup, Subject } from '../measure.ts'
import { candidates, KIND } from './candidates.ts'

const SUITE = 'locate'
const SHARDS = 256
/** As many in each run, whatever the number of actors. */
const LOOK_UPS = 1_000_000
const NODE_COUNTS = [3, 10, 100] as const

const idsOf = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `actor-${n}`)

function placed(nodeCount: number): PlacementViews {
  const nodes = candidates(nodeCount)
  const empty = initialPlacement(KIND, SHARDS)
  const shards: PlacementEntry[] = empty.shards.map((entry, shard) => {
    const { nodeId, processId, incarnation } = nodes[shard % nodeCount] as PlanCandidate
    return { ...entry, owner: { nodeId, processId, incarnation }, epoch: shard + 1 }
  })
  const views = new PlacementViews()
  views.replace({ ...empty, shards, epoch: SHARDS, revision: empty.revision + 1 })
  return views
}

/** Nanoseconds for each of `LOOK_UPS`, of one actor after the other. */
const lookingUp =
  <T>(actors: readonly T[], find: (actor: T) => object | null | undefined): Subject =>
  () => {
    const rounds = LOOK_UPS / actors.length
    const begin = performance.now()
    for (let round = 0; round < rounds; round++) {
      for (let n = 0; n < actors.length; n++) if (!find(actors[n] as T)) throw new Error(`actor ${n} has no owner`)
    }
    return Promise.resolve(((performance.now() - begin) * 1e6) / LOOK_UPS)
  }

function group(name: string, subjects: () => BenchCase['subjects']): BenchGroup {
  return {
    suite: SUITE,
    cases: [name],
    // Made when it is its turn, and dropped afterwards: a million actors take room.
    open: () => Promise.resolve({ cases: [{ suite: SUITE, case: name, metrics: { 'look-up': 'ns' }, subjects: subjects() }] }),
  }
}

/** The Map is the floor of a look-up in anything that knows each actor; ours knows none of them. */
const uncached = (nodeCount: number): BenchGroup =>
  group(`${nodeCount} nodes, a million actors`, () => {
    const ids = idsOf(1_000_000)
    const views = placed(nodeCount)
    const nodes = candidates(nodeCount)
    const map = new Map(ids.map((id) => [id, nodes[shardOf(id, SHARDS) % nodeCount] as PlanCandidate]))
    return { cajun: lookingUp(ids, (id) => views.locate(KIND, id)?.owner), map: lookingUp(ids, (id) => map.get(id)) }
  })

const throughRefs = (nodeCount: number, refCount: number): BenchGroup =>
  group(`${nodeCount} nodes, through ${refCount === 1_000_000 ? 'a million' : refCount.toLocaleString('en')} refs in turn`, () => {
    const views = placed(nodeCount)
    const streams = new OutStreams()
    const addresses = idsOf(refCount).map((id) => ({ kind: KIND, id, path: undefined }))
    for (const address of addresses) streams.add(address).reroute(views.locate(KIND, address.id), undefined)
    return {
      cajun: lookingUp(addresses, ({ kind, id, path }) => streams.find(kind, id, path)?.location?.owner),
      uncached: lookingUp(addresses, ({ kind, id }) => views.locate(kind, id)?.owner),
    }
  })

export const locateGroups: readonly BenchGroup[] = [
  ...NODE_COUNTS.map(uncached),
  ...NODE_COUNTS.map((count) => throughRefs(count, 1_000)),
  throughRefs(100, 1_000_000),
]
