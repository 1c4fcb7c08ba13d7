// The live actors of one node, a page at a time. A page ends anywhere; where, stands in its cursor.

import type { TenureKeeper } from './tenure-keeper.ts'

export interface ActorEntry {
  readonly kind: string
  readonly id: string
  readonly shard: number
  readonly epoch: number
  readonly pinned: boolean
}

export interface ActorsRequest {
  readonly kind?: string
  readonly after?: string
  readonly limit: number
}

interface Place {
  /** `kind/shard/pin`, sorted as text. */
  readonly unit: string
  readonly id?: string
}

export function listActors(keeper: Pick<TenureKeeper, 'held'>, request: ActorsRequest): { actors: ActorEntry[]; next: string | undefined } {
  const from: Place | undefined = request.after === undefined ? undefined : (JSON.parse(request.after) as Place)
  const units = [...keeper.held(request.kind)]
    .map((held) => ({ held, name: `${held.unit.kind}/${String(held.unit.shard).padStart(4, '0')}/${held.unit.pin ?? ''}` }))
    .filter(({ name }) => from === undefined || name >= from.unit)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const actors: ActorEntry[] = []
  for (const { held, name } of units) {
    const after = from?.unit === name ? from.id : undefined
    const room = request.limit - actors.length
    const ids = held.table.ids(after, room)
    for (const id of ids)
      actors.push({ kind: held.unit.kind, id, shard: held.unit.shard, epoch: held.epoch, pinned: held.unit.pin !== undefined })
    const last = ids.at(-1)
    if (ids.length === room && last !== undefined) return { actors, next: JSON.stringify({ unit: name, id: last } satisfies Place) }
  }
  return { actors, next: undefined }
}
