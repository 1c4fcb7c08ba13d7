// Hashes of strings: which shard an id belongs to, and the scores that rendezvous hashing compares.
//
// Gotcha: these values are a promise. They decide where every actor lives, nodes of different releases must agree on them, and the
// placement document names the version. A change is a new `HASH_VERSION`, never an edit. `test/hashing/vectors.json` publishes samples.
//
// Algorithm: FNV-1a over the bytes of UTF-8, 32 bits (Fowler, Noll, Vo; RFC 9923), then the 32-bit finaliser of MurmurHash3
// (Austin Appleby, public domain). FNV alone leaves the high bits of short keys poorly mixed; the finaliser lets every input bit reach every output bit.

export const HASH_VERSION = 1

/** Signed, as `Math.imul` gives its results: with the unsigned form, which is no 32-bit integer to V8, the loop takes half as long again. */
const FNV_OFFSET = 0x811c9dc5 | 0
const FNV_PRIME = 0x01000193

/** MurmurHash3's `fmix32`: a bijection on 32-bit integers. Returns an unsigned one. */
export function mix32(hash: number): number {
  let h = hash | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** The 32-bit hash of a string's UTF-8 bytes, unsigned. An unpaired surrogate counts as U+FFFD, as UTF-8 encoders have it. */
export function hashKey(key: string): number {
  let h = FNV_OFFSET
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i)
    if (unit < 0x80) {
      h = Math.imul(h ^ unit, FNV_PRIME)
      continue
    }
    // Rare: everything beyond ASCII is fed as the bytes of its code point.
    const point = key.codePointAt(i) ?? 0
    if (point > 0xffff) i++
    h = hashBeyondAscii(h, point >= 0xd800 && point <= 0xdfff ? 0xfffd : point)
  }
  return mix32(h)
}

function hashBeyondAscii(hash: number, point: number): number {
  let h = hash
  if (point < 0x800) {
    h = Math.imul(h ^ (0xc0 | (point >> 6)), FNV_PRIME)
  } else if (point < 0x10000) {
    h = Math.imul(h ^ (0xe0 | (point >> 12)), FNV_PRIME)
    h = Math.imul(h ^ (0x80 | ((point >> 6) & 0x3f)), FNV_PRIME)
  } else {
    h = Math.imul(h ^ (0xf0 | (point >> 18)), FNV_PRIME)
    h = Math.imul(h ^ (0x80 | ((point >> 12) & 0x3f)), FNV_PRIME)
    h = Math.imul(h ^ (0x80 | ((point >> 6) & 0x3f)), FNV_PRIME)
  }
  return Math.imul(h ^ (0x80 | (point & 0x3f)), FNV_PRIME)
}

/** The shard of an id: the hash modulo the count. `shardCount` is a positive integer. */
export function shardOf(id: string, shardCount: number): number {
  return hashKey(id) % shardCount
}
