// The only ways in which a placement document changes, as pure functions: a document and a batch of changes give the next document.
// Owns the invariants of epochs; knows nothing of who is alive (`planner.ts`) nor of writing (`leader.ts`).
//
//   shard   unowned ──assign──> owned ──begin-move──> moving ──complete-move──> owned (by the target, higher epoch)
//                                 │ ▲                   │ │
//                                 │ └────abort-move─────┘ │   (same owner, higher epoch: it opens again)
//                                 └───assign, reinstate───┴─> owned (failover, or the same process under a new session)
//   pin     none ──pin──> moving ── as a shard ── unpin ──> none (the shard's owner, under a shard epoch above the pin's)

import { shardOf } from '../hashing/key-hash.ts'
import {
  MAX_PIN_ID_BYTES,
  MAX_PINS,
  type Move,
  type Owner,
  type PlacementDocument,
  type PlacementEntry,
  sameOwner,
  sameProcess,
  type UnitKey,
} from './placement-document.ts'

export type PlacementChange =
  /** Failover or first owner: nobody else can act for the unit any more. `null`: nobody can host it; owner goes, epoch stays. Ends a move. */
  | { readonly type: 'assign'; readonly unit: UnitKey; readonly owner: Owner | null }
  /** The owner's process is back under another session: higher epoch, state kept. Ends a move (the owner opens again). */
  | { readonly type: 'reinstate'; readonly unit: UnitKey; readonly owner: Owner }
  /** The owner is to seal and ship to `target`. The epoch stays: senders go on as before. */
  | { readonly type: 'begin-move'; readonly unit: UnitKey; readonly handoffId: string; readonly target: Owner }
  /** The target has the whole copy: it owns the unit under a higher epoch. */
  | { readonly type: 'complete-move'; readonly unit: UnitKey; readonly handoffId: string }
  /** Same owner under a higher epoch, so that a sealed owner may open again. */
  | { readonly type: 'abort-move'; readonly unit: UnitKey; readonly handoffId: string }
  /** Splits an actor off its shard and moves it to `target`: an entry of its own, owned by the shard's owner until the move is complete. */
  | { readonly type: 'pin'; readonly id: string; readonly handoffId: string; readonly target: Owner }
  /** The actor goes back to its shard's owner, where it starts afresh. Raises the shard's epoch above the pin's where it is not. */
  | { readonly type: 'unpin'; readonly id: string }

/** A change that the document does not allow: a bug of the caller, or a decision made on an older document. Nothing was changed. */
export class PlacementChangeError extends Error {
  constructor(document: PlacementDocument, change: PlacementChange, problem: string) {
    const unit = 'unit' in change ? change.unit : change.id
    const name = typeof unit === 'number' ? `shard ${unit}` : `pin '${unit}'`
    super(`${change.type} of ${name} of kind '${document.kind}': ${problem}`)
    this.name = 'PlacementChangeError'
  }
}

/** Applies a batch in order and as a whole: throws {@link PlacementChangeError} at the first change that is not allowed. Entries that did not change stay the same objects. */
export function applyChanges(document: PlacementDocument, changes: readonly PlacementChange[]): PlacementDocument {
  if (changes.length === 0) return document
  const draft = new Draft(document)
  for (const change of changes) draft.apply(change)
  return draft.finish()
}

class Draft {
  readonly #document: PlacementDocument
  readonly #shards: PlacementEntry[]
  readonly #pins: Map<string, PlacementEntry>
  #epoch: number
  /** What the ids of the pins take; undefined: not counted. */
  #pinBytes: number | undefined

  constructor(document: PlacementDocument) {
    this.#document = document
    this.#shards = [...document.shards]
    this.#pins = new Map(document.pins)
    this.#epoch = document.epoch
  }

  finish(): PlacementDocument {
    return { ...this.#document, epoch: this.#epoch, shards: this.#shards, pins: this.#pins }
  }

  apply(change: PlacementChange): void {
    switch (change.type) {
      case 'assign':
        return this.#assign(change)
      case 'reinstate':
        return this.#reinstate(change)
      case 'begin-move':
        return this.#beginMove(change)
      case 'complete-move':
        return this.#completeMove(change)
      case 'abort-move':
        return this.#abortMove(change)
      case 'pin':
        return this.#pin(change)
      case 'unpin':
        return this.#unpin(change)
    }
  }

  #assign(change: PlacementChange & { type: 'assign' }): void {
    const entry = this.#entry(change, change.unit)
    const { owner } = change
    if (owner === null) {
      this.#set(change.unit, { owner, epoch: entry.epoch, after: entry.after })
      return
    }
    if (entry.owner !== null && sameOwner(entry.owner, owner)) {
      this.#refuse(change, `${describe(owner)} owns it already`)
    }
    this.#set(change.unit, this.#next(entry, owner))
  }

