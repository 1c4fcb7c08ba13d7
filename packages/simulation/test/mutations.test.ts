// Every planted bug still has its place in core, exactly once, and every rule has a bug that breaks it: a gate that plants nothing finds nothing.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { mutations } from '../mutations/catalogue.ts'
import { MisplacedMutationError, mutate } from '../mutations/mutation.ts'
import { recordedSeeds } from '../mutations/recorded-seeds.ts'
import { rules } from '../mutations/rules.ts'

const core = new URL('../../core/src/', import.meta.url)

test('there are no two of one name, and no seed is recorded for one that is gone', () => {
  const ids = new Set(mutations.map(({ id }) => id))
  expect(ids.size).toBe(mutations.length)
  expect(Object.keys(recordedSeeds).filter((id) => !ids.has(id))).toEqual([])
})

test('every rule is broken by at least one, or says why not', () => {
  const broken = new Set(mutations.map(({ rule }) => rule))
  const unbroken = [...rules].filter(([id, { unbroken: why }]) => !broken.has(id) && why === undefined).map(([id]) => id)
  expect(unbroken).toEqual([])
  const needless = [...rules].filter(([id, { unbroken: why }]) => broken.has(id) && why !== undefined).map(([id]) => id)
  expect(needless).toEqual([])
})

test('one that takes away two rules at once says why', () => {
  expect(
    mutations.filter(({ edits, why }) => new Set(edits.map(({ file }) => file)).size > 1 && why === undefined).map(({ id }) => id),
  ).toEqual([])
})

test.each(mutations.map((mutation) => [mutation.id, mutation] as const))('%s has its place', (_, { id, edits }) => {
  for (const edit of edits) {
    const source = readFileSync(new URL(edit.file, core), 'utf8')
    expect(mutate(source, edit, id)).not.toBe(source)
  }
})

test('a place that is missing, or there twice, is refused with its name', () => {
  const edit = { file: 'f.ts', find: 'x', replace: 'y' }
  expect(mutate('axb', edit, 'm')).toBe('ayb')
  expect(() => mutate('ab', edit, 'm')).toThrow(
    /mutation 'm' must find its place in packages\/core\/src\/f.ts exactly once and finds it 0 times/,
  )
  expect(() => mutate('xx', edit, 'm')).toThrow(MisplacedMutationError)
})

test('how the source is laid out does not matter', () => {
  const edit = { file: 'f.ts', find: 'if (a)\n  return b\n', replace: 'return c\n' }
  expect(mutate('{\n    if (a) return b\n    d()\n}', edit, 'm')).toBe('{\n    return c\n    d()\n}')
})
