// Reads a frame from a peer, item by item, without allocating per item. Trusts nothing: every length is checked against the frame's end,
// and anything unknown or cut short is a `ProtocolError`.

import { ProtocolError } from '../errors.ts'
import { HEADER_BYTES } from './frame-format.ts'
import type { FrameHeader } from './frame-writer.ts'
import { asNativeBuffer, type NativeBuffer } from './native-buffer.ts'
import { PROTOCOL, type ProtocolRange, rangeInWords } from './protocol-version.ts'

const MAX_TEXT_BYTES = 64 * 1024

export class FrameReader {
  readonly header: FrameHeader = { version: 0, flags: 0, from: 0, to: 0, seq: 0, receipt: 0, floor: 0, baseId: 0 }
  bytes: NativeBuffer = NOTHING
  at = 0
  end = 0
  readonly #protocol: ProtocolRange

  constructor(protocol: ProtocolRange = PROTOCOL) {
    this.#protocol = protocol
  }

  /** Takes the header of a frame; items follow. */
  open(frame: Uint8Array): void {
    if (frame.length < HEADER_BYTES) throw new ProtocolError(`frame of ${frame.length} bytes; a header takes ${HEADER_BYTES}`)
    const bytes = asNativeBuffer(frame)
    const version = bytes[0] as number
    if (version < this.#protocol.min || version > this.#protocol.max) {
      throw new ProtocolError(`frame version ${version}; this process speaks ${rangeInWords(this.#protocol)}`)
    }
    const header = this.header
    header.version = version
    header.flags = bytes[1] as number
    header.from = bytes.readUInt32LE(2)
    header.to = bytes.readUInt32LE(6)
    header.seq = bytes.readUIntLE(10, 6)
    header.receipt = bytes.readUIntLE(16, 6)
    header.floor = bytes.readUIntLE(22, 6)
    header.baseId = bytes.readUIntLE(28, 6)
    this.bytes = bytes
    this.at = HEADER_BYTES
    this.end = bytes.length
  }

  /** Lets go of the frame's memory. */
  release(): void {
    this.bytes = NOTHING
    this.at = 0
    this.end = 0
  }

  get hasMore(): boolean {
    return this.at < this.end
  }

  byte(): number {
    if (this.at >= this.end) throw this.#short()
    return this.bytes[this.at++] as number
  }

  varint(): number {
    const first = this.byte()
    if (first < 0x80) return first
    let value = first & 0x7f
    let scale = 0x80
    for (let i = 0; i < 7; i++) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 0x80
    }
    throw new ProtocolError('frame has a number out of range')
  }

  zigzag(): number {
    const value = this.varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  text(): string {
    const length = this.varint()
    if (length > MAX_TEXT_BYTES) throw new ProtocolError(`frame has a text of ${length} bytes; at most ${MAX_TEXT_BYTES} are allowed`)
    const start = this.skip(length)
    return this.bytes.utf8Slice(start, this.at)
  }

  optionalText(): string | undefined {
    return this.byte() === 0 ? undefined : this.text()
  }

  u24(): number {
    const at = this.skip(3)
    const bytes = this.bytes
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16)
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.skip(4))
  }

  /** Passes over `length` bytes; returns where they began. */
  skip(length: number): number {
    if (length > this.end - this.at) throw this.#short()
    const start = this.at
    this.at += length
    return start
  }

  #short(): ProtocolError {
    return new ProtocolError('frame ends within an item')
  }
}

const NOTHING = asNativeBuffer(new Uint8Array(0))
