// Where keys stand in the tree, and how they are found again.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KeySpace } from '../src/key-space.ts'

const space = new KeySpace('/cajun')
const keys = fc
  .array(
    fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text.isWellFormed() && !text.includes('/')),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  .map((segments) => segments.join('/'))

test('a value and a directory of the same name are different nodes', () => {
  expect(space.valuePath('a')).toBe('/cajun/keys/=a')
  expect(space.valuePath('a/b')).toBe('/cajun/keys/a/=b')
  expect(space.range('a/b/c')).toEqual({ directory: '/cajun/keys/a/b', keyPrefix: 'a/b/', rest: 'c' })
  expect(space.range('')).toEqual({ directory: '/cajun/keys', keyPrefix: '', rest: '' })
})

test('what ZooKeeper refuses in paths is not in them', () => {
  expect(space.valuePath('../=.\u0000/\u{1F600}')).toBe('/cajun/keys/%2E%2E/%3D.%00/=%F0%9F%98%80')
  fc.assert(fc.property(keys, (key) => /^\/cajun\/keys(\/(?!\.{1,2}(\/|$))[\w\-.!~*'()%=]+)+$/.test(space.valuePath(key))))
})

test('every key is found again in the directory that its prefix names', () => {
  fc.assert(
    fc.property(keys, (key) => {
      const range = space.range(key)
      const node = space.valuePath(key).slice((range?.directory.length ?? 0) + 1)
      expect(space.valuePath(key).startsWith(`${range?.directory}/`)).toBe(true)
      expect(space.child(node)).toEqual({ type: 'value', name: range?.rest })
    }),
  )
})

test('prefixes that no key has, and nodes that others made, are nothing', () => {
  expect(space.range('/a')).toBeUndefined()
  expect(space.range('a//b')).toBeUndefined()
  for (const node of ['=%', '%zz', '=a b', '=', '%41']) expect(space.child(node), node).toBeUndefined()
})

test('the layout names parents before their children', () => {
  const { layout } = new KeySpace('/apps/shop')
  expect(layout.slice(0, 5)).toEqual(['/apps', '/apps/shop', '/apps/shop/keys', '/apps/shop/reads', '/apps/shop/creations'])
  expect(layout).toContain(new KeySpace('/apps/shop').counterPath('any key'))
})
