// Nearly right frames and payloads, 750,000 of them, given to the code that reads them: each is read or refused with a `ProtocolError`, nothing else comes
// of it, and nothing of it stays. The bytes below a frame are the transports' (messaging-stream/test/fuzz). Among the process tests because it takes long.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeliveryEndpoint } from '../../src/delivery/delivery-endpoint.ts'
import type { Message } from '../../src/delivery/message.ts'
import type { Location } from '../../src/delivery/placement-view.ts'
import { ProtocolError } from '../../src/errors.ts'
import { shardOf } from '../../src/hashing/key-hash.ts'
import { FLAG_HELLO, FLAG_NUMBERED, HEADER_BYTES } from '../../src/messaging/frame-format.ts'
import { FrameReader } from '../../src/messaging/frame-reader.ts'
import { writeHeader } from '../../src/messaging/frame-writer.ts'
import type { MessagingSystem } from '../../src/messaging/messaging-system.ts'
import { asNativeBuffer } from '../../src/messaging/native-buffer.ts'
import { decodePayload, encodePayload } from '../../src/messaging/payload-codec.ts'
import { DeliveryWorld, KIND, SHARDS } from '../delivery/support/delivery-world.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'
import { Mutator } from '../support/mutator.ts'

const SEED = 20_261_125
const PAYLOADS = 600_000
const FRAMES = 150_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapBytes(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const payloads: readonly unknown[] = [
  undefined,
  null,
  { name: 'x', list: [1, 2, { deep: [true, null] }], ['__proto__x']: 1 },
  'text with ünïcode',
  // In the tagged form, for the bigint; the compact one takes what has none.
  { name: 'x', list: [1, 2, { deep: [true, null] }], n: 1n },
  [
    1.5,
    -1,
    'a',
    { id: 'b', at: 1 },
    { id: 'c', at: 2 },
    Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, i])),
    'x'.repeat(100),
  ],
  // As JSON.
  ['lone \ud800', { a: [1, { b: null }] }],
  [1n, -5n, 2n ** 200n],
  new Map<unknown, unknown>([
    ['k', new Set([1, 'two', new Date(5)])],
    [{ a: 1 }, [undefined, Number.NaN, -0]],
  ]),
  Object.assign(Object.create(null), { constructor: 1, toString: 'no', x: new Uint16Array([1, 2, 3]) }),
  Object.assign(new TypeError('bad', { cause: new Error('worse') }), { code: 'E_BAD' }),
  { regexp: /a+b?/giu, bytes: new Uint8Array(40), view: new DataView(new ArrayBuffer(16)), big: new BigInt64Array(2) },
  // Holes travel, too.
  Object.assign(new Array<string>(4), { 0: 'a', 3: 'lone \ud800 surrogate' }),
  JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}, "undefined": 1}'),
  // In the tagged form, for the bigint.
  Object.defineProperty({ n: 1n }, '__proto__', { value: { polluted: true }, enumerable: true }),
  JSON.parse('['.repeat(150) + ']'.repeat(150)),
]

/** Only data of the promised kinds, and nothing that reaches a prototype. */
function checkDecoded(value: unknown, depth = 0): void {
  if (typeof value === 'function' || typeof value === 'symbol') throw new Error(`a ${typeof value} came out of bytes`)
  if (typeof value !== 'object' || value === null || depth > 4) return
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) {
    for (const key of Object.keys(value)) checkDecoded(Object.getOwnPropertyDescriptor(value, key)?.value, depth + 1)
  } else if (Array.isArray(value)) for (const item of value) checkDecoded(item, depth + 1)
  else if (value instanceof Map) for (const item of value.values()) checkDecoded(item, depth + 1)
  else if (value instanceof Set) for (const item of value) checkDecoded(item, depth + 1)
  else if (
    !(
      value instanceof Date ||
      value instanceof Error ||
      value instanceof RegExp ||
      value instanceof ArrayBuffer ||
      ArrayBuffer.isView(value)
    )
  )
    throw new Error(`a ${prototype?.constructor?.name} came out of bytes`)
}

function checkPrototypes(): void {
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  for (const prototype of [Object.prototype, Array.prototype, Map.prototype, Error.prototype]) expect(Object.keys(prototype)).toEqual([])
}

