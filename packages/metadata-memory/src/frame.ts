// Frames of the loopback protocol: how messages are told apart on a stream of bytes. What they mean is `protocol.ts`.
//
//   frame   = length payload
//   length  = 4 bytes, big-endian: the bytes of payload, from 2 to the limit
//   payload = one JSON object in UTF-8

import { ProtocolError } from '@cajun/core/adapter'

const HEADER_BYTES = 4

export function encodeFrame(message: object): Buffer {
  const text = JSON.stringify(message)
  const length = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length)
  frame.writeUInt32BE(length, 0)
  frame.write(text, HEADER_BYTES, 'utf8')
  return frame
}

/** Takes bytes as they come and gives back whole messages. Throws `ProtocolError` at the first byte that can't be right; it is of no use after that. */
export class FrameDecoder {
  /** Refused before it is buffered. May be raised once the other side is known. */
  limitBytes: number
  #chunks: Buffer[] = []
  #buffered = 0
  #awaited: number | undefined
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true })

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes
  }

  /** One message at a time, so that whoever handles one can stop before the next. */
  *push(chunk: Buffer): Generator<Record<string, unknown>> {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    for (;;) {
      if (this.#awaited === undefined) {
        if (this.#buffered < HEADER_BYTES) return
        const length = this.#take(HEADER_BYTES).readUInt32BE(0)
        if (length < 2 || length > this.limitBytes) {
          throw new ProtocolError(`a frame of ${length} bytes; frames take 2 to ${this.limitBytes}`)
        }
        this.#awaited = length
      }
      if (this.#buffered < this.#awaited) return
      const payload = this.#take(this.#awaited)
      this.#awaited = undefined
      yield this.#parse(payload)
    }
  }

  #take(length: number): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
    this.#chunks = all.length === length ? [] : [all.subarray(length)]
    this.#buffered -= length
    return all.subarray(0, length)
  }

  #parse(payload: Buffer): Record<string, unknown> {
    let message: unknown
    try {
      message = JSON.parse(this.#utf8.decode(payload))
    } catch (error) {
      throw new ProtocolError('a frame that is not JSON in UTF-8', { cause: error })
    }
    if (typeof message !== 'object' || message === null || Array.isArray(message))
      throw new ProtocolError('a frame that is not a JSON object')
    return message as Record<string, unknown>
  }
}
