// A user's test that asks for nothing, or for what there is not, fails at once and says why.

import { defineActor } from '@cajun/core'
import { expect, test } from 'vitest'
import { type SimulateOptions, simulate } from '../src/index.ts'

const options: SimulateOptions = {
  actors: [defineActor('stock', { messages: {} })],
  workload: async () => {},
  check: async () => {},
  seeds: 1,
}

test('the least that is asked for', async () => {
  expect(await simulate(options)).toEqual({ seeds: 1 })
})

test.each([
  [{ actors: [] }, 'actors is empty; it must list every kind that the workload speaks to'],
  [{ check: undefined }, 'check is undefined; it must be a function that takes the world'],
  [{ seeds: 0 }, 'seeds is 0; it must be a whole number, 1 or more'],
  [{ seeds: [] }, 'seeds is an empty list; it must hold at least one seed'],
  [{ seeds: [1, 2.5] }, 'seeds[1] is 2.5; it must be a whole number, 0 or more'],
  [{ nodes: 0 }, 'nodes is 0; it must be a whole number, 1 or more'],
  [{ durationMs: -1 }, 'durationMs is -1; it must be a number of milliseconds above 0'],
  [{ faults: ['crsh'] }, /^faults holds 'crsh'; it may hold crash, crash-before-flush, pause, /],
  [{ faults: ['poison'] }, /^faults holds 'poison'; it may hold crash, /],
  [{ faults: ['migrate'] }, "faults holds 'migrate', and migrates is empty; it must name the actors to move, such as 'stock/some-id'"],
  [{ migrates: ['shoes'] }, "migrates holds 'shoes'; it must hold addresses such as 'stock/some-id', of the kinds in actors (stock)"],
  [{ migrates: ['shop/shoes'] }, /^migrates holds 'shop\/shoes'/],
])('refuses %j', async (wrong, message) => {
  const error = await simulate({ ...options, ...(wrong as object) }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(TypeError)
  expect((error as Error).message).toMatch(message)
})
