// The check of ratios, on figures that are made up.

import { describe, expect, test } from 'vitest'
import { holds, ratioToRecord } from '../src/regression/hold.ts'

const patience = { rounds: 4, attempts: 2 }
/** One after another; the last for ever. */
function giving(...figures: number[]) {
  let runs = 0
  const subject = async (): Promise<number> => figures[Math.min(runs++, figures.length - 1)] as number
  return Object.assign(subject, { runs: () => runs })
}

describe('a ratio', () => {
  test('that is reached stops the measuring after two rounds', async () => {
    const ours = giving(50)
    expect(await holds({ ours, floor: giving(100) }, 0.5, patience)).toEqual({ holds: true, ratio: 0.5, rounds: 2 })
    expect(ours.runs()).toBe(3)
  })

  test('that stays below the bound fails after all attempts, and says what was reached', async () => {
    expect(await holds({ ours: giving(49), floor: giving(100) }, 0.5, patience)).toEqual({ holds: false, ratio: 0.49, rounds: 8 })
  })

  test('is of the best runs, so that slow ones do not count', async () => {
    expect(await holds({ ours: giving(1, 50, 10), floor: giving(100) }, 0.5, patience)).toMatchObject({ holds: true, rounds: 2 })
    expect(await holds({ ours: giving(1, 9, 10, 50), floor: giving(100) }, 0.5, patience)).toMatchObject({ holds: true, rounds: 3 })
    expect(await holds({ ours: giving(40), floor: giving(100, 100, 10) }, 0.5, { rounds: 4, attempts: 1 })).toMatchObject({ holds: false })
  })

  test('does not count the warm-up', async () => {
    expect(await holds({ ours: giving(1_000, 10), floor: giving(100) }, 0.5, patience)).toMatchObject({ holds: false, ratio: 0.1 })
  })

  test('is looked at afresh in the next attempt', async () => {
    const floor = giving(100, 500, 100, 100, 100, 100)
    expect(await holds({ ours: giving(60), floor }, 0.5, patience)).toMatchObject({ holds: true, ratio: 0.6, rounds: 6 })
  })

  test.each([0, Number.NaN, Number.POSITIVE_INFINITY])('of %d is no ratio', async (figure) => {
    await expect(holds({ ours: giving(figure), floor: giving(100) }, 0.5, patience)).rejects.toThrow('instead of messages per second')
  })

  test('that is recorded is the least of the attempts', async () => {
    // A warm-up and four rounds each.
    const ours = giving(90, 90, 90, 90, 90, 80, 80, 80, 80, 80)
    expect(await ratioToRecord({ ours, floor: giving(100) }, patience)).toBe(0.8)
  })
})
