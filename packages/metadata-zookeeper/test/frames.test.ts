// Frames are the same however the bytes arrive.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameSplitter } from '../src/frames.ts'

function frame(length: number): Buffer {
  const bytes = Buffer.alloc(4 + length, length)
  bytes.writeInt32BE(length)
  return bytes
}

test('frames come out whole, whatever pieces they came in', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (lengths, cuts) => {
      const sent = lengths.map(frame)
      const bytes = Buffer.concat(sent)
      const splitter = new FrameSplitter()
      const received: Buffer[] = []
      for (let at = 0, cut = 0; at < bytes.length; at += cuts[cut++ % cuts.length] as number) {
        received.push(...splitter.feed(bytes.subarray(at, at + (cuts[cut % cuts.length] as number))))
      }
      expect(received).toEqual(sent)
    }),
  )
})

test('what can be no frame is refused before it is waited for', () => {
  expect(() => new FrameSplitter().feed(Buffer.from('HTTP/1.1 400 Bad Request'))).toThrow(/this is no ZooKeeper/)
  expect(() => new FrameSplitter().feed(Buffer.from([255, 255, 255, 255]))).toThrow(/this is no ZooKeeper/)
})
