import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodePlacement, parsePlacement } from '../../src/cluster/placement-codec.ts'
import {
  carriesOn,
  entryOf,
  initialPlacement,
  MAX_PINS,
  type Owner,
  type PlacementDocument,
  type PlacementEntry,
  requireSamePlacement,
  sameProcess,
  type UnitKey,
} from '../../src/cluster/placement-document.ts'
import { applyChanges, type PlacementChange, PlacementChangeError } from '../../src/cluster/placement-transitions.ts'
import { IncompatibleClusterError } from '../../src/errors.ts'
import { shardOf } from '../../src/hashing/key-hash.ts'
import { anyChange } from './placement-arbitraries.ts'

const SHARDS = 4
const owner = (process: string, session = '1'): Owner => ({
  nodeId: `n-${process}`,
  processId: process,
  incarnation: `${process}-${session}`,
})
const [A, B, C] = [owner('A'), owner('B'), owner('C')]
const assign = (unit: UnitKey, to: Owner | null): PlacementChange => ({ type: 'assign', unit, owner: to })
const begin = (unit: UnitKey, target: Owner): PlacementChange => ({ type: 'begin-move', unit, handoffId: 'h', target })
const complete = (unit: UnitKey): PlacementChange => ({ type: 'complete-move', unit, handoffId: 'h' })
const abort = (unit: UnitKey): PlacementChange => ({ type: 'abort-move', unit, handoffId: 'h' })
const reinstate = (unit: UnitKey, to: Owner): PlacementChange => ({ type: 'reinstate', unit, owner: to })

const after = (...changes: PlacementChange[]): PlacementDocument => applyChanges(initialPlacement('counter', SHARDS), changes)
const shard0 = (...changes: PlacementChange[]): PlacementEntry => after(...changes).shards[0] as PlacementEntry
const refused = (document: PlacementDocument, change: PlacementChange): string => {
  try {
    applyChanges(document, [change])
  } catch (error) {
    expect(error).toBeInstanceOf(PlacementChangeError)
    return (error as Error).message
  }
  throw new Error(`${change.type} was allowed`)
}

/** An id whose shard is 0. */
const ID = Array.from({ length: 100 }, (_, i) => `id-${i}`).find((id) => shardOf(id, SHARDS) === 0) as string
const pin = (target: Owner): PlacementChange => ({ type: 'pin', id: ID, handoffId: 'h', target })
const unpin: PlacementChange = { type: 'unpin', id: ID }

describe('the initial document', () => {
  it('has shards without owner under epoch 0', () => {
    const document = initialPlacement('counter', 3)
    expect(document.shards).toEqual(new Array(3).fill({ owner: null, epoch: 0, after: 0 }))
    expect(document).toMatchObject({ kind: 'counter', shardCount: 3, hashVersion: 1, revision: 0, epoch: 0 })
  })

  it('is refused by a node that would place otherwise, saying what to set', () => {
    const document = initialPlacement('counter', 64)
    expect(() => requireSamePlacement(document, 64)).not.toThrow()
    expect(() => requireSamePlacement(document, 256)).toThrow(IncompatibleClusterError)
    expect(() => requireSamePlacement(document, 256)).toThrow(/64 shards.*shardCount of this node is 256; set it to 64/)
    expect(() => requireSamePlacement({ ...document, hashVersion: 2 }, 64)).toThrow(/hash version 2/)
  })
})

