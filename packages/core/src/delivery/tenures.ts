// The tenures of this process, by unit. Pure look-up.

import type { PlacementView, Unit } from './placement-view.ts'
import type { Tenure } from './tenure.ts'

interface KindTenures {
  readonly shards: (Tenure | undefined)[]
  readonly pins: Map<string, Tenure>
}

export class Tenures {
  readonly #placement: PlacementView
  readonly #kinds = new Map<string, KindTenures>()

  constructor(placement: PlacementView) {
    this.#placement = placement
  }

  add(tenure: Tenure): void {
    const { unit } = tenure
    if (this.at(unit) !== undefined) throw new TypeError(`a tenure of ${describe(unit)} is open already; discard it first`)
    let kind = this.#kinds.get(unit.kind)
    if (kind === undefined) {
      kind = { shards: [], pins: new Map() }
      this.#kinds.set(unit.kind, kind)
    }
    if (unit.pin === undefined) kind.shards[unit.shard] = tenure
    else kind.pins.set(unit.pin, tenure)
  }

  delete(tenure: Tenure): void {
    const { unit } = tenure
    if (this.at(unit) !== tenure) return
    const kind = this.#kinds.get(unit.kind)
    if (unit.pin === undefined) delete kind?.shards[unit.shard]
    else kind?.pins.delete(unit.pin)
  }

  at(unit: Unit): Tenure | undefined {
    const kind = this.#kinds.get(unit.kind)
    return unit.pin === undefined ? kind?.shards[unit.shard] : kind?.pins.get(unit.pin)
  }

  /** The tenure that counts for an actor: a pin's before its shard's, and never the shard's for an actor that the view has pinned. */
  find(kindName: string, id: string): Tenure | undefined {
    const kind = this.#kinds.get(kindName)
    if (kind === undefined) return undefined
    if (kind.pins.size > 0) {
      const pin = kind.pins.get(id)
      if (pin !== undefined) return pin
    }
    const unit = this.#placement.locate(kindName, id)?.unit
    if (unit === undefined || unit.pin !== undefined) return undefined
    const tenure = kind.shards[unit.shard]
    return tenure?.holds(id) ? tenure : undefined
  }

  *all(): Iterable<Tenure> {
    for (const kind of this.#kinds.values()) {
      for (const tenure of kind.shards) if (tenure !== undefined) yield tenure
      yield* kind.pins.values()
    }
  }
}

function describe(unit: Unit): string {
  return unit.pin === undefined ? `${unit.kind}, shard ${unit.shard}` : `${unit.kind}/${unit.pin} (pinned)`
}
