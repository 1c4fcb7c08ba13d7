// Everything this process owns: opens, suspends, resumes, seals and discards units as documents and the session say (`ownership.ts` decides,
// this carries it out), and hands their copies over and takes them in. Level-triggered: settled again whenever anything changed.

import type { ActorDefinition } from '../actor/definition.ts'
import type { ActorHost } from '../actor/host.ts'
import type { Logger } from '../actor/logger.ts'
import type { DeliveryEndpoint } from '../delivery/delivery-endpoint.ts'
import { type Unit, unitKey } from '../delivery/placement-view.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import type { ClusterEvents } from './cluster-events.ts'
import type { HandoffSource } from './handoff-source.ts'
import type { HandoffTarget } from './handoff-target.ts'
import { HeldUnit } from './held-unit.ts'
import { decide } from './ownership.ts'
import {
  carriesOn,
  entryOf,
  type Owner,
  type PlacementDocument,
  type PlacementEntry,
  sameOwner,
  type UnitKey,
} from './placement-document.ts'
import { type PlacementViews, unitOf } from './placement-views.ts'

export interface TenureKeeperOptions {
  readonly process: PeerId
  readonly definitions: ReadonlyMap<string, ActorDefinition>
  readonly views: PlacementViews
  readonly host: ActorHost
  readonly endpoint: Pick<DeliveryEndpoint, 'openTenure'>
  readonly source: HandoffSource
  readonly target: HandoffTarget
  readonly leaseIsSafe: () => boolean
  readonly events: ClusterEvents
  readonly logger: Logger
  /** The unit runs here from now on, under its first or another epoch. */
  readonly onOpened: (held: HeldUnit) => void
}

export class TenureKeeper {
  readonly #options: TenureKeeperOptions
  readonly #units = new Map<string, Map<UnitKey, HeldUnit>>()
  /** Actors that are being split off their shards. */
  readonly #splitting = new Set<string>()
  #self: Owner | undefined
  #closed = false

  constructor(options: TenureKeeperOptions) {
    this.#options = options
  }

  get self(): Owner | undefined {
    return this.#self
  }

