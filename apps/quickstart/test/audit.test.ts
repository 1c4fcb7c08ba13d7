// The judge of the demo and of the process tests must find what it is there to find.

import type { Guarantee } from '@cajun/core'
import { describe, expect, it } from 'vitest'
import { audit, type Fate, forkedLives, measureFailoverMs, ownersAtOnce, type SentMessage } from '../src/audit.ts'
import type { LedgerEntry } from '../src/ledger.ts'

const GUARANTEES: readonly Guarantee[] = ['at-most-once', 'at-least-once', 'exactly-once']

const sent = (...fates: Fate[]): SentMessage[] => fates.map((fate, seq) => ({ seq, actor: 'a', sentAtMs: seq, fate }))

/** `life:seq` of each turn, in the order in which they ran. */
function handled(guarantee: Guarantee, ...turns: string[]): LedgerEntry[] {
  const counts = new Map<string, number>()
  return turns.map((turn, at) => {
    const [life = '', seq = ''] = turn.split(':')
    const nth = (counts.get(life) ?? 0) + 1
    counts.set(life, nth)
    return { actor: 'a', guarantee, epoch: 1, process: 'p', life, nth, seq: Number(seq), handledAtMs: 100 + at }
  })
}

const verdict = (guarantee: Guarantee, fates: readonly Fate[], ...turns: string[]): readonly string[] =>
  audit(guarantee, sent(...fates), handled(guarantee, ...turns)).broken

describe('the audit', () => {
  it.each(GUARANTEES)('finds nothing wrong where everything was handled once and in order: %s', (guarantee) => {
    expect(verdict(guarantee, ['acknowledged', 'acknowledged'], 'x:0', 'x:1')).toEqual([])
  })

  it('finds an acknowledged message that nobody handled, except under at-most-once', () => {
    for (const guarantee of ['at-least-once', 'exactly-once'] as const) {
      expect(verdict(guarantee, ['acknowledged', 'acknowledged'], 'x:0')).toEqual(['an acknowledged message was never handled'])
    }
    expect(verdict('at-most-once', ['untracked', 'untracked'], 'x:0')).toEqual([])
  })

  it('finds what one life handled twice, which at-least-once alone may do', () => {
    expect(verdict('exactly-once', ['acknowledged'], 'x:0', 'x:0')).toEqual(['a message was handled twice by one life'])
    expect(verdict('at-least-once', ['acknowledged'], 'x:0', 'x:0')).toEqual([])
    expect(verdict('at-most-once', ['untracked'], 'x:0', 'x:0')).toEqual(['a message was handled twice'])
  })

  it('allows a second life to handle again what the first did not live to acknowledge, but not under at-most-once', () => {
    expect(verdict('exactly-once', ['acknowledged'], 'x:0', 'y:0')).toEqual([])
    expect(audit('exactly-once', sent('acknowledged'), handled('exactly-once', 'x:0', 'y:0')).againAfterCrash).toBe(1)
    expect(verdict('at-most-once', ['untracked'], 'x:0', 'y:0')).toEqual(['a message was handled twice'])
  })

  it('finds an order that was not kept within a life, wherever that life was lived', () => {
    for (const guarantee of GUARANTEES) {
      expect(verdict(guarantee, ['acknowledged', 'acknowledged'], 'x:1', 'x:0')).toEqual(['order was not kept'])
    }
    // The ledgers of two processes come one after the other; what counts is the number of the turn.
    const moved = handled('exactly-once', 'x:0', 'x:1', 'x:2')
    expect(audit('exactly-once', sent('acknowledged', 'acknowledged', 'acknowledged'), moved.toReversed()).broken).toEqual([])
  })

  it('finds a false "not executed", and what ended neither way', () => {
    expect(verdict('exactly-once', ['not-executed'], 'x:0')).toEqual(['a message reported as not executed was handled'])
    expect(verdict('exactly-once', ['pending'], 'x:0')).toEqual(['a message ended neither way'])
    expect(verdict('exactly-once', ['unknown'], 'x:0')).toEqual([])
    expect(verdict('exactly-once', ['not-executed', 'unknown'])).toEqual([])
  })

  it('keeps the guarantees apart', () => {
    const entries = [...handled('at-least-once', 'x:0', 'x:0'), ...handled('exactly-once', 'x:0')]
    expect(audit('exactly-once', sent('acknowledged'), entries)).toMatchObject({ handled: 1, duplicated: 0, broken: [] })
  })

  it('finds a life that two owners went on with', () => {
    const [first, second] = handled('exactly-once', 'x:0', 'x:1') as [LedgerEntry, LedgerEntry]
    expect(forkedLives([first, second])).toEqual([])
    expect(forkedLives([first, second, { ...second, seq: 2 }])).toEqual(['x'])
  })

  it('finds two owners at a time by their epochs', () => {
    /** `process:epoch@ms` of each turn, in the order of the ledgers. */
    const ran = (...turns: string[]): readonly string[] =>
      ownersAtOnce(
        turns.map((turn) => {
          const [, process = '', epoch, at] = /(\w+):(\d+)@(\d+)/.exec(turn) ?? []
          const line = { actor: 'a', guarantee: 'exactly-once', life: 'x', nth: 1, seq: 0 } as const
          return { ...line, process, epoch: Number(epoch), handledAtMs: Number(at) }
        }),
      )
    expect(ran('p:1@10', 'p:1@11', 'p:4@30', 'q:2@20')).toEqual([])
    expect(ran('p:1@10', 'q:1@20')).toEqual(['a ran under epoch 1 on p and q'])
    expect(ran('p:2@10', 'p:1@10')).toEqual(['a ran under epoch 1 after 2 on p'])
    expect(ran('p:1@10', 'p:1@21', 'q:2@20')).toEqual(['a ran under epoch 1 on p 1 ms after 2 had begun'])
    expect(ran('p:0@10')).toEqual(['a ran on p, which did not own it'])
  })

  it('measures a failover to the last message that waited for it', () => {
    const messages: SentMessage[] = [10, 1_100, 1_200, 9_000].map((sentAtMs, seq) => ({ seq, actor: 'a', sentAtMs, fate: 'acknowledged' }))
    const at = (seq: number, handledAtMs: number): LedgerEntry => ({
      actor: 'a',
      guarantee: 'exactly-once',
      epoch: 2,
      process: 'q',
      life: 'y',
      nth: seq,
      seq,
      handledAtMs,
    })
    expect(measureFailoverMs(1_000, new Set(['a']), messages, [at(1, 4_000), at(2, 4_500), at(3, 9_001)])).toBe(3_500)
    expect(measureFailoverMs(1_000, new Set(['b']), messages, [at(1, 4_000)])).toBeUndefined()
  })
})