describe('a change', () => {
  it('assign gives the next epoch of the document, after the one that the unit had', () => {
    const document = after(assign(0, A), assign(1, A), assign(0, B))
    expect(document.shards[0]).toEqual({ owner: B, epoch: 3, after: 1 })
    expect(document.shards[1]).toEqual({ owner: A, epoch: 2, after: 0 })
    expect(document.epoch).toBe(3)
  })

  it('assign to nobody keeps the epoch, so that its old process can come back to its state', () => {
    expect(shard0(assign(0, A), assign(0, null))).toEqual({ owner: null, epoch: 1, after: 0 })
    expect(shard0(assign(0, A), assign(0, null), assign(0, A))).toEqual({ owner: A, epoch: 2, after: 1 })
  })

  it('begin-move changes no epoch: senders go on as before', () => {
    expect(shard0(assign(0, A), begin(0, B))).toEqual({ owner: A, epoch: 1, after: 0, move: { handoffId: 'h', target: B } })
  })

  it('complete-move makes the target owner, after the epoch in which the source sealed', () => {
    expect(shard0(assign(0, A), begin(0, B), complete(0))).toEqual({ owner: B, epoch: 2, after: 1 })
  })

  it('abort-move keeps the owner under a higher epoch, in which it may open again', () => {
    const entry = shard0(assign(0, A), begin(0, B), abort(0))
    expect(entry).toEqual({ owner: A, epoch: 2, after: 0 })
    expect(carriesOn(entry, 1)).toBe(true)
  })

  it('reinstate keeps the process under a higher epoch, and ends a move', () => {
    const again = owner('A', '2')
    const entry = shard0(assign(0, A), begin(0, B), reinstate(0, again))
    expect(entry).toEqual({ owner: again, epoch: 2, after: 0 })
    expect(carriesOn(entry, 1)).toBe(true)
  })

  it('pin splits an actor off under an epoch of its own, on the owner of its shard', () => {
    const document = after(assign(0, A), pin(B))
    expect(document.pins.get(ID)).toEqual({ owner: A, epoch: 2, after: 0, move: { handoffId: 'h', target: B } })
    expect(document.shards[0]?.epoch).toBe(1)
    expect(applyChanges(document, [complete(ID)]).pins.get(ID)).toEqual({ owner: B, epoch: 3, after: 2 })
  })

  it('unpin raises the epoch of the shard above that of the pin', () => {
    const document = applyChanges(after(assign(0, A), pin(B), complete(ID)), [unpin])
    expect(document.pins.size).toBe(0)
    expect(document.shards[0]).toEqual({ owner: A, epoch: 4, after: 0 })
  })

  it('unpin leaves a shard alone whose epoch is above the pin already', () => {
    const document = applyChanges(after(assign(0, A), pin(B), complete(ID), assign(0, C)), [unpin])
    expect(document.shards[0]).toEqual({ owner: C, epoch: 4, after: 1 })
  })

  it('leaves the document as it was, and shares with the next what it did not touch', () => {
    const document = after(assign(0, A), assign(1, B))
    const next = applyChanges(document, [assign(0, C)])
    expect(document.shards[0]?.owner).toEqual(A)
    expect(next.shards[1]).toBe(document.shards[1])
    expect(applyChanges(document, [])).toBe(document)
  })

  it('is refused with its unit and the reason', () => {
    expect(refused(after(), assign(4, A))).toBe("assign of shard 4 of kind 'counter': there are 4 shards")
    expect(refused(after(assign(0, A)), assign(0, A))).toContain('owns it already')
    expect(refused(after(), begin(0, A))).toContain('it has no owner')
    expect(refused(after(assign(0, A)), begin(0, A))).toContain('owns it already')
    expect(refused(after(assign(0, A), begin(0, B)), begin(0, C))).toContain('handoff h is under way')
    expect(refused(after(assign(0, A)), complete(0))).toContain('it is not moving')
    expect(refused(after(assign(0, A), begin(0, B)), { ...(complete(0) as object), handoffId: 'x' } as PlacementChange)).toContain(
      'handoff h is under way, not x',
    )
    expect(refused(after(assign(0, A), begin(0, B)), { ...(abort(0) as object), handoffId: 'x' } as PlacementChange)).toContain('not x')
    expect(refused(after(assign(0, A)), reinstate(0, B))).toContain('not the process that owns it')
    expect(refused(after(), reinstate(0, A))).toContain('not the process that owns it')
    expect(refused(after(), pin(A))).toContain('its shard has no owner')
    expect(refused(after(assign(0, A), begin(0, B)), pin(B))).toContain('its shard is moving')
    expect(refused(after(assign(0, A)), pin(A))).toContain('owns its shard')
    expect(refused(after(assign(0, A), pin(B)), pin(C))).toContain('pinned already')
    expect(refused(after(), unpin)).toBe(`unpin of pin '${ID}' of kind 'counter': it is not pinned`)
    expect(refused(after(assign(0, A), pin(B), assign(0, null)), unpin)).toContain('its shard has no owner')
    expect(refused(after(assign(0, A), pin(B), begin(0, B)), unpin)).toContain('its shard is moving')
  })

  it('is refused for more pins than the document may hold', () => {
    const shards = Array.from({ length: SHARDS }, (_, unit) => assign(unit, A))
    const pins = Array.from({ length: MAX_PINS }, (_, i): PlacementChange => ({ type: 'pin', id: `p${i}`, handoffId: 'h', target: B }))
    expect(refused(after(...shards, ...pins), { type: 'pin', id: 'one more', handoffId: 'h', target: B })).toContain(
      '1000 actors are pinned',
    )
  })
})

