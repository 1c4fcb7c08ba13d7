// Copies of units that are being handed over to this process: collected chunk by chunk, confirmed when whole, and kept until a document
// says what becomes of them. Pure: takes messages, returns what is to be answered.
//
//   ship-begin ──> collecting ──ship-end, all there──> whole ──> opened (the document names us) or dropped (it names a higher epoch)
//       ▲              │ a chunk is missing or wrong
//       └─ship-again───┘

import type { ActorSnapshot } from '../actor/snapshot.ts'
import { type Unit, unitKey } from '../delivery/placement-view.ts'
import { fromWireUnit, type HandoffMessage } from './control-messages.ts'
import { carriesOn, type Owner, type PlacementEntry, sameProcess } from './placement-document.ts'
import { ShipmentReader } from './shipment.ts'

/** The whole state of a unit, as it was sealed in `epoch`. */
export interface UnitCopy {
  readonly unit: Unit
  readonly epoch: number
  readonly actors: readonly ActorSnapshot[]
  readonly records: readonly unknown[]
}

interface Incoming {
  readonly handoffId: string
  /** The node that ships it. */
  readonly from: string
  readonly unit: Unit
  readonly epoch: number
  attempt: number
  state: 'collecting' | 'whole'
  received: number
  reader: ShipmentReader
  actors: ActorSnapshot[]
  records: unknown[]
}

type Ship = Extract<HandoffMessage, { t: 'ship-begin' | 'ship-chunk' | 'ship-end' }>
export type ShipAnswer = Extract<HandoffMessage, { t: 'ship-copied' | 'ship-again' }>

export class HandoffTarget {
  /** By unit: the copy of the highest epoch that began. */
  readonly #incoming = new Map<string, Incoming>()
  readonly #byHandoff = new Map<string, Incoming>()

  /** What to answer the source, if anything. `from` is its node. */
  receive(from: string, message: Ship): ShipAnswer | undefined {
    const incoming = this.#byHandoff.get(message.handoffId)
    if (message.t === 'ship-begin') return this.#begin(from, message, incoming)
    // Also when the copy was dropped: a source that is still asked to ship may do so again; one that is not, has given up.
    if (incoming === undefined) return message.t === 'ship-end' ? again(message) : undefined
    if (incoming.state === 'whole' || message.attempt !== incoming.attempt) return undefined
    return message.t === 'ship-chunk' ? this.#chunk(message, incoming) : this.#end(message, incoming)
  }

  /** The whole copy of this unit, if there is one. */
  copyOf(unit: Unit): UnitCopy | undefined {
    const incoming = this.#incoming.get(unitKey(unit))
    return incoming?.state === 'whole' ? incoming : undefined
  }

  /** The handoff that brought it (or is bringing it); undefined also for a copy that was made here. */
  handoffOf(unit: Unit): { readonly handoffId: string; readonly from: string } | undefined {
    const incoming = this.#incoming.get(unitKey(unit))
    return incoming === undefined || incoming.from === '' ? undefined : incoming
  }

  /** A copy that was made within this process: of an actor that was just split off its shard. */
  keep(copy: UnitCopy): void {
    const incoming: Incoming = {
      ...copy,
      handoffId: `local-${unitKey(copy.unit)}`,
      from: '',
      attempt: 0,
      state: 'whole',
      received: 0,
      reader: new ShipmentReader(),
      actors: [...copy.actors],
      records: [...copy.records],
    }
    this.drop(copy.unit)
    this.#incoming.set(unitKey(copy.unit), incoming)
    this.#byHandoff.set(incoming.handoffId, incoming)
  }

  drop(unit: Unit): void {
    const incoming = this.#incoming.get(unitKey(unit))
    if (incoming === undefined) return
    this.#incoming.delete(unitKey(unit))
    this.#byHandoff.delete(incoming.handoffId)
  }

  /** Drops what can't count any more: `entryOf` gives the entry of the newest document (undefined: none is known). */
  prune(process: Pick<Owner, 'nodeId' | 'processId'>, entryOf: (unit: Unit) => PlacementEntry | undefined): void {
    for (const incoming of [...this.#incoming.values()]) {
      const entry = entryOf(incoming.unit)
      // An entry that is not above the copy's epoch is the one in which it was sealed, or older: its end is still to come.
      if (entry === undefined || entry.epoch <= incoming.epoch) continue
      const ours = entry.owner === null || sameProcess(entry.owner, process)
      if (!ours || !carriesOn(entry, incoming.epoch)) this.drop(incoming.unit)
    }
  }

  get size(): number {
    return this.#incoming.size
  }

  clear(): void {
    this.#incoming.clear()
    this.#byHandoff.clear()
  }

  #begin(from: string, message: Ship & { t: 'ship-begin' }, known: Incoming | undefined): ShipAnswer | undefined {
    // What was sealed does not change: a copy that is whole needs no second one.
    if (known?.state === 'whole') return { t: 'ship-copied', handoffId: message.handoffId }
    if (known !== undefined && known.attempt >= message.attempt) return undefined
    const unit = fromWireUnit(message.unit)
    const present = this.#incoming.get(unitKey(unit))
    if (present !== undefined && present.epoch > message.epoch) return undefined
    this.drop(unit)
    const incoming: Incoming = {
      handoffId: message.handoffId,
      from,
      unit,
      epoch: message.epoch,
      attempt: message.attempt,
      state: 'collecting',
      received: 0,
      reader: new ShipmentReader(),
      actors: [],
      records: [],
    }
    this.#incoming.set(unitKey(unit), incoming)
    this.#byHandoff.set(incoming.handoffId, incoming)
    return undefined
  }

  #chunk(message: Ship & { t: 'ship-chunk' }, incoming: Incoming): ShipAnswer | undefined {
    if (message.seq !== incoming.received) return this.#fail(message, incoming)
    incoming.received++
    try {
      for (const item of incoming.reader.push(message.bytes)) {
        if ('actor' in item) incoming.actors.push(item.actor)
        else incoming.records.push(item.records)
      }
    } catch {
      return this.#fail(message, incoming)
    }
    return undefined
  }

  #end(message: Ship & { t: 'ship-end' }, incoming: Incoming): ShipAnswer {
    if (message.chunks !== incoming.received || !incoming.reader.complete) return this.#fail(message, incoming)
    incoming.state = 'whole'
    return { t: 'ship-copied', handoffId: incoming.handoffId }
  }

  #fail(message: Ship, incoming: Incoming): ShipAnswer {
    this.drop(incoming.unit)
    return again(message)
  }
}

function again(message: Ship): ShipAnswer {
  return { t: 'ship-again', handoffId: message.handoffId, attempt: message.attempt }
}
