// Named marks on rare paths. A suite whose seeds never reached a required mark proves nothing about that path, and fails.

export class Marks {
  readonly #counts = new Map<string, number>()

  reach(mark: string): void {
    this.#counts.set(mark, (this.#counts.get(mark) ?? 0) + 1)
  }

  count(mark: string): number {
    return this.#counts.get(mark) ?? 0
  }

  /** Adds what another run reached. */
  merge(other: Iterable<readonly [string, number]>): void {
    for (const [mark, count] of other) this.#counts.set(mark, (this.#counts.get(mark) ?? 0) + count)
  }

  missing(required: Iterable<string>): string[] {
    return [...required].filter((mark) => !this.#counts.has(mark))
  }

  *[Symbol.iterator](): IterableIterator<[string, number]> {
    for (const mark of [...this.#counts.keys()].sort()) yield [mark, this.#counts.get(mark) as number]
  }
}
