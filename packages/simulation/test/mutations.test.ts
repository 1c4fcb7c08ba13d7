// Every planted bug still has its place in core, exactly once: a gate that plants nothing finds nothing.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { mutations } from '../mutations/catalogue.ts'
import { mutate } from '../mutations/mutation.ts'

const core = new URL('../../core/src/', import.meta.url)

test('there are no two of one name', () => {
  expect(new Set(mutations.map(({ id }) => id)).size).toBe(mutations.length)
})

test.each(mutations.map((mutation) => [mutation.id, mutation] as const))('%s has its place', (_, mutation) => {
  const source = readFileSync(new URL(mutation.file, core), 'utf8')
  expect(mutate(source, mutation)).not.toBe(source)
})

test('a place that is missing, or there twice, is refused', () => {
  const mutation = { id: 'm', rule: '', file: 'f', find: 'x', replace: 'y' }
  expect(mutate('axb', mutation)).toBe('ayb')
  expect(() => mutate('ab', mutation)).toThrow('0 times')
  expect(() => mutate('xx', mutation)).toThrow('2 times')
})
