// The cached placement documents of this process, and the look-up that every message makes in them: a hash and an array read.
// Never goes back to an older document. Knows nothing of the store; whoever reads or hears of a document hands it in.

import type { Location, PlacementView } from '../delivery/placement-view.ts'
import { HASH_VERSION, shardOf } from '../hashing/key-hash.ts'
import { initialPlacement, type PlacementDocument, type PlacementEntry, type UnitKey } from './placement-document.ts'

interface View {
  document: PlacementDocument
  /** One object for each entry, the same one as long as owner and epoch are: streams tell by identity whether their route is stale. */
  readonly shards: Location[]
  readonly pins: Map<string, Location>
}

export class PlacementViews implements PlacementView {
  readonly #views = new Map<string, View>()
  readonly #floors = new Map<string, number>()

  /** A kind that may be sent to before anybody has placed it: its messages wait. */
  expect(kind: string, shardCount: number): void {
    if (!this.#views.has(kind)) this.#install(initialPlacement(kind, shardCount, HASH_VERSION))
  }

  locate(kind: string, id: string): Location | undefined {
    const view = this.#views.get(kind)
    if (view === undefined) return undefined
    if (view.pins.size > 0) {
      const pinned = view.pins.get(id)
      if (pinned !== undefined) return pinned
    }
    return view.shards[shardOf(id, view.shards.length)]
  }

  document(kind: string): PlacementDocument | undefined {
    return this.#views.get(kind)?.document
  }

  documents(): PlacementDocument[] {
    return [...this.#views.values()].map((view) => view.document)
  }

  /** False: what is cached is as new or newer. */
  replace(document: PlacementDocument): boolean {
    const present = this.#views.get(document.kind)
    if (present !== undefined && !isNewer(document, present.document)) return false
    if (present === undefined || present.shards.length !== document.shardCount) {
      this.#install(document)
      return true
    }
    present.document = document
    for (let shard = 0; shard < document.shardCount; shard++) {
      const entry = document.shards[shard] as PlacementEntry
      const location = present.shards[shard] as Location
      if (isStale(location, entry)) present.shards[shard] = locationOf(document.kind, shard, undefined, entry)
    }
    for (const id of [...present.pins.keys()]) if (!document.pins.has(id)) present.pins.delete(id)
    for (const [id, entry] of document.pins) {
      const location = present.pins.get(id)
      if (location === undefined || isStale(location, entry)) present.pins.set(id, pinLocation(document, id, entry))
    }
    return true
  }

  /** The store lost its data: what is remembered is of another life. Epochs and owners go; the kinds stay known. */
  forget(): void {
    for (const { document } of [...this.#views.values()]) {
      this.#floors.set(document.kind, Math.max(document.epoch, this.epochFloor(document.kind)))
      this.#install(initialPlacement(document.kind, document.shardCount, document.hashVersion))
    }
  }

  /** The highest epoch of a kind in a store that lost its data: epochs must go on growing all the same. */
  epochFloor(kind: string): number {
    return this.#floors.get(kind) ?? 0
  }

  /** All of them; undefined: the store has not lost its data in the life of this process. */
  epochFloors(): Readonly<Record<string, number>> | undefined {
    return this.#floors.size === 0 ? undefined : Object.fromEntries(this.#floors)
  }

  #install(document: PlacementDocument): void {
    this.#views.set(document.kind, {
      document,
      shards: document.shards.map((entry, shard) => locationOf(document.kind, shard, undefined, entry)),
      pins: new Map([...document.pins].map(([id, entry]) => [id, pinLocation(document, id, entry)])),
    })
  }
}

/** The unit of a document under its key, as delivery names it. */
export function unitOf(document: Pick<PlacementDocument, 'kind' | 'shardCount'>, key: UnitKey): Location['unit'] {
  return typeof key === 'number'
    ? { kind: document.kind, shard: key, pin: undefined }
    : { kind: document.kind, shard: shardOf(key, document.shardCount), pin: key }
}

/**
 * The epoch decides before the revision. In one life of the store neither goes back without the other; in the next life revisions begin anew, while epochs go on above
 * all that anybody remembers. So what was still under way from the life before displaces nothing, and is displaced.
 */
function isNewer(document: PlacementDocument, present: PlacementDocument): boolean {
  return document.epoch > present.epoch || (document.epoch === present.epoch && document.revision > present.revision)
}

function pinLocation(document: PlacementDocument, id: string, entry: PlacementEntry): Location {
  return locationOf(document.kind, shardOf(id, document.shardCount), id, entry)
}

function locationOf(kind: string, shard: number, pin: string | undefined, entry: PlacementEntry): Location {
  return { unit: { kind, shard, pin }, owner: entry.owner, epoch: entry.epoch }
}

function isStale(location: Location, entry: PlacementEntry): boolean {
  if (location.epoch !== entry.epoch) return true
  const { owner } = location
  if (owner === null || entry.owner === null) return owner !== entry.owner
  return owner.processId !== entry.owner.processId || owner.nodeId !== entry.owner.nodeId
}
