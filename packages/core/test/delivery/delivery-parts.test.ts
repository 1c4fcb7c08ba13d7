// The small protocol classes: outbox, records, endings, breaker, interning, limits, acceptance.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judge } from '../../src/delivery/acceptance.ts'
import { CircuitBreaker } from '../../src/delivery/circuit-breaker.ts'
import { ControlChannel } from '../../src/delivery/control-channel.ts'
import { DEFAULT_DELIVERY_LIMITS, resolveDeliveryLimits } from '../../src/delivery/delivery-limits.ts'
import { Endings } from '../../src/delivery/endings.ts'
import { InTable, OutActors, OutNames } from '../../src/delivery/interning.ts'
import { OutEntry } from '../../src/delivery/out-entry.ts'
import { OutStream } from '../../src/delivery/out-stream.ts'
import { Outbox } from '../../src/delivery/outbox.ts'
import { PeerFrame } from '../../src/delivery/peer-frame.ts'
import { RecordBook, Source } from '../../src/delivery/records.ts'
import { exportRecords, installShipment } from '../../src/delivery/shipment.ts'
import type { Tenure } from '../../src/delivery/tenure.ts'
import { FrameReader } from '../../src/messaging/frame-reader.ts'
import { FrameWriter } from '../../src/messaging/frame-writer.ts'
import { clonePayload, encodePayload } from '../../src/messaging/payload-codec.ts'

const newEntry = (stream = new OutStream('k', 'a', undefined)) => new OutEntry(stream, 't', () => {})

describe('the outbox', () => {
  it('has as its floor the largest id up to which all are finished, whatever order they finish in', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ add: fc.boolean(), pick: fc.nat() }), { maxLength: 3_000 }), (steps) => {
        const outbox = new Outbox()
        const live: OutEntry[] = []
        for (const { add, pick } of steps) {
          if (add || live.length === 0) {
            const entry = newEntry()
            outbox.add(entry)
            live.push(entry)
          } else {
            const [entry] = live.splice(pick % live.length, 1)
            outbox.remove(entry as OutEntry)
          }
        }
        const expected = live.length === 0 ? outbox.lastId : Math.min(...live.map((e) => e.id)) - 1
        expect(outbox.floor()).toBe(expected)
        expect(outbox.count).toBe(live.length)
        for (const entry of live) expect(outbox.get(entry.id)).toBe(entry)
        expect([...outbox.entries()]).toEqual([...live].sort((a, b) => a.id - b.id))
      }),
      { numRuns: 50 },
    )
  })

  it('lets go of pages that are finished', () => {
    const outbox = new Outbox()
    for (let i = 0; i < 5_000; i++) {
      const entry = newEntry()
      outbox.add(entry)
      outbox.remove(entry)
    }
    expect([outbox.count, outbox.bytes, outbox.floor()]).toEqual([0, 0, 5_000])
    expect(outbox.get(100)).toBeUndefined()
  })
})

describe('a stream', () => {
  const at = (epoch: number, processId: string | null) => ({
    unit: { kind: 'k', shard: 0, pin: undefined },
    owner: processId === null ? null : { nodeId: 'n', processId },
    epoch,
  })

  it('follows no older view, and an equal epoch only to say that its owner is lost or found', () => {
    const stream = new OutStream('k', 'a', undefined)
    expect(stream.isNewer(at(3, 'p'))).toBe(true)
    stream.reroute(at(3, 'p'), undefined)
    expect(stream.isNewer(at(2, 'q'))).toBe(false)
    expect(stream.isNewer(at(3, 'p'))).toBe(false)
    expect(stream.isNewer(at(3, null))).toBe(true)
    expect(stream.isNewer(at(4, 'p'))).toBe(true)
  })

  it('sends again everything outstanding, in order, on a new route', () => {
    const stream = new OutStream('k', 'a', undefined)
    const entries = [newEntry(stream), newEntry(stream), newEntry(stream)]
    for (const entry of entries) stream.append(entry)
    stream.remove(entries[1] as OutEntry)
    stream.reroute(at(1, 'p'), undefined)
    expect(stream.cursor).toBe(entries[0])
    expect(stream.cursor?.next).toBe(entries[2])
  })
})

