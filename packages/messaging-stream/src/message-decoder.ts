// Cuts a stream of bytes into messages, however it arrives: whole, split, or byte by byte. Pure: no socket, no clock.
// Sizes and types are refused when the head is complete, before a byte of the body is kept. What the messages mean is the connection's affair.

import { ProtocolError } from '@cajun/core/adapter'
import { type BodyLimits, HEAD_BYTES } from './wire-format.ts'

/** `body` belongs to the receiver: it is a part of the chunk that it came in, or a buffer of its own when it came in several. */
export type MessageSink = (type: number, body: Uint8Array) => void

export class MessageDecoder {
  /** May be exchanged between two messages, also from within the sink: the handshake admits less than what follows it. */
  limits: BodyLimits
  readonly #sink: MessageSink
  /** The head so far, when a chunk ended within it. */
  readonly #head = new Uint8Array(HEAD_BYTES)
  #headBytes = 0
  #type = 0
  /** The body being put together, when it did not come in one chunk. Allocated once at its full length, so that many small chunks cost no more than a large one. */
  #body: Uint8Array | undefined
  #bodyBytes = 0
  #closed = false

  constructor(limits: BodyLimits, sink: MessageSink) {
    this.limits = limits
    this.#sink = sink
  }

  /** Throws {@link ProtocolError} at the first byte that can't be right; the decoder takes nothing from then on. */
  push(chunk: Uint8Array): void {
    const end = chunk.byteLength
    let at = 0
    if (this.#body !== undefined && !this.#closed) {
      at = this.#continueBody(this.#body, chunk)
    }
    while (at < end && !this.#closed) {
      let type: number
      let length: number
      if (this.#headBytes === 0 && end - at >= HEAD_BYTES) {
        type = chunk[at] as number
        length = ((chunk[at + 1] as number) << 16) | ((chunk[at + 2] as number) << 8) | (chunk[at + 3] as number)
        at += HEAD_BYTES
      } else {
        while (this.#headBytes < HEAD_BYTES && at < end) this.#head[this.#headBytes++] = chunk[at++] as number
        if (this.#headBytes < HEAD_BYTES) {
          // The type is the first byte: no need to wait for the rest to refuse it.
          this.#checkType(this.#head[0] as number)
          return
        }
        this.#headBytes = 0
        const head = this.#head
        type = head[0] as number
        length = ((head[1] as number) << 16) | ((head[2] as number) << 8) | (head[3] as number)
      }
      this.#check(type, length)
      if (end - at >= length) {
        const body = chunk.subarray(at, at + length)
        at += length
        this.#sink(type, body)
      } else {
        this.#type = type
        this.#body = Buffer.allocUnsafeSlow(length)
        this.#bodyBytes = 0
        at = this.#continueBody(this.#body, at === 0 ? chunk : chunk.subarray(at)) + at
      }
    }
  }

  /** Takes nothing more, also of the chunk in hand. */
  close(): void {
    this.#closed = true
    this.#body = undefined
  }

  /** Returns how many bytes of the chunk it took. */
  #continueBody(body: Uint8Array, chunk: Uint8Array): number {
    const missing = body.byteLength - this.#bodyBytes
    if (chunk.byteLength < missing) {
      body.set(chunk, this.#bodyBytes)
      this.#bodyBytes += chunk.byteLength
      return chunk.byteLength
    }
    body.set(chunk.byteLength === missing ? chunk : chunk.subarray(0, missing), this.#bodyBytes)
    this.#body = undefined
    this.#sink(this.#type, body)
    return missing
  }

  #checkType(type: number): number {
    const limit = this.limits[type] as number
    if (limit === 0) {
      this.close()
      throw new ProtocolError(`message of type 0x${type.toString(16).padStart(2, '0')}, which is not allowed at this point`)
    }
    return limit
  }

  #check(type: number, length: number): void {
    const limit = this.#checkType(type)
    if (length > limit || length === 0) {
      this.close()
      throw new ProtocolError(`message of type 0x0${type.toString(16)} with ${length} bytes; 1 to ${limit} are allowed`)
    }
  }
}