/** Most of these inputs end in an error, and most of its time would go into a stack that nobody reads. */
const { stackTraceLimit } = Error

describe('the decoders trust nothing', () => {
  beforeAll(() => {
    Error.stackTraceLimit = 0
  })

  afterAll(() => {
    Error.stackTraceLimit = stackTraceLimit
  })

  test(`${PAYLOADS.toLocaleString('en')} mutated payloads are read or refused`, () => {
    const mutator = new Mutator(SEED)
    const corpus = payloads.map((payload) => encodePayload(payload))
    const before = heapBytes()
    let read = 0
    for (let i = 0; i < PAYLOADS; i++) {
      const bytes = mutator.mutate(mutator.pick(corpus), corpus)
      // Half of them in the tagged form, which has more to get wrong.
      if (i % 2 === 0 && bytes.length > 0) bytes[0] = 2
      try {
        const value = decodePayload(bytes)
        read++
        if (i % 8 === 0) checkDecoded(value)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw new Error(`payload ${i}: ${bytes.toString('hex')}`, { cause: error })
      }
    }
    expect(read).toBeGreaterThan(PAYLOADS / 50)
    expect(read).toBeLessThan(PAYLOADS)
    expect(heapBytes() - before).toBeLessThan(32 * 1024 * 1024)
    checkPrototypes()
  })

  test(`${FRAMES.toLocaleString('en')} mutated frames, each as the next on its link, are read or end the link, and leave nothing behind`, async () => {
    const corpus = await recordedFrames()
    const mutator = new Mutator(SEED + 1)
    const victim = new Victim(corpus.slice(0, 2))
    const before = heapBytes()
    for (let i = 0; i < FRAMES; i++) {
      const items = mutator.mutate(mutator.pick(corpus).subarray(HEADER_BYTES), corpus, 2)
      try {
        victim.take(items)
      } catch (error) {
        throw new Error(`frame ${i}: ${items.toString('hex')}`, { cause: error })
      }
    }
    // It was not refused before it was read, and not everything was.
    expect(victim.delivered).toBeGreaterThan(FRAMES / 200)
    expect(victim.resets).toBeGreaterThan(FRAMES / 20)
    expect(victim.unexpected).toEqual([])
    expect(heapBytes() - before).toBeLessThan(64 * 1024 * 1024)
    checkPrototypes()
    victim.endpoint.close()
  })
})

/** A conversation with everything in it, as its frames were on the wire. */
async function recordedFrames(): Promise<Uint8Array[]> {
  const world = new DeliveryWorld()
  const a = await world.start('a')
  const b = await world.start('b')
  const frames: Uint8Array[] = []
  const original = b.endpoint.onFrame.bind(b.endpoint)
  b.endpoint.onFrame = (from, frame) => {
    if (frame.length > HEADER_BYTES) frames.push(Uint8Array.from(frame))
    original(from, frame)
  }
  world.giveAll(b)
  for (const [i, payload] of payloads.entries()) {
    a.endpoint.tell({ kind: KIND, id: `id-${i % 3}` }, `type-${i % 4}`, payload)
    if (i % 2 === 0) a.endpoint.ask({ kind: KIND, id: `id-${i}`, path: 'child/x' }, 'ask', payload, { timeoutMs: 1_000 }).catch(() => {})
    if (i % 3 === 0) a.endpoint.control(b.id, { n: i })
    world.settle()
    world.advance(5)
  }
  // Acknowledgements, replies and moves, the other way.
  for (let shard = 0; shard < SHARDS; shard++) {
    b.discard(shard)
    const location = world.appoint(shard, a)
    a.see(location)
    a.open(shard, location.epoch)
  }
  world.tellAll()
  for (let i = 0; i < 6; i++) b.endpoint.ask({ kind: KIND, id: `id-${i}` }, 'back', payloads[i], { timeoutMs: 1_000 }).catch(() => {})
  world.settle()
  world.advance(50)
  expect(frames.length).toBeGreaterThan(10)
  return frames
}

/** One process that owns half of the actors, has messages out to the other half, and hears only what this test says in the name of a peer. */
class Victim {
  readonly runtime = new ManualRuntime()
  readonly unexpected: string[] = []
  readonly endpoint: DeliveryEndpoint
  delivered = 0
  resets = 0
  readonly #introduction: readonly Uint8Array[]
  readonly #reader = new FrameReader()
  /** The link's state: the victim's id as it last said, ours, and our next number. */
  #isGivenUp = true
  #victimId = 0
  #ownId = 0
  #knownAs = 0
  #seq = 0

