// The leader's side of handoffs: which moves are complete, which took too long, and which have to rest before they are tried again. Pure; it
// keeps nothing that a new leader would need: sources report again to whoever leads, and a new leader counts the time anew.

import { type Unit, unitKey } from '../delivery/placement-view.ts'
import {
  entryOf,
  type Owner,
  type PlacementDocument,
  type PlacementEntry,
  sameOwner,
  sameProcess,
  type UnitKey,
} from './placement-document.ts'
import type { PlacementChange } from './placement-transitions.ts'
import { unitOf } from './placement-views.ts'
import type { WantedMove } from './planner.ts'

export interface HandoffDriverOptions {
  /** From when this leader first saw it; then the move is aborted. */
  readonly timeoutMs: number
  /** How long a unit rests after an aborted move. */
  readonly restMs: number
}

interface Move {
  readonly firstSeenMs: number
  released: boolean
}

export class HandoffDriver {
  readonly #options: HandoffDriverOptions
  /** By handoff id: of every move in the documents, and nothing else after `settle`. */
  readonly #moves = new Map<string, Move>()
  readonly #resting = new Map<string, number>()

  constructor(options: HandoffDriverOptions) {
    this.#options = options
  }

  /**
   * A source says that the unit is sealed and the target has the whole copy. False: the document does not ask for that (any more).
   * `from` is who says so.
   */
  released(
    document: PlacementDocument,
    unit: Unit,
    handoffId: string,
    epoch: number,
    from: Pick<Owner, 'nodeId' | 'processId'>,
    nowMs: number,
  ): boolean {
    const entry = entryOf(document, unit.pin ?? unit.shard)
    if (entry?.move?.handoffId !== handoffId || entry.epoch !== epoch) return false
    if (entry.owner === null || !sameProcess(entry.owner, from)) return false
    this.#see(handoffId, nowMs).released = true
    return true
  }

  /** What the moves of one document need now. `alive`: the owners of all registered nodes. Units in `touched` are dealt with already. */
  changes(document: PlacementDocument, alive: readonly Owner[], touched: ReadonlySet<UnitKey>, nowMs: number): PlacementChange[] {
    const changes: PlacementChange[] = []
    for (const [unit, entry] of moving(document)) {
      if (touched.has(unit)) continue
      const { handoffId, target } = entry.move
      const move = this.#see(handoffId, nowMs)
      if (move.released && alive.some((owner) => sameOwner(owner, target))) {
        changes.push({ type: 'complete-move', unit, handoffId })
      } else if (nowMs - move.firstSeenMs >= this.#options.timeoutMs) {
        changes.push({ type: 'abort-move', unit, handoffId })
        this.#resting.set(unitKey(unitOf(document, unit)), nowMs + this.#options.restMs)
      }
    }
    return changes
  }

  /** The moves that may begin: not of units whose last one was aborted a moment ago. */
  mayBegin(document: PlacementDocument, moves: readonly WantedMove[], nowMs: number): WantedMove[] {
    return moves.filter((move) => {
      const key = unitKey(unitOf(document, move.unit))
      const untilMs = this.#resting.get(key)
      if (untilMs === undefined) return true
      if (nowMs < untilMs) return false
      this.#resting.delete(key)
      return true
    })
  }

  /** Forgets the moves that are in none of the documents. Returns when something has to be done next, if nothing happens before. */
  settle(documents: readonly PlacementDocument[], nowMs: number): number | undefined {
    const present = new Set<string>()
    let nextMs: number | undefined
    const wake = (atMs: number): void => {
      if (nextMs === undefined || atMs < nextMs) nextMs = atMs
    }
    for (const document of documents) {
      for (const [, entry] of moving(document)) {
        present.add(entry.move.handoffId)
        wake(this.#see(entry.move.handoffId, nowMs).firstSeenMs + this.#options.timeoutMs)
      }
    }
    for (const handoffId of [...this.#moves.keys()]) if (!present.has(handoffId)) this.#moves.delete(handoffId)
    for (const untilMs of this.#resting.values()) wake(Math.max(untilMs, nowMs))
    return nextMs
  }

  /** Another leader drives now. */
  reset(): void {
    this.#moves.clear()
    this.#resting.clear()
  }

  #see(handoffId: string, nowMs: number): Move {
    let move = this.#moves.get(handoffId)
    if (move === undefined) {
      move = { firstSeenMs: nowMs, released: false }
      this.#moves.set(handoffId, move)
    }
    return move
  }
}

type MovingEntry = PlacementEntry & { readonly move: NonNullable<PlacementEntry['move']> }

function* moving(document: PlacementDocument): Generator<[UnitKey, MovingEntry]> {
  for (const [shard, entry] of document.shards.entries()) if (entry.move !== undefined) yield [shard, entry as MovingEntry]
  for (const [id, entry] of document.pins) if (entry.move !== undefined) yield [id, entry as MovingEntry]
}
