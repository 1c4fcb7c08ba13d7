// A histogram of durations: fixed buckets on a logarithmic scale, recorded without allocating. Values are kept to 1/8 of their size
// (microseconds below 16 exactly), from 1 us to about 36 minutes; longer ones count in the last bucket.

/** Eight buckets for each power of two from 2^4 us on; below, one for each microsecond. */
const SUB_BITS = 3
const SUB_BUCKETS = 1 << SUB_BITS
const EXACT = 2 * SUB_BUCKETS
const LARGEST_US = 2 ** 31 - 1
const LONGEST_MS = LARGEST_US / 1_000
const BUCKETS = EXACT + (31 - SUB_BITS - 1) * SUB_BUCKETS

export interface HistogramSnapshot {
  readonly count: number
  readonly sumMs: number
  readonly minMs: number
  readonly maxMs: number
  readonly meanMs: number
  /** Percentiles: the upper edge of the bucket, so at most 1/8 too high. 0 when nothing was recorded. */
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  /** The buckets that are not empty, ascending: `count` values of at most `upToMs`, and above that of the bucket before. */
  readonly buckets: readonly { readonly upToMs: number; readonly count: number }[]
}

export class Histogram {
  // Doubles, because 32-bit counters overflow within hours.
  readonly #counts = new Float64Array(BUCKETS)
  #count = 0
  #sumMs = 0
  #minMs = Number.POSITIVE_INFINITY
  #maxMs = 0

  /** What is no duration (negative, not a number) counts as 0, what is too long as the longest. */
  record(ms: number): void {
    const value = ms > 0 ? Math.min(ms, LONGEST_MS) : 0
    const index = bucketOf(value)
    this.#counts[index] = (this.#counts[index] as number) + 1
    this.#count++
    this.#sumMs += value
    if (value < this.#minMs) this.#minMs = value
    if (value > this.#maxMs) this.#maxMs = value
  }

  snapshot(): HistogramSnapshot {
    const buckets: { upToMs: number; count: number }[] = []
    this.#counts.forEach((count, index) => {
      if (count > 0) buckets.push({ upToMs: upperEdgeMs(index), count })
    })
    const percentile = (share: number): number => {
      let seen = 0
      for (const { upToMs, count } of buckets) {
        seen += count
        if (seen >= share * this.#count) return Math.min(upToMs, this.#maxMs)
      }
      return 0
    }
    return {
      count: this.#count,
      sumMs: this.#sumMs,
      minMs: this.#count === 0 ? 0 : this.#minMs,
      maxMs: this.#maxMs,
      meanMs: this.#count === 0 ? 0 : this.#sumMs / this.#count,
      p50Ms: percentile(0.5),
      p90Ms: percentile(0.9),
      p99Ms: percentile(0.99),
      p999Ms: percentile(0.999),
      buckets,
    }
  }
}

function bucketOf(ms: number): number {
  const us = Math.floor(ms * 1_000) | 0
  if (us < EXACT) return us
  const shift = 31 - Math.clz32(us) - SUB_BITS
  // The top bit and the three below it, as a number from 8 to 15.
  return EXACT + (shift - 1) * SUB_BUCKETS + ((us >>> shift) - SUB_BUCKETS)
}

/** The first duration that is no longer in the bucket, in ms. */
function upperEdgeMs(index: number): number {
  if (index < EXACT) return (index + 1) / 1_000
  const shift = Math.floor((index - EXACT) / SUB_BUCKETS) + 1
  const top = SUB_BUCKETS + ((index - EXACT) % SUB_BUCKETS)
  return ((top + 1) * 2 ** shift) / 1_000
}