  /** This process is registered under this session. */
  registered(self: Owner): void {
    this.#self = self
    for (const document of this.#options.views.documents()) this.settle(document.kind)
  }

  /** The session is over: what was owned by it runs nothing until a document names the process again. */
  suspendAll(): void {
    this.#self = undefined
    for (const held of this.held()) if (!held.goesOnWithoutLease) held.suspend()
  }

  /** Everything goes: the store was reborn, or the system stops. */
  discardAll(reason: string): void {
    this.#self = undefined
    for (const held of [...this.held()]) this.#discard(held, reason)
    this.#options.target.clear()
  }

  close(reason: string): void {
    this.#closed = true
    this.discardAll(reason)
  }

  find(unit: Unit): HeldUnit | undefined {
    return this.#units.get(unit.kind)?.get(unit.pin ?? unit.shard)
  }

  *held(kind?: string): Generator<HeldUnit> {
    if (kind !== undefined) yield* this.#units.get(kind)?.values() ?? []
    else for (const units of this.#units.values()) yield* units.values()
  }

  /** Another document, session or copy: decides again about every unit of the kind. */
  settle(kind: string): void {
    const document = this.#options.views.document(kind)
    if (document === undefined || this.#closed) return
    // Pins before shards: the state of an actor that was just pinned is still its shard's.
    for (const [id, entry] of document.pins) this.#settle(document, id, entry)
    for (const id of [...(this.#units.get(kind)?.keys() ?? [])]) {
      if (typeof id === 'string' && !document.pins.has(id)) this.#settle(document, id, undefined)
    }
    for (const [shard, entry] of document.shards.entries()) this.#settle(document, shard, entry)
    this.#options.target.prune(this.#options.process, (unit) => {
      const known = this.#options.views.document(unit.kind)
      return known === undefined ? undefined : entryOf(known, unit.pin ?? unit.shard)
    })
  }

  #settle(document: PlacementDocument, key: UnitKey, entry: PlacementEntry | undefined): void {
    const { process, target, definitions } = this.#options
    const unit = unitOf(document, key)
    const definition = definitions.get(document.kind)
    // Each round gets further; more than three would be a contradiction between the decision and what it led to.
    for (let round = 0; round < 4; round++) {
      const held = this.find(unit)
      const decision = decide(entry, process, this.#self, held, target.copyOf(unit)?.epoch)
      switch (decision.do) {
        case 'nothing':
          return
        case 'suspend':
          if (held?.goesOnWithoutLease !== true || entry?.owner === null) held?.suspend()
          return
        case 'discard':
          if (held !== undefined) this.#discard(held, 'another owner was named')
          break
        case 'resume':
          if (held !== undefined) this.#resume(held, decision.epoch)
          break
        case 'open':
          if (definition === undefined) {
            this.#options.logger.error('the placement names this node for a kind that it does not host', { kind: document.kind, unit })
            return
          }
          if (!decision.withCopy && entry !== undefined && this.#split(document, unit, entry)) return
          this.#open(unit, decision.epoch, decision.withCopy, definition)
          break
        case 'seal':
          if (entry?.move === undefined || (held !== undefined && this.#isToBeSplit(document, held))) return
          this.#handOver(unit, entry, entry.move)
          return
      }
    }
  }

  #open(unit: Unit, epoch: number, withCopy: boolean, definition: ActorDefinition): void {
    const { host, endpoint, target, leaseIsSafe, onOpened, events, process } = this.#options
    const copy = withCopy ? target.copyOf(unit) : undefined
    const handoff = target.handoffOf(unit)
    target.drop(unit)
    const held = new HeldUnit({ unit, epoch, definition, host, endpoint, leaseIsSafe, copy })
    const units = this.#units.get(unit.kind) ?? new Map<UnitKey, HeldUnit>()
    this.#units.set(unit.kind, units)
    units.set(unit.pin ?? unit.shard, held)
    onOpened(held)
    if (copy !== undefined && handoff !== undefined) {
      events.emit('handoff-finished', { ...unit, handoffId: handoff.handoffId, role: 'target', from: handoff.from, to: process.nodeId })
    }
  }

  #resume(held: HeldUnit, epoch: number): void {
    this.#endHandOver(held, 'handoff-aborted')
    held.resume(epoch)
    this.#options.target.drop(held.unit)
    this.#options.onOpened(held)
  }

  #discard(held: HeldUnit, reason: string): void {
    const document = this.#options.views.document(held.unit.kind)
    const entry = document === undefined ? undefined : entryOf(document, held.unit.pin ?? held.unit.shard)
    const handoff = this.#options.source.handoffOf(held.unit)
    const wasHandedOver = handoff !== undefined && entry?.owner?.processId === handoff.target.processId
    this.#endHandOver(held, wasHandedOver ? 'handoff-finished' : 'handoff-aborted')
    this.#units.get(held.unit.kind)?.delete(held.unit.pin ?? held.unit.shard)
    const actors = held.table.size
    held.discard(reason)
    if (!wasHandedOver && actors > 0) this.#options.events.emit('discarded', { ...held.unit, epoch: held.epoch, actors })
  }

  #handOver(unit: Unit, entry: PlacementEntry, move: NonNullable<PlacementEntry['move']>): void {
    const { source, events, process } = this.#options
    if (source.handoffOf(unit)?.handoffId === move.handoffId) return
    events.emit('handoff-started', { ...unit, handoffId: move.handoffId, role: 'source', from: process.nodeId, to: move.target.nodeId })
    source.begin(unit, entry.epoch, move.handoffId, move.target)
  }

  #endHandOver(held: HeldUnit, how: 'handoff-finished' | 'handoff-aborted'): void {
    const { source, events, process } = this.#options
    const handoff = source.handoffOf(held.unit)
    if (handoff === undefined) return
    source.end(held.unit)
    events.emit(how, { ...held.unit, handoffId: handoff.handoffId, role: 'source', from: process.nodeId, to: handoff.target.nodeId })
  }

  /** The actor of a new pin still lives in its shard here: it is taken out of it, and then opened by itself. True: that is under way. */
  #split(document: PlacementDocument, unit: Unit, entry: PlacementEntry): boolean {
    if (unit.pin === undefined) return false
    const shardEntry = document.shards[unit.shard]
    // What happened to the shard before the pin was made comes first, when this process sees both at once: a handoff of it that was aborted, or one to
    // this process, whose copy holds the actor.
    if (shardEntry !== undefined && shardEntry.epoch < entry.epoch) this.#settle(document, unit.shard, shardEntry)
    const shard = this.#units.get(document.kind)?.get(unit.shard)
    if (shard === undefined || shard.state === 'sealed' || !carriesOn(entry, shard.epoch)) return false
    // Settled again when the turns in hand have ended.
    if (shard.state === 'sealing') return true
    const key = unitKey(unit)
    if (this.#splitting.has(key)) return true
    this.#splitting.add(key)
    void this.#splitOff(shard, unit, unit.pin, key)
    return true
  }

  /** A pin of this shard is ours, and its actor still lives in the shard: sealing waits, because the actor must not travel with it. */
  #isToBeSplit(document: PlacementDocument, shard: HeldUnit): boolean {
    if (shard.unit.pin !== undefined) return false
    for (const [id, entry] of document.pins) {
      const unit = unitOf(document, id)
      if (unit.shard !== shard.unit.shard || this.find(unit) !== undefined || !carriesOn(entry, shard.epoch)) continue
      if (this.#self !== undefined && entry.owner !== null && sameOwner(entry.owner, this.#self)) return true
    }
    return false
  }

  async #splitOff(shard: HeldUnit, unit: Unit, id: string, key: string): Promise<void> {
    const { target, logger } = this.#options
    const { epoch } = shard
    try {
      const copy = await shard.split(id)
      if (!shard.discarded && !this.#closed) target.keep({ unit, epoch, ...copy })
    } catch (error) {
      logger.error('an actor could not be split off its shard; it starts afresh', { kind: unit.kind, id, error })
      if (!shard.discarded) target.keep({ unit, epoch, actors: [], records: [] })
    } finally {
      this.#splitting.delete(key)
    }
    this.settle(unit.kind)
  }
}
