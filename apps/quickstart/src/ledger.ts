// The ledger of a process: one line for each message handled, written to a file before the turn ends, so that it survives
// a SIGKILL of the process and tells afterwards what really ran. The audit reads the ledgers of all processes.

import { closeSync, openSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Guarantee } from '@cajun/core'

export interface LedgerLine {
  readonly guarantee: Guarantee
  readonly seq: number
  readonly actor: string
  /** The epoch under which the turn ran, and the process that ran it: no two processes may share one of an actor. */
  readonly epoch: number
  readonly process: string
  /** Which life of the actor handled it: state that was lost begins another one. */
  readonly life: string
  /** How many this life had handled, this one included: shows that state moved whole, and once. */
  readonly nth: number
}

export interface LedgerEntry extends LedgerLine {
  readonly handledAtMs: number
}

export class Ledger {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  note(line: LedgerLine): void {
    const { guarantee, seq, actor, epoch, process, life, nth } = line
    writeSync(this.#file, `${guarantee} ${seq} ${actor} ${epoch} ${process} ${life} ${nth} ${Date.now()}\n`)
  }

  close(): void {
    closeSync(this.#file)
  }
}

let processLedger: Ledger | undefined

/** Opens the ledger that this process's accounts write to. */
export function openLedger(path: string): Ledger {
  processLedger = new Ledger(path)
  return processLedger
}

export function ledger(): Ledger {
  if (processLedger === undefined) throw new Error('openLedger() comes before the first message')
  return processLedger
}

export async function readLedger(path: string): Promise<LedgerEntry[]> {
  const text = await readFile(path, 'utf8')
  const entries: LedgerEntry[] = []
  for (const line of text.split('\n')) {
    const [guarantee, seq, actor, epoch, process, life, nth, at] = line.split(' ')
    // A line without its end was cut by a kill in the middle of the write: its turn never ended.
    if (at === undefined || actor === undefined || process === undefined || life === undefined) continue
    entries.push({
      guarantee: guarantee as Guarantee,
      seq: Number(seq),
      actor,
      epoch: Number(epoch),
      process,
      life,
      nth: Number(nth),
      handledAtMs: Number(at),
    })
  }
  return entries
}