describe('the ids of pins', () => {
  it('may take as much as the document has room for, and no more', () => {
    // Each character takes one byte of UTF-8, and six as JSON.
    const escaped = (i: number): string => `${i}`.padEnd(250, '\u0001')
    const shards = Array.from({ length: SHARDS }, (_, unit) => assign(unit, A))
    const pinned = (i: number): PlacementChange => ({ type: 'pin', id: escaped(i), handoffId: 'h', target: B })
    const full = after(...shards, ...Array.from({ length: 172 }, (_, i) => pinned(i)))
    expect(full.pins.size).toBe(172)
    expect(refused(full, pinned(172))).toContain('the ids of all pins would take over 256000 bytes')
    expect(applyChanges(full, [{ type: 'unpin', id: escaped(7) }, pinned(172)]).pins.size).toBe(172)
  })
})

describe('under any sequence of changes', () => {
  const sequences = fc.array(anyChange(SHARDS), { minLength: 1, maxLength: 60, size: 'max' })

  /** Applies what the document allows, and shows each step. */
  function replay(
    changes: readonly PlacementChange[],
    step: (before: PlacementDocument, after: PlacementDocument) => void,
  ): PlacementDocument {
    let document = initialPlacement('counter', SHARDS)
    for (const change of changes) {
      try {
        const next = applyChanges(document, [change])
        step(document, next)
        document = next
      } catch (error) {
        if (!(error instanceof PlacementChangeError)) throw error
      }
    }
    return document
  }

  const unitsOf = (document: PlacementDocument): UnitKey[] => [...document.shards.keys(), ...document.pins.keys()]
  /** The entry that counts for an actor. */
  const effective = (document: PlacementDocument, id: string): PlacementEntry =>
    document.pins.get(id) ?? (document.shards[shardOf(id, SHARDS)] as PlacementEntry)

  it('an epoch never falls, and a unit that changes hands has a new one', () => {
    fc.assert(
      fc.property(sequences, (changes) => {
        replay(changes, (before, after) => {
          expect(after.epoch).toBeGreaterThanOrEqual(before.epoch)
          for (const unit of unitsOf(after)) {
            const [was, is] = [entryOf(before, unit), entryOf(after, unit) as PlacementEntry]
            if (was === undefined) continue
            expect(is.epoch).toBeGreaterThanOrEqual(was.epoch)
            if (is.owner !== null && (was.owner === null || was.owner.incarnation !== is.owner.incarnation)) {
              expect(is.epoch).toBeGreaterThan(was.epoch)
            }
          }
        })
      }),
    )
  })

  it('an actor has a higher epoch whenever it has another owner, through pins and back', () => {
    fc.assert(
      fc.property(sequences, fc.constantFrom('a', 'b', 'c', 'd'), (changes, id) => {
        replay(changes, (before, after) => {
          const [was, is] = [effective(before, id), effective(after, id)]
          expect(is.epoch).toBeGreaterThanOrEqual(was.epoch)
          if (is.owner !== null && is.owner.incarnation !== was.owner?.incarnation) expect(is.epoch).toBeGreaterThan(was.epoch)
        })
      }),
    )
  })

  it('no epoch is given out twice', () => {
    fc.assert(
      fc.property(sequences, (changes) => {
        const given = new Map<number, string>()
        replay(changes, (_, document) => {
          for (const unit of unitsOf(document)) {
            const { epoch } = entryOf(document, unit) as PlacementEntry
            expect(epoch).toBeLessThanOrEqual(document.epoch)
            if (epoch === 0) continue
            const name = `${typeof unit} ${unit}`
            expect(given.get(epoch) ?? name).toBe(name)
            given.set(epoch, name)
          }
        })
      }),
    )
  })

  it('`after` is the epoch replaced where the process is another, and stays where it is the same', () => {
    fc.assert(
      fc.property(sequences, (changes) => {
        replay(changes, (before, document) => {
          for (const unit of unitsOf(document)) {
            const is = entryOf(document, unit) as PlacementEntry
            const was = entryOf(before, unit) ?? before.shards[shardOf(String(unit), SHARDS)]
            if (was === undefined || was.epoch === is.epoch) continue
            const isCarried = was.owner !== null && is.owner !== null && sameProcess(was.owner, is.owner)
            expect(is.after).toBe(isCarried ? was.after : was.epoch)
          }
        })
      }),
    )
  })

  it('the stored form gives back the same document', () => {
    fc.assert(
      fc.property(sequences, (changes) => {
        const document = { ...replay(changes, () => undefined), revision: changes.length }
        expect(parsePlacement('placement/counter', encodePlacement(document))).toEqual(document)
      }),
    )
  })
})

