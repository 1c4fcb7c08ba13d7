// Bytes that are nearly right: what a fuzz test feeds to a decoder. Everything follows from the seed.

const TELLING = [0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xfe, 0xff]

export class Mutator {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** A whole number below `end`. mulberry32. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % end
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  /** Changed in one place or several, `most` at most: a byte, a length, a piece lost, repeated, or taken from another of the corpus. */
  mutate(bytes: Uint8Array, corpus: readonly Uint8Array[], most = 4): Buffer {
    let mutated: Buffer = Buffer.from(bytes)
    for (let changes = 1 + this.below(most); changes > 0; changes--) mutated = this.#change(mutated, corpus)
    return mutated
  }

  #change(bytes: Buffer, corpus: readonly Uint8Array[]): Buffer {
    const at = this.below(bytes.length + 1)
    switch (this.below(8)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << this.below(8))
        return bytes
      case 1:
        if (at < bytes.length) bytes[at] = this.pick(TELLING)
        return bytes
      case 2:
        if (at < bytes.length) bytes[at] = this.below(256)
        return bytes
      case 3:
        return bytes.subarray(0, at)
      case 4:
        // A number that is far too large, as a varint.
        return Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff, 0xff, 0xff, 0xff, this.below(256)]), bytes.subarray(at)])
      case 5: {
        const end = at + this.below(Math.max(1, bytes.length - at))
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)])
      }
      case 6: {
        const end = Math.min(bytes.length, at + this.below(64))
        return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)])
      }
      default: {
        const other = this.pick(corpus)
        const from = this.below(other.length + 1)
        return Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + this.below(64)), bytes.subarray(at)])
      }
    }
  }
}
