// The outbox: every message of this process that has not ended, by id. One counter gives the ids; pages of entries are indexed by them.
// Owns ids, the floor and the count against the bounds; order within a stream is `out-stream.ts`.

import type { OutEntry } from './out-entry.ts'

const PAGE_BITS = 9
const PAGE_SIZE = 1 << PAGE_BITS

interface Page {
  readonly entries: (OutEntry | undefined)[]
  live: number
}

export class Outbox {
  /** Entries, and what they cost. */
  count = 0
  bytes = 0
  readonly #pages = new Map<number, Page>()
  #lastPage: Page | undefined
  #lastPageNumber = -1
  #lastId = 0
  /** Every id up to it is finished. */
  #floor = 0

  /** The largest id given out. */
  get lastId(): number {
    return this.#lastId
  }

  /** Gives the entry the next id. */
  add(entry: OutEntry): void {
    const id = ++this.#lastId
    entry.id = id
    const page = this.#pageOf(id)
    page.entries[id & (PAGE_SIZE - 1)] = entry
    page.live++
    this.count++
    this.bytes += entry.cost
  }

  /** A new, larger id, for one that nobody has seen the old id of. */
  renumber(entry: OutEntry): void {
    this.remove(entry)
    this.add(entry)
  }

  remove(entry: OutEntry): void {
    const number = Math.floor(entry.id / PAGE_SIZE)
    const page = number === this.#lastPageNumber ? this.#lastPage : this.#pages.get(number)
    const at = entry.id & (PAGE_SIZE - 1)
    if (page === undefined || page.entries[at] !== entry) return
    page.entries[at] = undefined
    this.count--
    this.bytes -= entry.cost
    if (--page.live === 0 && number !== this.#lastPageNumber) this.#pages.delete(number)
  }

  /** An entry's cost has changed. */
  recount(entry: OutEntry, cost: number): void {
    this.bytes += cost - entry.cost
    entry.cost = cost
  }

  get(id: number): OutEntry | undefined {
    const number = Math.floor(id / PAGE_SIZE)
    const page = number === this.#lastPageNumber ? this.#lastPage : this.#pages.get(number)
    return page?.entries[id & (PAGE_SIZE - 1)]
  }

  /** Every id up to it is finished. Each id is passed once, whole pages at a step. */
  floor(): number {
    let floor = this.#floor
    while (floor < this.#lastId) {
      const next = floor + 1
      const number = Math.floor(next / PAGE_SIZE)
      const page = this.#pages.get(number)
      if (page === undefined || page.live === 0) {
        floor = Math.min(this.#lastId, (number + 1) * PAGE_SIZE - 1)
        continue
      }
      if (page.entries[next & (PAGE_SIZE - 1)] !== undefined) break
      floor = next
    }
    this.#floor = floor
    return floor
  }

  /** All entries, oldest first. What is added meanwhile is left out. */
  *entries(): Iterable<OutEntry> {
    for (const number of [...this.#pages.keys()].sort((a, b) => a - b)) {
      const page = this.#pages.get(number)
      if (page === undefined) continue
      for (const entry of page.entries.slice()) if (entry !== undefined && !entry.isEnded) yield entry
    }
  }

  #pageOf(id: number): Page {
    const number = Math.floor(id / PAGE_SIZE)
    if (number === this.#lastPageNumber) return this.#lastPage as Page
    const previous = this.#lastPage
    if (previous !== undefined && previous.live === 0) this.#pages.delete(this.#lastPageNumber)
    const page: Page = { entries: new Array<OutEntry | undefined>(PAGE_SIZE).fill(undefined), live: 0 }
    this.#pages.set(number, page)
    this.#lastPage = page
    this.#lastPageNumber = number
    return page
  }
}