describe('an owner that carries on by `carriesOn`', () => {
  // What a process may hold of one shard: the state of its own tenure, and copies that a source sealed for it. The document is seen late, and not every
  // version of it. Each turn adds to the lineage; who carries on a state must carry on the newest.
  interface Held {
    readonly epoch: number
    readonly lineage: readonly number[]
  }
  const PROCESSES = ['A', 'B', 'C']
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('look' as const), process: fc.nat(2) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('turn' as const), process: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('ship' as const), process: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('session' as const), process: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('fail over' as const), process: fc.nat(2) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('move' as const), process: fc.nat(2) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('complete' as const), process: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), process: fc.nat(2) }) },
  )

  class World {
    document = applyChanges(initialPlacement('counter', 1), [assign(0, owner('A'))])
    readonly seen = new Map<string, PlacementDocument>()
    readonly held = new Map<string, Held[]>()
    readonly sessions = new Map(PROCESSES.map((process) => [process, 1]))
    readonly sealed = new Set<string>()
    /** Every turn that ran, by its number, in the epoch that it ran in. */
    readonly turns: { epoch: number; number: number }[] = []
    kept = 0

    entry(): PlacementEntry {
      return this.document.shards[0] as PlacementEntry
    }

    session(process: string): Owner {
      return owner(process, String(this.sessions.get(process)))
    }

    change(change: PlacementChange): void {
      try {
        this.document = applyChanges(this.document, [change])
      } catch (error) {
        if (!(error instanceof PlacementChangeError)) throw error
      }
    }

    /** The process sees the present document: it opens what it owns under a new epoch. */
    look(process: string): void {
      const entry = this.entry()
      this.seen.set(process, this.document)
      if (entry.owner?.incarnation !== this.session(process).incarnation) return
      const states = this.held.get(process) ?? []
      if (states.some(({ epoch }) => epoch === entry.epoch)) return
      const carried = states.filter(({ epoch }) => carriesOn(entry, epoch)).sort((a, b) => b.epoch - a.epoch)[0]
      const lineage = carried?.lineage ?? []
      if (carried !== undefined) {
        this.kept++
        // The newest there is: whatever ran in the epoch carried on, or since, is in it.
        const newest = this.turns.filter((turn) => turn.epoch >= carried.epoch).map((turn) => turn.number)
        expect(lineage).toEqual(expect.arrayContaining(newest))
      }
      this.sealed.delete(process)
      this.held.set(process, [{ epoch: entry.epoch, lineage }])
    }

    /** A turn runs only on an owner under a live session that has opened the present epoch: elsewhere the lease forbids it. */
    turn(process: string, number: number): void {
      const entry = this.entry()
      const view = this.seen.get(process)?.shards[0]
      if (view?.epoch !== entry.epoch || entry.owner?.incarnation !== this.session(process).incarnation || this.sealed.has(process)) return
      const states = this.held.get(process) ?? []
      const state = states.find(({ epoch }) => epoch === entry.epoch)
      if (state === undefined) return
      this.turns.push({ epoch: entry.epoch, number })
      this.held.set(process, [...states.filter((other) => other !== state), { ...state, lineage: [...state.lineage, number] }])
    }

    ship(process: string): void {
      const view = this.seen.get(process)?.shards[0]
      const state = this.held.get(process)?.find(({ epoch }) => epoch === view?.epoch)
      if (view?.move === undefined || state === undefined || view.owner?.incarnation !== this.session(process).incarnation) return
      this.sealed.add(process)
      const target = view.move.target.processId
      // Shipping again replaces.
      this.held.set(target, [...(this.held.get(target) ?? []).filter(({ epoch }) => epoch !== state.epoch), state])
    }

    lose(process: string): void {
      this.sessions.set(process, (this.sessions.get(process) ?? 0) + 1)
      if (this.entry().owner?.processId === process) this.change(reinstate(0, this.session(process)))
    }

    complete(): void {
      const { move, epoch } = this.entry()
      // The leader was told that the whole copy is there.
      if (move !== undefined && this.held.get(move.target.processId)?.some((state) => state.epoch === epoch)) this.change(complete(0))
    }
  }

  const play = (steps: readonly { do: string; process: number }[]): World => {
    const world = new World()
    steps.forEach(({ do: what, process: index }, number) => {
      const process = PROCESSES[index] as string
      if (what === 'look') world.look(process)
      if (what === 'turn') world.turn(process, number)
      if (what === 'ship') world.ship(process)
      if (what === 'session') world.lose(process)
      if (what === 'fail over') world.change(assign(0, world.session(process)))
      if (what === 'move') world.change(begin(0, world.session(process)))
      if (what === 'complete') world.complete()
      if (what === 'abort') world.change(abort(0))
    })
    return world
  }

  it('never carries on anything but the newest state, whichever documents it missed', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 120, size: 'max' }), (steps) => void play(steps)),
      { numRuns: 500 },
    )
  })

  it('keeps its state when it missed a document of its own: two sessions lost in a row', () => {
    const [look, turn, session] = (['look', 'turn', 'session'] as const).map((what) => ({ do: what, process: 0 }))
    const world = play([look, turn, session, session, look] as { do: string; process: number }[])
    expect(world.held.get('A')).toEqual([{ epoch: 3, lineage: [1] }])
    expect(world.kept).toBe(1)
  })

  it('opens a copy whose document it missed, because its session was lost meanwhile', () => {
    const at = (what: string, process: number): { do: string; process: number } => ({ do: what, process })
    const world = play([
      at('look', 0),
      at('turn', 0),
      at('move', 1),
      at('look', 0),
      at('ship', 0),
      at('complete', 1),
      at('session', 1),
      at('look', 1),
    ])
    expect(world.held.get('B')).toEqual([{ epoch: 3, lineage: [1] }])
  })
})
