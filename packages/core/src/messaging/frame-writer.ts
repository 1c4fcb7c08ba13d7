// Writes items into slabs: the bytes that go to the transport are the ones kept for sending again. Owns layout, not meaning:
// what is interned, numbered or gated is decided by who calls.

import { FIRST_SLAB_BYTES, FLAG_NUMBERED, HEADER_BYTES, ITEM_VOID, SLAB_BYTES } from './frame-format.ts'
import { allocateSlab, type NativeBuffer } from './native-buffer.ts'

export interface FrameHeader {
  version: number
  flags: number
  from: number
  to: number
  seq: number
  receipt: number
  floor: number
  baseId: number
}

export function writeHeader(bytes: NativeBuffer, at: number, header: FrameHeader): void {
  bytes[at] = header.version
  bytes[at + 1] = header.flags
  bytes.writeUInt32LE(header.from, at + 2)
  bytes.writeUInt32LE(header.to, at + 6)
  bytes.writeUIntLE(header.seq, at + 10, 6)
  bytes.writeUIntLE(header.receipt, at + 16, 6)
  bytes.writeUIntLE(header.floor, at + 22, 6)
  bytes.writeUIntLE(header.baseId, at + 28, 6)
}

/** Marks the item at `at` as withdrawn. */
export function voidItem(bytes: NativeBuffer, at: number): void {
  bytes[at] = (bytes[at] as number) | ITEM_VOID
}

/** One numbered frame: a slice of a slab. Kept until it is receipted. */
export class Frame {
  /** Of an open frame they may be replaced by larger ones; positions stay as they are. */
  bytes: NativeBuffer
  readonly start: number
  end: number
  seq = 0
  /** Whether it was given to the transport at least once: what it holds may have arrived. */
  handed = false
  readonly baseId: number

  constructor(bytes: NativeBuffer, start: number, baseId: number) {
    this.bytes = bytes
    this.start = start
    this.end = start + HEADER_BYTES
    this.baseId = baseId
  }

  get length(): number {
    return this.end - this.start
  }

  get isEmpty(): boolean {
    return this.end === this.start + HEADER_BYTES
  }

  /** The bytes for the transport, with the header as it is now. */
  sealed(header: FrameHeader): Uint8Array {
    header.flags = FLAG_NUMBERED
    header.seq = this.seq
    header.baseId = this.baseId
    writeHeader(this.bytes, this.start, header)
    return this.bytes.subarray(this.start, this.end)
  }
}

/** The place where the next item goes. `F` is what the caller keeps with each frame. */
export class FrameWriter<F extends Frame> {
  bytes: NativeBuffer = EMPTY
  at = 0
  /** End of the usable bytes. */
  end = 0
  frame: F | undefined = undefined
  readonly #makeFrame: (bytes: NativeBuffer, start: number) => F
  readonly #onClosed: (frame: F) => void

  constructor(makeFrame: (bytes: NativeBuffer, start: number) => F, onClosed: (frame: F) => void) {
    this.#makeFrame = makeFrame
    this.#onClosed = onClosed
  }

  /** A frame with room for an item of `bytes` is open after this: the present one, or a new one (beyond a slab: one of its own size). */
  reserve(bytes: number): F {
    const open = this.frame
    if (open !== undefined) {
      if (this.at + bytes <= this.end || this.grow(bytes)) return open
      this.close()
    }
    const needed = HEADER_BYTES + bytes
    if (this.at + needed > this.end && !this.grow(needed)) {
      this.bytes = allocateSlab(Math.max(SLAB_BYTES, needed))
      this.at = 0
      this.end = this.bytes.length
    }
    const frame = this.#makeFrame(this.bytes, this.at)
    this.frame = frame
    this.at += HEADER_BYTES
    return frame
  }

  /**
   * Makes room for `bytes` more in the slab by moving to a larger one, at the same positions, as long as it has not its full size: most of a large cluster's links
   * hardly say anything. What of it was closed stays in the smaller one. False when the slab would not have had room in full size either.
   */
  grow(bytes: number): boolean {
    const needed = this.at + bytes
    if (this.end >= SLAB_BYTES || needed > SLAB_BYTES) return false
    let size = Math.max(FIRST_SLAB_BYTES, this.end)
    while (size < needed || size === this.end) size *= 2
    const larger = allocateSlab(size)
    const frame = this.frame
    if (frame !== undefined) {
      this.bytes.copy(larger, frame.start, frame.start, this.at)
      frame.bytes = larger
    }
    this.bytes = larger
    this.end = size
    return true
  }

  /** Ends the open frame, if any. */
  close(): void {
    const frame = this.frame
    if (frame === undefined) return
    this.frame = undefined
    frame.end = this.at
    if (frame.isEmpty) this.at = frame.start
    else this.#onClosed(frame)
  }

  /** Forgets the open frame and the slab. */
  reset(): void {
    this.frame = undefined
    this.bytes = EMPTY
    this.at = 0
    this.end = 0
  }

  byte(value: number): void {
    this.bytes[this.at++] = value
  }

  varint(value: number): void {
    if (value < 0x80) {
      this.bytes[this.at++] = value
      return
    }
    let rest = value
    while (rest >= 0x80) {
      this.bytes[this.at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.bytes[this.at++] = rest
  }

  zigzag(value: number): void {
    this.varint(value >= 0 ? value * 2 : -value * 2 - 1)
  }

  /** The caller has reserved `3 * text.length + 8`. */
  text(text: string): void {
    const bytes = Buffer.byteLength(text)
    this.varint(bytes)
    this.at += this.bytes.utf8Write(text, this.at, bytes)
  }

  optionalText(text: string | undefined): void {
    if (text === undefined) this.byte(0)
    else {
      this.byte(1)
      this.text(text)
    }
  }

  u24(value: number, at: number): void {
    this.bytes[at] = value & 0xff
    this.bytes[at + 1] = (value >>> 8) & 0xff
    this.bytes[at + 2] = value >>> 16
  }

  /** A u24 length and the bytes. */
  block(bytes: Uint8Array, start: number, end: number): void {
    this.u24(end - start, this.at)
    this.at += 3
    copyBytes(bytes, start, end, this.bytes, this.at)
    this.at += end - start
  }

  u32(value: number): void {
    this.bytes.writeUInt32LE(value, this.at)
    this.at += 4
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }
}

const EMPTY = allocateSlab(0)

function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > 48) {
    to.set(start === 0 && end === from.length ? from : from.subarray(start, end), at)
    return
  }
  let target = at
  for (let i = start; i < end; i++) to[target++] = from[i] as number
}
