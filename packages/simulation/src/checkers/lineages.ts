// Which lives of an actor belong together for whoever watches it, or is watched by it: a restart, and a turn that ran out of time, take the state and
// leave the actor. Everything else that takes a state ends the actor.

import type { History, LifeRecord } from '../history.ts'

const RESTARTS: readonly string[] = ['restarted', 'its turn ran out of time']

export interface Lineage {
  readonly actor: string
  /** Its place among those of its actor, from 0. */
  readonly place: number
  readonly bornMs: number
  /** Whether it is certain that nothing is left in it of the one before. A process that died right after a restart was noted may have died before it. */
  readonly isNew: boolean
  /** When its last turn began. */
  lastTurnMs: number
  end: LifeRecord['end']
}

export class Lineages {
  readonly #byLife = new Map<number, Lineage>()
  readonly #byActor = new Map<string, Lineage[]>()

  constructor(history: History) {
    const lastTurns = new Map<number, { readonly atMs: number; readonly process: string }>()
    for (const { life, atMs, process } of history.turns) lastTurns.set(life, { atMs, process })
    const before = new Map<string, LifeRecord>()
    for (const life of history.lives.values()) {
      const former = before.get(life.actor)
      before.set(life.actor, life)
      const present = this.of(life.actor)
      const last = present.at(-1)
      const isRestart = former?.end !== undefined && RESTARTS.includes(former.end.reason)
      const formerProcess = former === undefined ? undefined : (lastTurns.get(former.life)?.process ?? former.process)
      let lineage = last
      if (last === undefined || !isRestart || formerProcess !== life.process || life.excuse !== undefined) {
        lineage = { actor: life.actor, place: present.length, bornMs: life.atMs, isNew: !isRestart, lastTurnMs: life.atMs, end: undefined }
        this.#byActor.set(life.actor, [...present, lineage])
      }
      const { atMs } = lastTurns.get(life.life) ?? life
      const own = lineage as Lineage
      own.lastTurnMs = Math.max(own.lastTurnMs, atMs)
      // A passivation that was taken back had been noted, too.
      own.end = life.end !== undefined && !RESTARTS.includes(life.end.reason) && atMs <= life.end.atMs ? life.end : undefined
      this.#byLife.set(life.life, own)
    }
  }

  ofLife(life: number): Lineage | undefined {
    return this.#byLife.get(life)
  }

  of(actor: string): readonly Lineage[] {
    return this.#byActor.get(actor) ?? []
  }

  /** When it is certain that it is over. */
  endOf(lineage: Lineage): number | undefined {
    const next = this.of(lineage.actor).find(({ place, isNew }) => place > lineage.place && isNew)
    return lineage.end?.atMs ?? next?.bornMs
  }
}
