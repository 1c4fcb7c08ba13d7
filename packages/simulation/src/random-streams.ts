// Seeded random numbers: one stream for each concern, so that more draws by one of them leave the others as they were.
// That is what lets a schedule shrink: a fault taken away changes no message of the workload.

/** A stream of numbers that its seed alone decides (sfc32, seeded through splitmix32). */
export class RandomStream {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    let state = seed | 0
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0
      let mixed = state ^ (state >>> 16)
      mixed = Math.imul(mixed, 0x21f0aaad)
      mixed ^= mixed >>> 15
      mixed = Math.imul(mixed, 0x735a2d97)
      return mixed ^ (mixed >>> 15)
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    for (let i = 0; i < 12; i++) this.bits()
  }

  /** 32 random bits, unsigned. */
  bits(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** In [0, 1). */
  unit(): number {
    return this.bits() / 4294967296
  }

  /** In [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.unit()
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.unit() * limit)
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('nothing to pick from')
    return items[this.below(items.length)] as T
  }

  /** By weight: `[['often', 9], ['seldom', 1]]`. */
  weighted<T>(choices: ReadonlyArray<readonly [T, number]>): T {
    let at = this.unit() * choices.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [item, weight] of choices) {
      at -= weight
      if (at < 0) return item
    }
    return (choices[choices.length - 1] as readonly [T, number])[0]
  }

  /** Mostly near `usual`, seldom many times as long: what latencies look like. */
  latency(usual: number): number {
    const spread = usual * (0.5 + this.unit())
    return this.chance(0.01) ? spread * (2 + 20 * this.unit()) : spread
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.bits() & 255
    return bytes
  }
}

/** The stream of one concern of one seed, such as `streamOf(7, 'network')`. */
export function streamOf(seed: number, concern: string): RandomStream {
  return new RandomStream(seed ^ hashText(concern))
}

/** FNV-1a over UTF-16 units. Also the building block of trace hashes. */
export function hashText(text: string, from = 0x811c9dc5): number {
  let hash = from
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