  #reinstate(change: PlacementChange & { type: 'reinstate' }): void {
    const entry = this.#entry(change, change.unit)
    if (entry.owner === null || !sameProcess(entry.owner, change.owner)) {
      this.#refuse(change, `${describe(change.owner)} is not the process that owns it`)
    }
    this.#set(change.unit, this.#next(entry, change.owner))
  }

  #beginMove(change: PlacementChange & { type: 'begin-move' }): void {
    const entry = this.#entry(change, change.unit)
    if (entry.owner === null) this.#refuse(change, 'it has no owner; assign it')
    if (entry.move !== undefined) this.#refuse(change, `handoff ${entry.move.handoffId} is under way`)
    if (sameProcess(entry.owner, change.target)) this.#refuse(change, `${describe(change.target)} owns it already`)
    this.#set(change.unit, { ...entry, move: { handoffId: change.handoffId, target: change.target } })
  }

  #completeMove(change: PlacementChange & { type: 'complete-move' }): void {
    const { entry, move } = this.#moving(change)
    this.#set(change.unit, this.#next(entry, move.target))
  }

  #abortMove(change: PlacementChange & { type: 'abort-move' }): void {
    const { entry } = this.#moving(change)
    // A moving entry has an owner: `begin-move` demands one, and `assign` ends the move.
    this.#set(change.unit, this.#next(entry, entry.owner as Owner))
  }

  #pin(change: PlacementChange & { type: 'pin' }): void {
    const shard = this.#shardEntryOf(change.id)
    if (this.#pins.has(change.id)) this.#refuse(change, 'it is pinned already; move the pin')
    if (this.#pins.size >= MAX_PINS) this.#refuse(change, `${MAX_PINS} actors are pinned, which is the most`)
    // A document above what the store takes could not be written at all, and nothing of this kind be placed any more.
    this.#pinBytes ??= pinIdBytes(this.#pins.keys())
    if (this.#pinBytes + pinIdBytes([change.id]) > MAX_PIN_ID_BYTES) {
      this.#refuse(change, `the ids of all pins would take over ${MAX_PIN_ID_BYTES} bytes`)
    }
    if (shard.owner === null) this.#refuse(change, 'its shard has no owner')
    if (shard.move !== undefined) this.#refuse(change, 'its shard is moving')
    if (sameProcess(shard.owner, change.target)) this.#refuse(change, `${describe(change.target)} owns its shard`)
    this.#pinBytes += pinIdBytes([change.id])
    this.#pins.set(change.id, {
      ...this.#next(shard, shard.owner),
      move: { handoffId: change.handoffId, target: change.target },
    })
  }

  #unpin(change: PlacementChange & { type: 'unpin' }): void {
    const pin = this.#entry(change, change.id)
    const shard = this.#shardEntryOf(change.id)
    if (shard.epoch < pin.epoch) {
      if (shard.owner === null) this.#refuse(change, 'its shard has no owner')
      if (shard.move !== undefined) this.#refuse(change, 'its shard is moving')
      this.#set(shardOf(change.id, this.#document.shardCount), this.#next(shard, shard.owner))
    }
    this.#pins.delete(change.id)
    this.#pinBytes = undefined
  }

  /** The only place that gives out an epoch. */
  #next(entry: PlacementEntry, owner: Owner): PlacementEntry {
    this.#epoch++
    const carried = entry.owner !== null && sameProcess(entry.owner, owner)
    return { owner, epoch: this.#epoch, after: carried ? entry.after : entry.epoch }
  }

  #entry(change: PlacementChange, unit: UnitKey): PlacementEntry {
    const entry = typeof unit === 'number' ? this.#shards[unit] : this.#pins.get(unit)
    if (entry === undefined) {
      this.#refuse(change, typeof unit === 'number' ? `there are ${this.#shards.length} shards` : 'it is not pinned')
    }
    return entry
  }

  #moving(change: PlacementChange & { type: 'complete-move' | 'abort-move' }): { entry: PlacementEntry; move: Move } {
    const entry = this.#entry(change, change.unit)
    const { move } = entry
    if (move === undefined) this.#refuse(change, 'it is not moving')
    if (move.handoffId !== change.handoffId) {
      this.#refuse(change, `handoff ${move.handoffId} is under way, not ${change.handoffId}`)
    }
    return { entry, move }
  }

  #shardEntryOf(id: string): PlacementEntry {
    return this.#shards[shardOf(id, this.#document.shardCount)] as PlacementEntry
  }

  #set(unit: UnitKey, entry: PlacementEntry): void {
    if (typeof unit === 'number') this.#shards[unit] = entry
    else this.#pins.set(unit, entry)
  }

  #refuse(change: PlacementChange, problem: string): never {
    throw new PlacementChangeError(this.#document, change, problem)
  }
}

function pinIdBytes(ids: Iterable<string>): number {
  let bytes = 0
  for (const id of ids) bytes += Buffer.byteLength(JSON.stringify(id)) - 2
  return bytes
}

function describe(owner: Owner): string {
  return `${owner.nodeId} (process ${owner.processId}, session ${owner.incarnation})`
}
