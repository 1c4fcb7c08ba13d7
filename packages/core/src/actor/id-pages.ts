// Paging through the ids of a map in its own order, also while it changes: the next page goes on where the last one ended, without looking for the place.

export class IdPages {
  readonly #ids: ReadonlyMap<string, unknown>
  #last: { readonly id: string; readonly rest: Iterator<string> } | undefined = undefined

  constructor(ids: ReadonlyMap<string, unknown>) {
    this.#ids = ids
  }

  /** Those after `after`; from the beginning without it, or when that is gone. */
  next(after: string | undefined, limit: number): string[] {
    let rest: Iterator<string> = this.#ids.keys()
    if (after !== undefined && this.#last?.id === after) {
      rest = this.#last.rest
    } else if (after !== undefined && this.#ids.has(after)) {
      for (let next = rest.next(); !next.done && next.value !== after; next = rest.next()) {
        // Looking for the place.
      }
    }
    const page: string[] = []
    for (let next = rest.next(); !next.done; next = rest.next()) {
      page.push(next.value)
      if (page.length >= limit) break
    }
    const last = page.at(-1)
    this.#last = last === undefined ? undefined : { id: last, rest }
    return page
  }
}