  /** `introduction`: frames that give numbers to actors and names, without which nothing else is read. */
  constructor(introduction: readonly Uint8Array[]) {
    this.#introduction = introduction
    const peer = { nodeId: 'a', processId: 'a-1' }
    const local = { clusterId: 'c', nodeId: 'b', processId: 'b-1' }
    // As in the recording: the first four epochs.
    const own = Array.from(
      { length: SHARDS },
      (_, shard): Location => ({ unit: { kind: KIND, shard, pin: undefined }, owner: local, epoch: shard + 1 }),
    )
    const other: Location = { unit: { kind: 'other', shard: 0, pin: undefined }, owner: peer, epoch: 1 }
    const transport = {
      send: (_: string, frame: Uint8Array) => {
        this.#heard(frame)
        return true
      },
      bufferedBytes: () => 0,
      capabilities: { ordered: true, durable: false, maxFrameBytes: 4_194_304 },
    } as unknown as MessagingSystem
    this.endpoint = new DeliveryEndpoint({
      runtime: this.runtime,
      local,
      transport,
      placement: { locate: (kind, id) => (kind === KIND ? own[shardOf(id, SHARDS)] : kind === 'other' ? other : undefined) },
      limits: { outboxMessages: 1_000, outboxMessagesPerPeer: 1_000, internedActors: 64, internedNames: 64 },
      onTransportError: (error) => {
        this.#isGivenUp = true
        // What a reader did not refuse itself is wrapped by the endpoint: a check is missing then.
        const isRefusal = error instanceof ProtocolError && error.message !== 'a frame could not be read'
        if (!isRefusal && this.unexpected.length < 10) this.unexpected.push(`${error.message}: ${error.cause}`)
      },
      onControl: () => {},
    })
    for (const { unit, epoch } of own)
      this.endpoint.openTenure({ unit, epoch, sink: { deliver: (_id, _path, message) => this.#deliver(message) } })
    this.endpoint.onPeerUp(peer)
    for (let i = 0; i < 20; i++) this.endpoint.tell({ kind: 'other', id: `other-${i % 4}` }, 'out', i, { timeoutMs: 2 ** 30 })
    this.runtime.flush()
  }

  take(items: Uint8Array): void {
    // Otherwise it would not read: a link that was given up is silent for a while.
    if (this.#isGivenUp || this.#knownAs !== this.#ownId) this.#greet()
    this.#next(items)
    this.runtime.advance(3)
  }

  /** As a peer that has just begun. */
  #greet(): void {
    this.resets++
    this.#isGivenUp = false
    // The victim is silent for a while after rubbish: 50 ms after the first since it understood something.
    this.runtime.advance(60)
    this.#ownId++
    this.#seq = 0
    this.#frame(FLAG_HELLO | 4, 0, new Uint8Array(0))
    this.runtime.advance(3)
    for (const frame of this.#introduction) this.#next(frame.subarray(HEADER_BYTES))
  }

  #next(items: Uint8Array): void {
    this.#seq++
    this.#frame(FLAG_NUMBERED, this.#seq, items)
  }

  #frame(flags: number, seq: number, items: Uint8Array): void {
    const bytes = asNativeBuffer(new Uint8Array(HEADER_BYTES + items.length))
    writeHeader(bytes, 0, { version: 1, flags, from: this.#ownId, to: this.#victimId, seq, receipt: 0, floor: 0, baseId: 0 })
    bytes.set(items, HEADER_BYTES)
    this.endpoint.onFrame({ nodeId: 'a', processId: 'a-1' }, bytes)
    this.runtime.flush()
  }

  #heard(frame: Uint8Array): void {
    this.#reader.open(frame)
    this.#victimId = this.#reader.header.from
    this.#knownAs = this.#reader.header.to
    this.#reader.release()
  }

  #deliver(message: Message): boolean {
    this.delivered++
    try {
      if (message.begin()) message.handled(undefined)
    } catch (error) {
      this.unexpected.push(String(error))
    }
    return true
  }
}
