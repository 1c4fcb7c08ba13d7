import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Link, NEW_LINK, RESEND, SEND_HEADER, TAKE } from '../../src/delivery/link.ts'
import { HEADER_BYTES } from '../../src/messaging/frame-format.ts'
import { Frame, type FrameHeader } from '../../src/messaging/frame-writer.ts'
import { allocateSlab } from '../../src/messaging/native-buffer.ts'

const TIMES = { receiptDelayMs: 2, probeMinMs: 50, probeMaxMs: 1_000 }

interface Packet {
  readonly header: FrameHeader
  readonly content: number
}

/** One side: a link, what it hands to the wire, and what it has taken. */
class Side {
  link: Link<Frame>
  wire: Packet[] = []
  taken: number[] = []
  /** The number of the pair of states that this side is in; content of an older pair must not appear in it. */
  generation = 0
  now = 0
  #contents = new Map<Frame, number>()
  #ids = 0

  constructor() {
    this.link = new Link<Frame>(() => ++this.#ids, TIMES)
  }

  send(content: number): void {
    const frame = new Frame(allocateSlab(HEADER_BYTES + 1), 0, 0)
    frame.end++
    this.#contents.set(frame, content)
    this.link.append(frame)
    this.flush()
  }

  flush(): void {
    if (!this.link.isOpen) return
    for (let frame = this.link.nextFrame(); frame !== undefined; frame = this.link.nextFrame()) {
      const header = emptyHeader()
      this.link.fillHeader(header, 0)
      header.flags = 1
      header.seq = frame.seq
      this.link.handed(frame, this.now)
      this.wire.push({ header, content: this.#contents.get(frame) as number })
    }
  }

  act(actions: number): void {
    if (actions & NEW_LINK) {
      this.generation++
      this.taken = []
    }
    if (actions & SEND_HEADER && this.link.isUp) {
      const header = emptyHeader()
      const flags = this.link.takeHeaderFlags()
      this.link.fillHeader(header, 0)
      header.flags = flags
      this.wire.push({ header, content: -1 })
    }
    this.flush()
  }

  receive(packet: Packet): void {
    const actions = this.link.received(packet.header, this.now)
    if (actions & TAKE) this.taken.push(packet.content)
    this.act(actions)
  }
}

function emptyHeader(): FrameHeader {
  return { version: 1, flags: 0, from: 0, to: 0, seq: 0, receipt: 0, floor: 0, baseId: 0 }
}

class Pair {
  readonly a = new Side()
  readonly b = new Side()

  up(): void {
    this.a.act(this.a.link.up(this.a.now))
    this.b.act(this.b.link.up(this.b.now))
  }

  down(): void {
    this.a.link.down()
    this.b.link.down()
    this.a.wire = []
    this.b.wire = []
  }

  /** Everything on the wire arrives, until it is quiet. */
  settle(): void {
    for (let i = 0; i < 500 && this.a.wire.length + this.b.wire.length > 0; i++) {
      for (const packet of this.a.wire.splice(0)) this.b.receive(packet)
      for (const packet of this.b.wire.splice(0)) this.a.receive(packet)
    }
    expect(this.a.wire.length + this.b.wire.length).toBe(0)
  }

  tick(ms: number): void {
    for (const side of [this.a, this.b]) {
      side.now += ms
      if (side.now >= side.link.dueMs) side.act(side.link.tick(side.now))
    }
  }
}

describe('a link', () => {
  it('takes frames in order and once, over any loss, repetition and reordering', () => {
    const step = fc.oneof(
      fc.constant('send' as const),
      fc.constant('lose' as const),
      fc.constant('repeat' as const),
      fc.constant('swap' as const),
      fc.constant('deliver' as const),
      fc.constant('deliver-back' as const),
      fc.constant('drop' as const),
      fc.constant('tick' as const),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const pair = new Pair()
        const { a, b } = pair
        pair.up()
        pair.settle()
        let sent = 0
        for (const what of steps) {
          const first = a.wire[0]
          if (what === 'send') a.send(++sent)
          else if (what === 'lose') a.wire.shift()
          else if (what === 'repeat' && first !== undefined) a.wire.push({ ...first, header: { ...first.header } })
          else if (what === 'swap' && a.wire.length > 1) a.wire.push(a.wire.shift() as Packet)
          else if (what === 'deliver' && first !== undefined) b.receive(a.wire.shift() as Packet)
          else if (what === 'deliver-back' && b.wire.length > 0) a.receive(b.wire.shift() as Packet)
          else if (what === 'drop') {
            pair.down()
            pair.up()
          } else if (what === 'tick') pair.tick(60)
        }
        for (let i = 0; i < 10; i++) {
          pair.settle()
          pair.tick(1_100)
        }
        expect(b.taken).toEqual(Array.from({ length: sent }, (_, i) => i + 1))
        expect(a.link.bufferedBytes).toBe(0)
        expect([a.generation, b.generation]).toEqual([0, 0])
      }),
      { numRuns: 400 },
    )
  })

  it('starts again on both sides when either lost its state, and takes nothing of the old one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('send', 'forget-a', 'forget-b', 'deliver', 'deliver-back', 'drop'), { maxLength: 60 }),
        (steps) => {
          const pair = new Pair()
          const { a, b } = pair
          pair.up()
          pair.settle()
          let n = 0
          const late: Packet[] = []
          for (const what of steps) {
            if (what === 'send') a.send(++n)
            else if (what === 'forget-a') a.act(a.link.forget(a.now))
            else if (what === 'forget-b') b.act(b.link.forget(b.now))
            else if (what === 'deliver' && a.wire.length > 0) {
              late.push(a.wire[0] as Packet)
              b.receive(a.wire.shift() as Packet)
            } else if (what === 'deliver-back' && b.wire.length > 0) a.receive(b.wire.shift() as Packet)
            else if (what === 'drop') {
              pair.down()
              pair.up()
            }
          }
          for (let i = 0; i < 6; i++) {
            pair.settle()
            pair.tick(1_100)
          }
          // A frame of an old pair that turns up now is nobody's.
          const before = [...b.taken]
          for (const packet of late) if (packet.header.from !== a.link.localId || packet.header.to !== b.link.localId) b.receive(packet)
          expect(b.taken).toEqual(before)
          for (let i = 0; i < 6; i++) {
            pair.settle()
            pair.tick(1_100)
          }
          const from = ++n
          a.send(from)
          a.send(++n)
          pair.settle()
          expect(b.taken.slice(-2)).toEqual([from, from + 1])
          expect(b.taken).toEqual([...b.taken].sort((x, y) => x - y))
          expect(new Set(b.taken).size).toBe(b.taken.length)
        },
      ),
      { numRuns: 400 },
    )
  })

  it('sends a lone receipt within its delay, and none when one rode on traffic', () => {
    const pair = new Pair()
    pair.up()
    pair.settle()
    pair.tick(60)
    pair.settle()
    pair.a.send(1)
    for (const packet of pair.a.wire.splice(0)) pair.b.receive(packet)
    expect(pair.b.wire).toEqual([])
    pair.tick(2)
    expect(pair.b.wire.map((p) => p.header.receipt)).toEqual([1])
    pair.settle()
    expect(pair.a.link.hasUnreceipted).toBe(false)
    pair.a.send(2)
    for (const packet of pair.a.wire.splice(0)) pair.b.receive(packet)
    pair.b.send(1)
    expect(pair.b.wire.at(-1)?.header.receipt).toBe(2)
    pair.settle()
    expect(pair.b.link.dueMs).toBeGreaterThan(pair.b.now + 2)
  })

  it('probes without progress, with backoff up to a second, and asks for what is missing', () => {
    const pair = new Pair()
    const { a, b } = pair
    pair.up()
    pair.settle()
    pair.tick(60)
    pair.settle()
    a.send(1)
    a.wire = []
    const gaps: number[] = []
    let last = a.now
    for (let i = 0; i < 8; i++) {
      const due = a.link.dueMs
      gaps.push(Math.round(due - last))
      last = due
      a.now = due
      a.act(a.link.tick(a.now))
      expect(a.wire.length).toBe(1)
      a.wire = []
    }
    expect(gaps).toEqual([50, 100, 200, 400, 800, 1_000, 1_000, 1_000])
    a.now = a.link.dueMs
    a.act(a.link.tick(a.now))
    pair.settle()
    expect(b.taken).toEqual([1])
  })

  it('is silent when there is nothing to say', () => {
    const pair = new Pair()
    pair.up()
    pair.settle()
    for (let i = 0; i < 3; i++) {
      pair.tick(1_100)
      pair.settle()
    }
    expect([pair.a.link.dueMs, pair.b.link.dueMs]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
  })

  it('waits longer each time before it speaks to a peer whose bytes it can not read', () => {
    const pair = new Pair()
    pair.up()
    pair.settle()
    const waits: number[] = []
    for (let i = 0; i < 7; i++) {
      pair.a.link.malformed(pair.a.now)
      waits.push(pair.a.link.dueMs - pair.a.now)
      pair.a.now = pair.a.link.dueMs
    }
    expect(waits).toEqual([50, 100, 200, 400, 800, 1_000, 1_000])
    expect(RESEND).toBeGreaterThan(0)
  })
})
