import { describe, expect, it } from 'vitest'
import type { ActorSnapshot } from '../../src/actor/snapshot.ts'
import type { HandoffMessage } from '../../src/cluster/control-messages.ts'
import { HandoffDriver } from '../../src/cluster/handoff-driver.ts'
import { HandoffSource } from '../../src/cluster/handoff-source.ts'
import { HandoffTarget } from '../../src/cluster/handoff-target.ts'
import { initialPlacement, type Owner, type PlacementDocument } from '../../src/cluster/placement-document.ts'
import { applyChanges } from '../../src/cluster/placement-transitions.ts'
import { packShipment, ShipmentReader, type ShippedItem } from '../../src/cluster/shipment.ts'
import type { Unit } from '../../src/delivery/placement-view.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

const a: Owner = { nodeId: 'a', processId: 'pa', incarnation: 'sa' }
const b: Owner = { nodeId: 'b', processId: 'pb', incarnation: 'sb' }
const unit: Unit = { kind: 'k', shard: 3, pin: undefined }

function actor(id: string, state: unknown): ActorSnapshot {
  return { id, kind: 'k', fresh: false, state, stash: [], timers: [], children: [] }
}

function read(chunks: Iterable<Uint8Array>): ShippedItem[] {
  const reader = new ShipmentReader()
  const items: ShippedItem[] = []
  for (const chunk of chunks) items.push(...reader.push(chunk))
  expect(reader.complete).toBe(true)
  return items
}

describe('a shipment', () => {
  const items: ShippedItem[] = [
    { actor: actor('x', { n: 1, at: new Date(5), big: 'y'.repeat(3_000) }) },
    { records: [1, 'two', new Map([[3, 4]])] },
    { actor: actor('z', null) },
  ]

  it('arrives whole however it is cut', () => {
    for (const size of [1, 2, 3, 7, 64, 1_000, 100_000]) {
      const chunks = [...packShipment(items, size, () => expect.unreachable())]
      expect(chunks.every((chunk) => chunk.length <= size)).toBe(true)
      expect(read(chunks)).toEqual(items)
    }
  })

  it('leaves out a state that the codec refuses, says so, and ships the rest', () => {
    const refused: string[] = []
    const chunks = packShipment([{ actor: actor('bad', { f: () => 1 }) }, { actor: actor('good', 7) }], 100, (bad) => refused.push(bad.id))
    const [bad, good] = read(chunks)
    expect(refused).toEqual(['bad'])
    expect(bad).toMatchObject({ actor: { id: 'bad', fresh: true } })
    expect(good).toMatchObject({ actor: { id: 'good', state: 7 } })
  })

  it('is refused when it is garbage', () => {
    expect(() => [...new ShipmentReader().push(Uint8Array.of(0, 0, 0, 0, 1))]).toThrow(/shipped item/)
    expect(() => [...new ShipmentReader().push(Uint8Array.of(0, 0, 0, 1, 9))]).toThrow()
  })
})

function shipped(handoffId: string, attempt: number, epoch: number, items: ShippedItem[]): HandoffMessage[] {
  const chunks = [...packShipment(items, 16, () => {})]
  return [
    { t: 'ship-begin', handoffId, attempt, unit: { kind: 'k', shard: 3 }, epoch },
    ...chunks.map((bytes, seq): HandoffMessage => ({ t: 'ship-chunk', handoffId, attempt, seq, bytes })),
    { t: 'ship-end', handoffId, attempt, chunks: chunks.length },
  ]
}