describe('records', () => {
  const budget = (limit = 1_000_000) => ({ used: 0, limit })

  it('read as the floor where there are none, and go when the floor has passed them', () => {
    const source = new Source('n', 'p')
    const book = new RecordBook(budget())
    source.raiseFloor(10)
    const cell = book.open(source, 'a', undefined)
    expect(cell.last).toBe(10)
    cell.last = 20
    source.raiseFloor(19)
    expect(book.find(source, 'a', undefined)).toBe(cell)
    source.raiseFloor(20)
    expect(book.find(source, 'a', undefined)).toBeUndefined()
    expect([cell.isDropped, book.actorCount]).toEqual([true, 0])
  })

  it('tell children, ids and sources apart', () => {
    const book = new RecordBook(budget())
    const [p, q] = [new Source('n', 'p'), new Source('n', 'q')]
    const cells = [book.open(p, 'a', undefined), book.open(q, 'a', undefined), book.open(p, 'a', 'x'), book.open(p, '1/a/x', undefined)]
    expect(new Set(cells).size).toBe(4)
    expect(book.find(q, 'a', undefined)).toBe(cells[1])
    cells[0]?.drop()
    expect(book.find(q, 'a', undefined)).toBe(cells[1])
    expect([...book.cells()].length).toBe(3)
  })

  it('keep replies until the floor passes them, within their budget', () => {
    const source = new Source('n', 'p')
    const shared = budget(1_000)
    const book = new RecordBook(shared)
    const cell = book.open(source, 'a', undefined)
    for (let id = 1; id <= 10; id++) book.keep(cell, id, 0, new Uint8Array(100))
    expect(cell.kept?.size).toBe(3)
    expect(shared.used).toBeLessThanOrEqual(1_000)
    source.raiseFloor(2)
    expect([...(cell.kept?.keys() ?? [])]).toEqual([3])
    source.raiseFloor(10)
    expect(shared.used).toBe(0)
  })

  it('arrive at a new owner as they left, in chunks of at most 256 KiB, whatever they hold', () => {
    const book = new RecordBook(budget(1e9))
    const sources = [new Source('n', 'p'), new Source('m', 'q')]
    for (let i = 0; i < 3_000; i++) {
      const cell = book.open(sources[i % 2] as Source, `actor-${i}-${'x'.repeat(i % 200)}`, i % 3 === 0 ? 'child/of' : undefined)
      cell.last = 1_000 + i
      if (i % 100 === 0) book.keep(cell, i + 1, 0, Buffer.alloc(i * 150, i))
      if (i % 100 === 1) book.keep(cell, i + 1, 4, undefined)
    }
    const chunks = [...exportRecords(book.cells())]
    expect(chunks.length).toBeGreaterThan(3)
    for (const chunk of chunks) expect(encodePayload(chunk).length).toBeLessThanOrEqual(256 * 1024)
    const other = new RecordBook(budget(1e9))
    const known = new Map(sources.map((s) => [s.processId, new Source(s.nodeId, s.processId)]))
    for (const chunk of chunks) installShipment(clonePayload(chunk), other, (_n, p) => known.get(p) as Source)
    const dump = (of: RecordBook) =>
      [...of.cells()]
        .map((c) => [
          c.source.processId,
          c.id,
          c.path,
          c.last,
          [...(c.kept?.values() ?? [])].map((k) => [
            k.id,
            k.outcome,
            k.bytes === undefined ? undefined : Buffer.from(k.bytes).toString('latin1'),
          ]),
        ])
        .sort((a, b) => (String(a) < String(b) ? -1 : 1))
    expect(dump(other)).toEqual(dump(book))
    expect(() => installShipment({ version: 9, sources: [], records: [], replies: [] }, other, () => new Source('', ''))).toThrow(
      'version 9',
    )
    expect(() => installShipment('junk', other, () => new Source('', ''))).toThrow(TypeError)
  })

  it('of a retired source are gone', () => {
    const source = new Source('n', 'p')
    const shared = budget()
    const book = new RecordBook(shared)
    book.keep(book.open(source, 'a', undefined), 5, 0, new Uint8Array(9))
    source.clear()
    expect([book.actorCount, shared.used]).toEqual([0, 0])
  })
})

