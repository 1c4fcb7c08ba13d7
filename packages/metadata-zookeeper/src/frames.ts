// ZooKeeper's frames: four bytes of length, then as many bytes.

/** Beyond what any server sends: a list of a hundred thousand long names. What claims more is no ZooKeeper. */
const MAX_FRAME_BYTES = 64 * 1_048_576

export class FrameSplitter {
  #chunks: Buffer[] = []
  #bytes = 0
  /** How many bytes the next frame takes; undefined: not even its length has arrived. */
  #needed: number | undefined

  /** The frames that `chunk` completes, each with its length in front. Throws on what can't be one. */
  feed(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < (this.#needed ?? 4)) return []
    const frames: Buffer[] = []
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    let at = 0
    for (this.#needed = undefined; bytes.length - at >= 4; at += this.#needed) {
      const length = bytes.readInt32BE(at)
      if (length < 0 || length > MAX_FRAME_BYTES) throw new Error(`a frame of ${length} bytes: this is no ZooKeeper`)
      this.#needed = length + 4
      if (bytes.length - at < this.#needed) break
      frames.push(bytes.subarray(at, at + this.#needed))
    }
    const rest = bytes.subarray(at)
    if (rest.length < 4) this.#needed = undefined
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    return frames
  }
}