describe('the target of a handoff', () => {
  const items: ShippedItem[] = [{ actor: actor('x', 1) }, { records: 'r' }]
  const receive = (target: HandoffTarget, messages: HandoffMessage[]) =>
    messages.map((message) => target.receive('a', message as never)).filter((answer) => answer !== undefined)

  it('confirms a copy when it is whole, and not before', () => {
    const target = new HandoffTarget()
    const messages = shipped('h', 1, 5, items)
    expect(receive(target, messages.slice(0, -1))).toEqual([])
    expect(target.copyOf(unit)).toBeUndefined()
    expect(receive(target, messages.slice(-1))).toEqual([{ t: 'ship-copied', handoffId: 'h' }])
    expect(target.copyOf(unit)).toMatchObject({ epoch: 5, actors: [{ id: 'x', state: 1 }], records: ['r'] })
  })

  it('asks again when a chunk is missing, and takes the next attempt', () => {
    const target = new HandoffTarget()
    const messages = shipped('h', 1, 5, items)
    expect(receive(target, [messages[0] as HandoffMessage, ...messages.slice(2)])).toContainEqual({
      t: 'ship-again',
      handoffId: 'h',
      attempt: 1,
    })
    expect(receive(target, shipped('h', 2, 5, items))).toEqual([{ t: 'ship-copied', handoffId: 'h' }])
  })

  it('asks again when chunks come in another order than they were sent', () => {
    const target = new HandoffTarget()
    const [begin, first, second, ...rest] = shipped('h', 1, 5, items) as [
      HandoffMessage,
      HandoffMessage,
      HandoffMessage,
      ...HandoffMessage[],
    ]
    expect(receive(target, [begin, second, first, ...rest])).toContainEqual({ t: 'ship-again', handoffId: 'h', attempt: 1 })
    expect(target.copyOf(unit)).toBeUndefined()
  })

  it('asks for the whole when only the end of an attempt reaches it', () => {
    expect(receive(new HandoffTarget(), shipped('h', 1, 5, items).slice(-1))).toEqual([{ t: 'ship-again', handoffId: 'h', attempt: 1 }])
  })

  it('confirms again, without another copy, when the confirmation was lost', () => {
    const target = new HandoffTarget()
    receive(target, shipped('h', 1, 5, items))
    expect(receive(target, shipped('h', 2, 5, items))).toEqual([{ t: 'ship-copied', handoffId: 'h' }])
  })

  it('replaces an older copy by one of a higher epoch, never the other way round', () => {
    const target = new HandoffTarget()
    receive(target, shipped('h1', 1, 5, items))
    receive(target, shipped('h2', 1, 8, [{ actor: actor('x', 2) }]))
    expect(target.copyOf(unit)).toMatchObject({ epoch: 8, actors: [{ state: 2 }] })
    receive(target, shipped('h1', 2, 5, items))
    expect(target.copyOf(unit)).toMatchObject({ epoch: 8 })
  })

  it('keeps a copy while its end is open, and drops it when a higher epoch names somebody else', () => {
    const target = new HandoffTarget()
    receive(target, shipped('h', 1, 5, items))
    target.prune(b, () => ({ owner: a, epoch: 5, after: 4, move: { handoffId: 'h', target: b } }))
    target.prune(b, () => ({ owner: b, epoch: 6, after: 5 }))
    expect(target.size).toBe(1)
    target.prune(b, () => ({ owner: a, epoch: 7, after: 4 }))
    expect(target.size).toBe(0)
  })
})