describe('endings', () => {
  function open() {
    const frames: PeerFrame[] = []
    const writer = new FrameWriter<PeerFrame>(
      (bytes, start) => new PeerFrame(bytes, start, 0),
      (frame) => frames.push(frame),
    )
    const tenure = { epoch: 7, mayLeave: true, isFenced: false, state: 'active', mayLeaveNow: () => tenure.mayLeave && !tenure.isFenced }
    return { frames, writer, tenure, as: tenure as unknown as Tenure }
  }

  function read(frames: PeerFrame[]): { epoch: number; ids: number[] }[] {
    const acks: { epoch: number; ids: number[] }[] = []
    for (const frame of frames) {
      const reader = new FrameReader()
      reader.open(frame.sealed({ version: 1, flags: 0, from: 0, to: 0, seq: 0, receipt: 0, floor: 0, baseId: 0 }))
      while (reader.hasMore) {
        expect(reader.byte()).toBe(1)
        const ack = { epoch: reader.varint(), ids: [] as number[] }
        let end = 0
        for (let runs = reader.varint(); runs > 0; runs--) {
          const start = end + reader.varint()
          end = start + reader.varint()
          for (let id = start; id < end; id++) ack.ids.push(id)
        }
        acks.push(ack)
      }
    }
    return acks
  }

  it('name exactly the ids that ended', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 45 })), { minLength: 1, maxLength: 5_000 }),
        (ids) => {
          const { frames, writer, as } = open()
          const endings = new Endings()
          for (const id of ids) endings.acknowledge(as, id)
          endings.write(writer)
          writer.close()
          const named = read(frames).flatMap((ack) => ack.ids)
          expect(new Set(named)).toEqual(new Set(ids))
          expect(named.length).toBe(new Set(ids).size)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('wait while their tenure may let nothing leave, and go under the epoch it is resumed with', () => {
    const { frames, writer, tenure, as } = open()
    const endings = new Endings()
    tenure.mayLeave = false
    endings.acknowledge(as, 5)
    endings.write(writer)
    writer.close()
    expect(frames).toEqual([])
    tenure.mayLeave = true
    tenure.epoch = 9
    endings.write(writer)
    writer.close()
    expect(read(frames)).toEqual([{ epoch: 9, ids: [5] }])
  })

  it('of a fenced tenure are dropped', () => {
    const { frames, writer, tenure, as } = open()
    const endings = new Endings()
    endings.acknowledge(as, 5)
    tenure.isFenced = true
    endings.write(writer)
    writer.close()
    expect([frames, endings.isEmpty]).toEqual([[], true])
  })
})

describe('a frame with items of turns', () => {
  it('is not handed over while their tenure may let nothing leave, and loses them with it', () => {
    const writer = new FrameWriter<PeerFrame>(
      (bytes, start) => new PeerFrame(bytes, start, 0),
      () => {},
    )
    const frame = writer.reserve(10)
    const tenure = { isFenced: false, may: false, mayLeaveNow: () => tenure.may }
    frame.gate(tenure as unknown as Tenure, writer.at)
    const at = writer.at
    writer.byte(0x80)
    expect(frame.mayLeave()).toBe(false)
    tenure.may = true
    expect(frame.mayLeave()).toBe(true)
    expect(frame.bytes[at]).toBe(0x80)
    tenure.isFenced = true
    expect(frame.mayLeave()).toBe(true)
    expect(frame.bytes[at]).toBe(0xc0)
  })
})

describe('acceptance', () => {
  const tenure = (epoch: number, isAccepting = true) => ({ epoch, isAccepting }) as Tenure
  const location = (epoch: number) => ({ unit: { kind: 'k', shard: 0, pin: undefined }, owner: null, epoch })

  it('takes a message under exactly the own epoch, and no other', () => {
    expect(judge(tenure(5), location(5), 5)).toBe('accept')
    expect(judge(tenure(5), location(5), 4)).toBe('moved')
    expect(judge(tenure(5), location(5), 6)).toBe('park')
    expect(judge(tenure(5, false), location(5), 5)).toBe('drop')
  })

  it('without a tenure says where the actor is, or waits for what it does not know yet', () => {
    expect(judge(undefined, location(5), 4)).toBe('moved')
    expect(judge(undefined, location(5), 5)).toBe('park')
    expect(judge(undefined, location(5), 6)).toBe('park')
    expect(judge(undefined, undefined, 0)).toBe('park')
  })
})

