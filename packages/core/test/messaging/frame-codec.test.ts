import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { FIRST_SLAB_BYTES, FLAG_NUMBERED, HEADER_BYTES, ITEM_VOID, SLAB_BYTES } from '../../src/messaging/frame-format.ts'
import { FrameReader } from '../../src/messaging/frame-reader.ts'
import { Frame, FrameWriter, voidItem } from '../../src/messaging/frame-writer.ts'

function writer() {
  const frames: Frame[] = []
  const made = new FrameWriter<Frame>(
    (bytes, start) => new Frame(bytes, start, 5),
    (frame) => frames.push(frame),
  )
  return { frames, made }
}

const header = () => ({ version: 1, flags: 0, from: 7, to: 9, seq: 0, receipt: 3, floor: 2 ** 40, baseId: 0 })

describe('frames', () => {
  it('come back as they were written, header and items', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ n: fc.maxSafeNat(), z: fc.integer(), text: fc.string(), block: fc.uint8Array({ maxLength: 100 }) }), {
          minLength: 1,
          maxLength: 20,
        }),
        (items) => {
          const { frames, made } = writer()
          for (const item of items) {
            made.reserve(400)
            made.varint(item.n)
            made.zigzag(item.z)
            made.text(item.text)
            made.block(item.block, 0, item.block.length)
          }
          made.close()
          const frame = frames[0] as Frame
          frame.seq = 77
          const reader = new FrameReader()
          reader.open(frame.sealed(header()))
          expect(reader.header).toEqual({
            version: 1,
            flags: FLAG_NUMBERED,
            from: 7,
            to: 9,
            seq: 77,
            receipt: 3,
            floor: 2 ** 40,
            baseId: 5,
          })
          for (const item of items) {
            expect(reader.varint()).toBe(item.n)
            expect(reader.zigzag()).toBe(item.z)
            expect(reader.text()).toBe(Buffer.from(item.text).toString())
            const length = reader.u24()
            const at = reader.skip(length)
            expect([...reader.bytes.subarray(at, at + length)]).toEqual([...item.block])
          }
          expect(reader.hasMore).toBe(false)
        },
      ),
    )
  })

  it('share slabs, and one that does not fit into a slab gets memory of its own', () => {
    const { frames, made } = writer()
    for (const bytes of [10, 20, 3 * SLAB_BYTES, 30]) {
      made.reserve(bytes)
      made.at += bytes
      made.close()
    }
    expect(frames.map((f) => f.length - HEADER_BYTES)).toEqual([10, 20, 3 * SLAB_BYTES, 30])
    expect(frames[1]?.bytes).toBe(frames[0]?.bytes)
    expect(frames[2]?.bytes.length).toBe(3 * SLAB_BYTES + HEADER_BYTES)
  })

  it('take little memory until much is said, and begin and end where they would in a slab of full size', () => {
    const { frames, made } = writer()
    const text = 'x'.repeat(97)
    for (let i = 0; i < 3_000; i++) {
      made.reserve(100)
      made.text(text)
      if (i === 0) expect(made.bytes.length).toBe(FIRST_SLAB_BYTES)
      if (i === 2 || i === 12 || i === 40) made.close()
    }
    made.close()
    const [first, second] = frames as [Frame, Frame]
    expect(first.bytes.length).toBe(FIRST_SLAB_BYTES)
    expect([second.bytes.length, second.start]).toEqual([2 * FIRST_SLAB_BYTES, first.end])
    expect(frames.every((frame) => frame.end <= SLAB_BYTES && frame.bytes.length <= SLAB_BYTES)).toBe(true)
    // The first slab holds four frames.
    const items = Math.floor((SLAB_BYTES - 4 * HEADER_BYTES) / 98)
    expect(frames[3]?.end).toBe(4 * HEADER_BYTES + 98 * items)
    const reader = new FrameReader()
    let seen = 0
    for (const frame of frames) {
      reader.open(frame.sealed(header()))
      for (; reader.hasMore; seen++) expect(reader.text()).toBe(text)
    }
    expect(seen).toBe(3_000)
  })

  it('keep the positions of what was withdrawn when their slab grows', () => {
    const { frames, made } = writer()
    made.reserve(100)
    made.at += 100
    made.close()
    const frame = made.reserve(100)
    const itemAt = made.at
    made.byte(3)
    made.at += 700
    made.reserve(5_000)
    expect(frame.bytes.length).toBeGreaterThan(5_000)
    voidItem(frame.bytes, itemAt)
    made.close()
    expect((frames[1] as Frame).sealed(header())[itemAt - frame.start]).toBe(3 | ITEM_VOID)
  })

  it('are not made of nothing', () => {
    const { frames, made } = writer()
    made.reserve(100)
    made.close()
    made.close()
    expect(frames).toEqual([])
  })

  it('can have an item withdrawn in place', () => {
    const { frames, made } = writer()
    made.reserve(10)
    const at = made.at
    made.byte(0x81)
    made.close()
    voidItem((frames[0] as Frame).bytes, at)
    expect((frames[0] as Frame).bytes[at]).toBe(0x81 | ITEM_VOID)
  })

  it('are refused with a ProtocolError wherever they are cut', () => {
    const { frames, made } = writer()
    made.reserve(100)
    made.varint(300)
    made.text('hello')
    made.block(Uint8Array.of(1, 2, 3), 0, 3)
    made.close()
    const bytes = (frames[0] as Frame).sealed(header())
    for (let length = 0; length < bytes.length; length++) {
      expect(() => {
        const reader = new FrameReader()
        reader.open(bytes.subarray(0, length))
        reader.varint()
        reader.text()
        reader.skip(reader.u24())
      }).toThrow(ProtocolError)
    }
    const other = Uint8Array.from(bytes)
    other[0] = 99
    expect(() => new FrameReader().open(other)).toThrow('frame version 99')
  })
})