describe('the source of a handoff', () => {
  function newSource(concurrent = 4) {
    const runtime = new ManualRuntime()
    const sent: { to: string; message: HandoffMessage }[] = []
    const seals: { unit: Unit; done: () => void }[] = []
    let leader: Owner | undefined = { nodeId: 'l', processId: 'pl', incarnation: 'sl' }
    const source = new HandoffSource({
      runtime,
      concurrent,
      seal: (sealed) => new Promise((resolve) => seals.push({ unit: sealed, done: resolve })),
      chunks: () => [Uint8Array.of(1), Uint8Array.of(2)],
      send: (to, message) => sent.push({ to: to.nodeId, message }),
      drained: () => Promise.resolve(),
      leader: () => leader,
      onError: (error) => expect.unreachable(String(error)),
    })
    const types = () => sent.map(({ to, message }) => `${to} ${message.t}`)
    return { runtime, source, sent, seals, types, setLeader: (next: Owner | undefined) => (leader = next) }
  }

  it('seals, ships, and reports only after the target has confirmed', async () => {
    const { runtime, source, seals, types } = newSource()
    source.begin(unit, 5, 'h', b)
    await runtime.settle()
    expect(types()).toEqual([])
    seals[0]?.done()
    await runtime.settle()
    expect(types()).toEqual(['b ship-begin', 'b ship-chunk', 'b ship-chunk', 'b ship-end'])
    source.receive(b, { t: 'ship-copied', handoffId: 'h' })
    expect(types().at(-1)).toBe('l released')
    source.endAll()
  })

  it('ignores a confirmation of another process or handoff', async () => {
    const { runtime, source, seals, types } = newSource()
    source.begin(unit, 5, 'h', b)
    seals[0]?.done()
    await runtime.settle()
    source.receive({ ...b, processId: 'another' }, { t: 'ship-copied', handoffId: 'h' })
    source.receive(b, { t: 'ship-copied', handoffId: 'g' })
    expect(types()).not.toContain('l released')
    source.endAll()
  })

  it('ships the whole again when no answer comes, and when the target asks for it', async () => {
    const { runtime, source, sent, seals } = newSource()
    source.begin(unit, 5, 'h', b)
    seals[0]?.done()
    await runtime.advanceAndSettle(3_100)
    source.receive(b, { t: 'ship-again', handoffId: 'h', attempt: 2 })
    await runtime.settle()
    expect(sent.filter(({ message }) => message.t === 'ship-begin').map(({ message }) => (message as { attempt: number }).attempt)).toEqual(
      [1, 2, 3],
    )
    source.endAll()
  })

  it('reports again and again, and at once to a new leader, until it is ended', async () => {
    const { runtime, source, sent, seals, setLeader } = newSource()
    source.begin(unit, 5, 'h', b)
    seals[0]?.done()
    await runtime.settle()
    source.receive(b, { t: 'ship-copied', handoffId: 'h' })
    await runtime.advanceAndSettle(1_000)
    const reports = () => sent.filter(({ message }) => message.t === 'released')
    expect(reports().length).toBeGreaterThan(2)
    setLeader({ nodeId: 'm', processId: 'pm', incarnation: 'sm' })
    source.leaderChanged()
    expect(reports().at(-1)?.to).toBe('m')
    source.end(unit)
    const before = reports().length
    await runtime.advanceAndSettle(1_000)
    expect(reports().length).toBe(before)
    expect(runtime.pendingTimers).toBe(0)
  })

  it('seals no more at a time than it may, and the next as soon as one is released', async () => {
    const { runtime, source, seals } = newSource(2)
    for (const shard of [1, 2, 3]) source.begin({ ...unit, shard }, 5, `h${shard}`, b)
    await runtime.settle()
    expect(seals.map((seal) => seal.unit.shard)).toEqual([1, 2])
    seals[0]?.done()
    await runtime.settle()
    source.receive(b, { t: 'ship-copied', handoffId: 'h1' })
    await runtime.settle()
    expect(seals.map((seal) => seal.unit.shard)).toEqual([1, 2, 3])
    source.endAll()
  })

  it('sends nothing after a document ended it while it was sealing', async () => {
    const { runtime, source, seals, types } = newSource()
    source.begin(unit, 5, 'h', b)
    source.end(unit)
    seals[0]?.done()
    await runtime.advanceAndSettle(5_000)
    expect(types()).toEqual([])
  })
})

describe('the driver of handoffs', () => {
  function moving(): PlacementDocument {
    return applyChanges(initialPlacement('k', 4, 1), [
      { type: 'assign', unit: 3, owner: a },
      { type: 'begin-move', unit: 3, handoffId: 'h', target: b },
    ])
  }
  const none = new Set<number>()
  const newDriver = () => new HandoffDriver({ timeoutMs: 1_000, restMs: 500 })

  it('completes a move that its owner reported, while the target lives under the session that was named', () => {
    const driver = newDriver()
    const document = moving()
    expect(driver.changes(document, [a, b], none, 0)).toEqual([])
    expect(driver.released(document, unit, 'h', document.shards[3]?.epoch ?? 0, a, 0)).toBe(true)
    expect(driver.changes(document, [a, { ...b, incarnation: 'later' }], none, 0)).toEqual([])
    expect(driver.changes(document, [a, b], none, 0)).toEqual([{ type: 'complete-move', unit: 3, handoffId: 'h' }])
  })

  it('believes nobody but the present owner, in the present epoch, of the present handoff', () => {
    const driver = newDriver()
    const document = moving()
    const epoch = document.shards[3]?.epoch ?? 0
    expect(driver.released(document, unit, 'h', epoch, b, 0)).toBe(false)
    expect(driver.released(document, unit, 'h', epoch + 1, a, 0)).toBe(false)
    expect(driver.released(document, unit, 'g', epoch, a, 0)).toBe(false)
    expect(driver.changes(document, [a, b], none, 0)).toEqual([])
  })

  it('aborts what takes too long, and lets the unit rest before it is tried again', () => {
    const driver = newDriver()
    const document = moving()
    expect(driver.settle([document], 0)).toBe(1_000)
    expect(driver.changes(document, [a, b], none, 1_000)).toEqual([{ type: 'abort-move', unit: 3, handoffId: 'h' }])
    const after = applyChanges(document, [{ type: 'abort-move', unit: 3, handoffId: 'h' }])
    const wanted = { unit: 3, from: a, target: b, reason: 'rebalance' as const }
    expect(driver.settle([after], 1_000)).toBe(1_500)
    expect(driver.mayBegin(after, [wanted], 1_400)).toEqual([])
    expect(driver.mayBegin(after, [wanted], 1_500)).toEqual([wanted])
  })
})
