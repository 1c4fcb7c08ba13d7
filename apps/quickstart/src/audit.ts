// Holds what was sent against what was handled, guarantee by guarantee, and says which promises were broken.

import type { Guarantee } from '@cajun/core'
import type { LedgerEntry } from './ledger.ts'

/** What the sender knows of one message in the end. */
export type Fate = 'pending' | 'acknowledged' | 'not-executed' | 'unknown' | 'untracked'

export interface SentMessage {
  readonly seq: number
  readonly actor: string
  readonly sentAtMs: number
  readonly fate: Fate
}

export interface GuaranteeAudit {
  readonly guarantee: Guarantee
  readonly sent: number
  readonly acknowledged: number
  /** Different messages that a turn ran for. */
  readonly handled: number
  /** At-most-once: sent and never handled. Reliable: acknowledged and never handled. */
  readonly lost: number
  /** Handled more than once by one life of an actor. */
  readonly duplicated: number
  /** Handled by a life that died with its process and, not having been acknowledged, again by the next one. */
  readonly againAfterCrash: number
  /** Handled by one life after a later message of the same sender. */
  readonly outOfOrder: number
  /** Reported as certainly not executed, and handled all the same. */
  readonly falselyDenied: number
  /** Neither acknowledged nor rejected. */
  readonly hanging: number
  readonly broken: readonly string[]
}

export function audit(guarantee: Guarantee, sent: readonly SentMessage[], entries: readonly LedgerEntry[]): GuaranteeAudit {
  const lives = new Map<number, string[]>()
  for (const entry of entries) {
    if (entry.guarantee !== guarantee) continue
    const seen = lives.get(entry.seq)
    if (seen === undefined) lives.set(entry.seq, [entry.life])
    else seen.push(entry.life)
  }

  let acknowledged = 0
  let lost = 0
  let duplicated = 0
  let againAfterCrash = 0
  let falselyDenied = 0
  let hanging = 0
  for (const message of sent) {
    const seen = lives.get(message.seq) ?? []
    if (message.fate === 'acknowledged') acknowledged++
    if (message.fate === 'pending') hanging++
    if (message.fate === 'not-executed' && seen.length > 0) falselyDenied++
    if (seen.length === 0 && (message.fate === 'acknowledged' || guarantee === 'at-most-once')) lost++
    const differentLives = new Set(seen).size
    if (seen.length > differentLives) duplicated++
    if (differentLives > 1) againAfterCrash++
  }
  const outOfOrder = countOutOfOrder(guarantee, entries)

  const broken: string[] = []
  if (guarantee === 'at-most-once') {
    if (duplicated + againAfterCrash > 0) broken.push('a message was handled twice')
  } else {
    if (lost > 0) broken.push('an acknowledged message was never handled')
    if (hanging > 0) broken.push('a message ended neither way')
  }
  if (guarantee === 'exactly-once' && duplicated > 0) broken.push('a message was handled twice by one life')
  if (outOfOrder > 0) broken.push('order was not kept')
  if (falselyDenied > 0) broken.push('a message reported as not executed was handled')
  return {
    guarantee,
    sent: sent.length,
    acknowledged,
    handled: lives.size,
    lost,
    duplicated,
    againAfterCrash,
    outOfOrder,
    falselyDenied,
    hanging,
    broken,
  }
}

/** Messages whose first handling in a life came after that of a later one. Repetitions, which at-least-once allows, don't count. */
function countOutOfOrder(guarantee: Guarantee, entries: readonly LedgerEntry[]): number {
  const highest = new Map<string, number>()
  const seen = new Set<string>()
  let count = 0
  for (const entry of inOrderOfLife(entries)) {
    if (entry.guarantee !== guarantee) continue
    const occurrence = `${entry.life} ${entry.seq}`
    if (seen.has(occurrence)) continue
    seen.add(occurrence)
    const before = highest.get(entry.life) ?? -1
    if (entry.seq < before) count++
    else highest.set(entry.life, entry.seq)
  }
  return count
}

/** A life may continue in another process; `nth` puts its turns in the order in which they ran. */
function inOrderOfLife(entries: readonly LedgerEntry[]): LedgerEntry[] {
  return [...entries].sort((a, b) => (a.life === b.life ? a.nth - b.nth : a.life < b.life ? -1 : 1))
}

/** Lives whose counters show that state was lost or copied although its owner did not crash: two turns with the same count. */
export function forkedLives(entries: readonly LedgerEntry[]): readonly string[] {
  const seen = new Set<string>()
  const forked = new Set<string>()
  for (const entry of entries) {
    const turn = `${entry.life} ${entry.nth}`
    if (seen.has(turn)) forked.add(entry.life)
    seen.add(turn)
  }
  return [...forked]
}

/**
 * What shows two owners of an actor at a time (I1): an epoch that two processes ran turns under, one that fell within a process, and a turn under an epoch after
 * another process ran one under a higher epoch. `entries` of one process are in the order in which it wrote them; across processes the clock decides.
 */
export function ownersAtOnce(entries: readonly LedgerEntry[]): readonly string[] {
  const broken: string[] = []
  const processes = new Map<string, string>()
  const lastHere = new Map<string, number>()
  for (const { actor, epoch, process } of entries) {
    if (!(epoch > 0)) broken.push(`${actor} ran on ${process}, which did not own it`)
    const owner = processes.get(`${actor} ${epoch}`)
    if (owner === undefined) processes.set(`${actor} ${epoch}`, process)
    else if (owner !== process) broken.push(`${actor} ran under epoch ${epoch} on ${owner} and ${process}`)
    const before = lastHere.get(`${actor} ${process}`) ?? 0
    if (epoch < before) broken.push(`${actor} ran under epoch ${epoch} after ${before} on ${process}`)
    lastHere.set(`${actor} ${process}`, epoch)
  }
  /** The highest epoch of each actor so far, and since when. */
  const highest = new Map<string, { epoch: number; sinceMs: number }>()
  for (const { actor, epoch, process, handledAtMs } of entries.toSorted((a, b) => a.handledAtMs - b.handledAtMs)) {
    const top = highest.get(actor)
    if (top === undefined || epoch > top.epoch) highest.set(actor, { epoch, sinceMs: handledAtMs })
    else if (epoch < top.epoch && handledAtMs > top.sinceMs) {
      broken.push(`${actor} ran under epoch ${epoch} on ${process} ${handledAtMs - top.sinceMs} ms after ${top.epoch} had begun`)
    }
  }
  return broken
}

/** How long after `killedAtMs` the last message that waited for a new owner was handled by one. Counts what was sent to actors of the killed process just before and just after. */
export function measureFailoverMs(
  killedAtMs: number,
  actorsOfKilled: ReadonlySet<string>,
  sent: readonly SentMessage[],
  survivors: readonly LedgerEntry[],
): number | undefined {
  const waiting = new Set<number>()
  for (const message of sent) {
    const near = message.sentAtMs > killedAtMs && message.sentAtMs <= killedAtMs + 500
    if (near && actorsOfKilled.has(message.actor)) waiting.add(message.seq)
  }
  let last: number | undefined
  for (const entry of survivors) {
    if (entry.guarantee !== 'exactly-once' || !waiting.has(entry.seq)) continue
    last = Math.max(last ?? 0, entry.handledAtMs - killedAtMs)
  }
  return last
}