describe('a circuit breaker', () => {
  it('opens after failures in a row, lets one probe through after its time, and closes on a sign of life', () => {
    const breaker = new CircuitBreaker(5, 30_000)
    for (let i = 0; i < 4; i++) breaker.failed(0)
    expect(breaker.admits(0)).toBe(true)
    breaker.close()
    for (let i = 0; i < 5; i++) breaker.failed(10)
    expect([breaker.isClosed, breaker.admits(30_009)]).toEqual([false, false])
    expect([breaker.admits(30_010), breaker.admits(30_010)]).toEqual([true, false])
    breaker.failed(31_000)
    expect(breaker.admits(60_999)).toBe(false)
    breaker.close()
    expect(breaker.admits(31_001)).toBe(true)
  })
})

describe('interning', () => {
  it('gives an idle stream’s number away when all are taken, and never a busy one’s', () => {
    const actors = new OutActors(2)
    const streams = ['a', 'b', 'c', 'd'].map((id) => new OutStream('k', id, undefined))
    const evicted: string[] = []
    const give = (i: number) => {
      const stream = streams[i] as OutStream
      stream.slot = actors.assign(stream, (s) => evicted.push(s.id))
      return stream.slot
    }
    ;(streams[0] as OutStream).append(newEntry(streams[0]))
    expect([give(0), give(1), give(2)]).toEqual([1, 2, 2])
    expect(evicted).toEqual(['b'])
    ;(streams[2] as OutStream).append(newEntry(streams[2]))
    expect(give(3)).toBe(3)
    expect(actors.find(2)).toBe(streams[2])
    expect(actors.find(9)).toBeUndefined()
  })

  it('is bounded on both sides', () => {
    const names = new OutNames(2)
    expect([names.add('a'), names.add('b'), names.add('c'), names.get('b'), names.get('c')]).toEqual([1, 2, 0, 2, 0])
    const table = new InTable<string>('name', 2)
    table.set(1, 'a')
    expect(() => table.set(3, 'c')).toThrow('out of order')
    table.set(2, 'b')
    expect(() => table.set(3, 'c')).toThrow('out of order')
    expect(() => table.get(5)).toThrow('unknown on this link')
  })
})

describe('the control channel', () => {
  it('writes again what was not confirmed when the link is lost, and takes each number once', () => {
    const frames: PeerFrame[] = []
    const writer = new FrameWriter<PeerFrame>(
      (bytes, start) => new PeerFrame(bytes, start, 0),
      (frame) => frames.push(frame),
    )
    const channel = new ControlChannel()
    for (let i = 0; i < 3; i++) channel.send(Uint8Array.of(i))
    channel.write(writer, () => true)
    expect([channel.hasUnwritten, channel.waitingBytes]).toEqual([false, 3])
    channel.receipted(1)
    channel.linkLost()
    expect([channel.hasUnwritten, channel.waitingBytes]).toEqual([true, 2])
    const other = new ControlChannel()
    expect([other.takes(1), other.takes(1), other.takes(2), other.takes(1)]).toEqual([true, false, true, false])
    expect(other.wantsFlush).toBe(true)
  })
})

describe('delivery limits', () => {
  it('have defaults, and name the option that is impossible', () => {
    expect(resolveDeliveryLimits()).toEqual(DEFAULT_DELIVERY_LIMITS)
    expect(resolveDeliveryLimits({ creditBytes: 2_000_000 }).creditBytes).toBe(2_000_000)
    const wrong: [object, string][] = [
      [{ creditByte: 1 }, "unknown delivery limit 'creditByte'"],
      [{ receiptDelayMs: 0 }, 'receiptDelayMs is 0; it must be a positive number'],
      [{ outboxMessages: 1.5 }, 'outboxMessages is 1.5; it must be whole'],
      [{ creditBytes: 1_000 }, 'creditBytes is 1000; it must hold at least one payload'],
      [{ probeMinMs: 2_000 }, 'probeMinMs is 2000; it must not exceed probeMaxMs'],
    ]
    for (const [given, text] of wrong) expect(() => resolveDeliveryLimits(given)).toThrow(text)
    expect(() => resolveDeliveryLimits({}, 100_000)).toThrow('maxPayloadBytes is 1048576; the transport’s frames'.replace('’', "'"))
  })
})
