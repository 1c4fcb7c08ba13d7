import { describe, expect, it } from 'vitest'
import { decide, type Held } from '../../src/cluster/ownership.ts'
import type { Owner, PlacementEntry } from '../../src/cluster/placement-document.ts'

const me: Owner = { nodeId: 'a', processId: 'pa', incarnation: 's1' }
const meAgain: Owner = { ...me, incarnation: 's2' }
const other: Owner = { nodeId: 'b', processId: 'pb', incarnation: 's9' }
const move = { handoffId: 'h', target: other }

function entry(owner: Owner | null, epoch: number, after = epoch - 1, more: Partial<PlacementEntry> = {}): PlacementEntry {
  return { owner, epoch, after, ...more }
}

function held(state: Held['state'], epoch: number): Held {
  return { state, epoch }
}

describe('what a process does about a unit', () => {
  it('opens what it is named for, afresh', () => {
    expect(decide(entry(me, 5), me, me, undefined, undefined)).toEqual({ do: 'open', epoch: 5, withCopy: false })
  })

  it('opens with the copy only if it was sealed in the epoch that the entry replaced', () => {
    expect(decide(entry(me, 5, 4), me, me, undefined, 4)).toEqual({ do: 'open', epoch: 5, withCopy: true })
    expect(decide(entry(me, 5, 4), me, me, undefined, 3)).toEqual({ do: 'open', epoch: 5, withCopy: false })
  })

  it('opens nothing under another session than the one that is named', () => {
    expect(decide(entry(me, 5), me, meAgain, undefined, undefined)).toEqual({ do: 'nothing' })
    expect(decide(entry(me, 5), me, undefined, undefined, undefined)).toEqual({ do: 'nothing' })
  })

  it('goes on after a lost session when nobody owned the unit in between', () => {
    expect(decide(entry(meAgain, 6, 5), me, meAgain, held('suspended', 5), undefined)).toEqual({ do: 'resume', epoch: 6 })
  })

  it('goes on when it was reinstated several times and sees only the last', () => {
    expect(decide(entry(meAgain, 9, 4), me, meAgain, held('suspended', 5), undefined)).toEqual({ do: 'resume', epoch: 9 })
  })

  it('discards what somebody else owned in between, and opens it afresh in the next round', () => {
    expect(decide(entry(meAgain, 8, 7), me, meAgain, held('suspended', 5), undefined)).toEqual({ do: 'discard' })
  })

  it('suspends, and does not discard, while the document names its former session, or nobody', () => {
    expect(decide(entry(me, 5), me, meAgain, held('active', 5), undefined)).toEqual({ do: 'suspend' })
    expect(decide(entry(null, 5), me, me, held('active', 5), undefined)).toEqual({ do: 'suspend' })
    expect(decide(entry(null, 5), me, me, held('suspended', 5), undefined)).toEqual({ do: 'nothing' })
  })

  it('discards when another process is named under a higher epoch, from every state', () => {
    for (const state of ['active', 'suspended', 'sealing', 'sealed'] as const) {
      expect(decide(entry(other, 6), me, me, held(state, 5), undefined)).toEqual({ do: 'discard' })
    }
  })

  it('ignores an entry of a lower epoch than what it holds', () => {
    expect(decide(entry(other, 4), me, me, held('active', 5), undefined)).toEqual({ do: 'nothing' })
    expect(decide(entry(me, 4), me, me, held('active', 5), undefined)).toEqual({ do: 'nothing' })
  })

  it('seals when the entry says that the unit moves, once', () => {
    expect(decide(entry(me, 5, 4, { move }), me, me, held('active', 5), undefined)).toEqual({ do: 'seal' })
    expect(decide(entry(me, 5, 4, { move }), me, me, held('sealing', 5), undefined)).toEqual({ do: 'nothing' })
  })

  it('once sealed, does not open again by a document of the same epoch, even if the move is gone from it', () => {
    expect(decide(entry(me, 5), me, me, held('sealed', 5), undefined)).toEqual({ do: 'nothing' })
  })

  it('goes on after an aborted handoff, which is a higher epoch naming it', () => {
    expect(decide(entry(me, 6, 4), me, me, held('sealed', 5), undefined)).toEqual({ do: 'resume', epoch: 6 })
  })

  it('waits with that until the turns in hand have ended', () => {
    expect(decide(entry(me, 6, 4), me, me, held('sealing', 5), undefined)).toEqual({ do: 'nothing' })
  })

  it('prefers a newer copy to an older state that it still holds', () => {
    expect(decide(entry(me, 9, 7), me, me, held('suspended', 5), 7)).toEqual({ do: 'discard' })
  })

  it('drops what a dropped pin held', () => {
    expect(decide(undefined, me, me, held('active', 5), undefined)).toEqual({ do: 'discard' })
  })
})
