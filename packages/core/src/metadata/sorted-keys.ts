// A set of keys in UTF-16 order, so that listing a prefix costs what it returns and not the size of the store.

export class SortedKeys {
  readonly #keys: string[] = []

  /** The key must not be in the set. */
  add(key: string): void {
    this.#keys.splice(this.#position(key), 0, key)
  }

  delete(key: string): void {
    const at = this.#position(key)
    if (this.#keys[at] === key) this.#keys.splice(at, 1)
  }

  /** All keys that are not before `start`, in order. The set must not be changed meanwhile. */
  *from(start: string): Generator<string> {
    for (let at = this.#position(start); at < this.#keys.length; at++) yield this.#keys[at] as string
  }

  /** Of the first key that is not before `key`. */
  #position(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] as string) < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
