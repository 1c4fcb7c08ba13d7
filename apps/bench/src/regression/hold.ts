// Whether a ratio of ours to the floor's still holds. Noise can only make a run slower, so the best of several runs is compared, of both sides alike, and
// measuring stops as soon as it is enough; only what stays below the bound in round after round fails.

import type { Subject } from '../measure.ts'

/** Below this share of the recorded ratio, the check fails. */
export const SHARE = 0.8

export interface Sides {
  readonly ours: Subject
  readonly floor: Subject
}

export interface Held {
  readonly holds: boolean
  /** The highest of ours to the floor's, of the attempts that were made. */
  readonly ratio: number
  readonly rounds: number
}

export interface Patience {
  /** Of each attempt; the first round of all warms up and is not counted. */
  readonly rounds: number
  /** An attempt begins with nothing of those before, so one lucky run of the floor doesn't decide everything. */
  readonly attempts: number
}

/** In interleaved rounds, until the ratio is at least `bound`. A side that gives no positive figure is an error. */
export async function holds({ ours, floor }: Sides, bound: number, { rounds, attempts }: Patience): Promise<Held> {
  await figureOf(ours)
  await figureOf(floor)
  let highest = 0
  for (let attempt = 0; attempt < attempts; attempt++) {
    let [best, bestOfFloor] = [0, 0]
    for (let round = 1; round <= rounds; round++) {
      best = Math.max(best, await figureOf(ours))
      bestOfFloor = Math.max(bestOfFloor, await figureOf(floor))
      // Two at least: one alone may have met a slow floor.
      if (round > 1 && best / bestOfFloor >= bound) {
        return { holds: true, ratio: best / bestOfFloor, rounds: attempt * rounds + round }
      }
    }
    highest = Math.max(highest, best / bestOfFloor)
  }
  return { holds: false, ratio: highest, rounds: rounds * attempts }
}

/** The ratio to record: the least of several attempts at its best, so that what is recorded can be reached again. */
export async function ratioToRecord(sides: Sides, { rounds, attempts }: Patience): Promise<number> {
  const ratios: number[] = []
  for (let attempt = 0; attempt < attempts; attempt++) {
    const { ratio } = await holds(sides, Number.POSITIVE_INFINITY, { rounds, attempts: 1 })
    ratios.push(ratio)
  }
  return Math.min(...ratios)
}

async function figureOf(subject: Subject): Promise<number> {
  globalThis.gc?.()
  const figure = await subject()
  if (typeof figure === 'number' && Number.isFinite(figure) && figure > 0) return figure
  throw new Error(`a run gave ${JSON.stringify(figure)} instead of messages per second`)
}
