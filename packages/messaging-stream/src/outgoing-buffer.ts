// What one turn of the event loop writes to a connection. Small messages are copied one after another into a slab, so that they leave
// as one buffer; large ones are handed on as they are, with their head in the slab.
//
// A slab is written once and never reused: the socket keeps parts of it until the kernel has taken them, and what was taken is garbage.

import { HEAD_BYTES, writeHead } from './wire-format.ts'

const SLAB_BYTES = 64 * 1_024
/** Copying this much costs less than one more buffer in a `writev`. */
const COPY_LIMIT_BYTES = 4 * 1_024

export class OutgoingBuffer {
  #slab: Uint8Array = Buffer.allocUnsafeSlow(0)
  /** The part of the slab that is filled and not yet in `#parts`. */
  #from = 0
  #to = 0
  #parts: Uint8Array[] = []
  #bytes = 0

  /** Of everything since the last `take`, heads included. */
  get bytes(): number {
    return this.#bytes
  }

  append(type: number, body: Uint8Array): void {
    const length = body.byteLength
    const copied = HEAD_BYTES + (length <= COPY_LIMIT_BYTES ? length : 0)
    if (this.#slab.byteLength - this.#to < copied) this.#nextSlab()
    writeHead(this.#slab, this.#to, type, length)
    this.#to += copied
    if (copied === HEAD_BYTES) {
      this.#closePart()
      this.#parts.push(body)
    } else {
      this.#slab.set(body, this.#to - length)
    }
    this.#bytes += HEAD_BYTES + length
  }

  /** A message that has its head. */
  appendWhole(message: Uint8Array): void {
    this.#closePart()
    this.#parts.push(message)
    this.#bytes += message.byteLength
  }

  /** The buffers to write, in order. */
  take(): Uint8Array[] {
    this.#closePart()
    const parts = this.#parts
    this.#parts = []
    this.#bytes = 0
    return parts
  }

  #closePart(): void {
    if (this.#to === this.#from) return
    this.#parts.push(this.#slab.subarray(this.#from, this.#to))
    this.#from = this.#to
  }

  #nextSlab(): void {
    this.#closePart()
    this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
    this.#from = 0
    this.#to = 0
  }
}
