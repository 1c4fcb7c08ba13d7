// What a tenure remembers of messages it has handled: for each actor and source one number, the id last handled, and the replies
// that a repeated ask must get again. Pure. A missing record reads as the source's floor.
//
// Records outlive activations. They go when the floor passes them, when the source is retired, or with the tenure.

import type { ControlChannel } from './control-channel.ts'
import type { Peer } from './peer.ts'

/** A source of messages as a receiver knows it: a process, and how far it has finished. */
export class Source {
  readonly nodeId: string
  readonly processId: string
  /** Every id up to it is finished: nothing at or below it is executed any more. */
  floor = 0
  /** The link to its process. Undefined: there is none now, and what it asks is answered when it asks again. */
  peer: Peer | undefined = undefined
  /** Of a peer that was forgotten: its process may come back and remembers its own end. */
  control: ControlChannel | undefined = undefined
  /** When its process was found gone. Undefined: it may live. */
  goneAtMs: number | undefined = undefined
  /** Records that the floor may pass, in no order; a hand goes round. */
  readonly cells: RecordCell[] = []
  #hand = 0
  /** Kept replies, oldest first; dropped ones have `cell` undefined. */
  readonly kept: KeptOutcome[] = []
  #keptFirst = 0

  constructor(nodeId: string, processId: string) {
    this.nodeId = nodeId
    this.processId = processId
  }

  raiseFloor(floor: number): void {
    if (floor <= this.floor) return
    this.floor = floor
    while (this.#keptFirst < this.kept.length) {
      const oldest = this.kept[this.#keptFirst] as KeptOutcome
      if (oldest.id > floor && oldest.cell !== undefined) break
      oldest.drop()
      this.#keptFirst++
    }
    if (this.#keptFirst > 256 && this.#keptFirst * 2 > this.kept.length) {
      this.kept.splice(0, this.#keptFirst)
      this.#keptFirst = 0
    }
    this.#prune()
  }

  /** Lets go of all records and replies. */
  clear(): void {
    for (const cell of this.cells.splice(0)) cell.drop()
    for (const kept of this.kept.splice(0)) kept.drop()
    this.#keptFirst = 0
    this.#hand = 0
  }

  /** Looks at a few records each time, so that all are looked at without a pause for it. */
  #prune(): void {
    const cells = this.cells
    for (let looks = Math.min(32, cells.length); looks > 0 && cells.length > 0; looks--) {
      if (this.#hand >= cells.length) this.#hand = 0
      const cell = cells[this.#hand] as RecordCell
      if (cell.isDropped || (cell.last <= this.floor && cell.hasNothingKept)) {
        cell.drop()
        const last = cells.pop() as RecordCell
        if (last !== cell) cells[this.#hand] = last
      } else this.#hand++
    }
  }
}

/** How a message ended otherwise than by a turn that nobody waits for. `bytes` undefined: it is not known yet (a stashed ask). */
export class KeptOutcome {
  readonly id: number
  cell: RecordCell | undefined
  outcome: number
  bytes: Uint8Array | undefined
  readonly #book: RecordBook

  constructor(book: RecordBook, cell: RecordCell, id: number, outcome: number, bytes: Uint8Array | undefined) {
    this.#book = book
    this.cell = cell
    this.id = id
    this.outcome = outcome
    this.bytes = bytes
    book.budget.used += this.cost
  }

  get cost(): number {
    return KEPT_OVERHEAD_BYTES + (this.bytes?.length ?? 0)
  }

  drop(): void {
    const cell = this.cell
    if (cell === undefined) return
    this.cell = undefined
    this.#book.budget.used -= this.cost
    if (cell.kept?.get(this.id) === this) cell.kept.delete(this.id)
  }
}

const KEPT_OVERHEAD_BYTES = 160

/** What one actor has handled of one source. */
export class RecordCell {
  readonly book: RecordBook
  readonly source: Source
  readonly id: string
  readonly path: string | undefined
  /** The id last handled. */
  last: number
  kept: Map<number, KeptOutcome> | undefined = undefined
  isDropped = false

  constructor(book: RecordBook, source: Source, id: string, path: string | undefined) {
    this.book = book
    this.source = source
    this.id = id
    this.path = path
    this.last = source.floor
  }

  get hasNothingKept(): boolean {
    return this.kept === undefined || this.kept.size === 0
  }

  drop(): void {
    if (this.isDropped) return
    this.isDropped = true
    this.book.forget(this)
    for (const kept of [...(this.kept?.values() ?? [])]) kept.drop()
  }
}

/** Kept replies of the whole process, in bytes. */
export interface KeptBudget {
  used: number
  readonly limit: number
}

/** The records of one tenure. */
export class RecordBook {
  readonly budget: KeptBudget
  readonly #actors = new Map<string, RecordCell | RecordCell[]>()

  constructor(budget: KeptBudget) {
    this.budget = budget
  }

  get actorCount(): number {
    return this.#actors.size
  }

  find(source: Source, id: string, path: string | undefined): RecordCell | undefined {
    const cells = this.#actors.get(actorKey(id, path))
    if (cells === undefined) return undefined
    if (cells instanceof RecordCell) return cells.source === source ? cells : undefined
    return cells.find((cell) => cell.source === source)
  }

  open(source: Source, id: string, path: string | undefined): RecordCell {
    const key = actorKey(id, path)
    const cells = this.#actors.get(key)
    const found = cells instanceof RecordCell ? (cells.source === source ? cells : undefined) : cells?.find((c) => c.source === source)
    if (found !== undefined) return found
    const cell = new RecordCell(this, source, id, path)
    if (cells === undefined) this.#actors.set(key, cell)
    else if (cells instanceof RecordCell) this.#actors.set(key, [cells, cell])
    else cells.push(cell)
    source.cells.push(cell)
    return cell
  }

  /** Keeps how a message ended until the floor passes it. Without room nothing is kept, and a repeated ask will be answered with `Unknown`. */
  keep(cell: RecordCell, id: number, outcome: number, bytes: Uint8Array | undefined): void {
    cell.kept?.get(id)?.drop()
    if (id <= cell.source.floor) return
    if (this.budget.used + KEPT_OVERHEAD_BYTES + (bytes?.length ?? 0) > this.budget.limit) return
    const kept = new KeptOutcome(this, cell, id, outcome, bytes)
    cell.kept ??= new Map()
    cell.kept.set(id, kept)
    cell.source.kept.push(kept)
  }

  forget(cell: RecordCell): void {
    const key = actorKey(cell.id, cell.path)
    const cells = this.#actors.get(key)
    if (cells === cell) this.#actors.delete(key)
    else if (Array.isArray(cells)) {
      const rest = cells.filter((other) => other !== cell)
      if (rest.length > 0) this.#actors.set(key, rest)
      else this.#actors.delete(key)
    }
  }

  *cells(): Iterable<RecordCell> {
    for (const cells of this.#actors.values()) {
      if (cells instanceof RecordCell) yield cells
      else yield* cells
    }
  }

  clear(): void {
    for (const cell of [...this.cells()]) cell.drop()
  }
}

/** Of a child: the path after the id, with the id's length before, so that no id can look like a child. */
export function actorKey(id: string, path: string | undefined): string {
  return path === undefined ? `=${id}` : `${id.length}/${id}/${path}`
}
