import { expect, it } from 'vitest'
import { checkText } from '../src/forbidden-text.ts'

const path = 'packages/core/src/actor/x.ts'

it.each(['// see /root/notes/x', "open('/work/x')", '`/tmp/x`', 'file:///home/me/x'])('refuses the path of a machine: %s', (text) => {
  expect(checkText({ path, text })).toHaveLength(1)
  expect(checkText({ path: 'README.md', text })).toHaveLength(1)
})

it.each(["import x from '../root/x.ts'", 'packages/work/x', 'nodes/root/x', 'some/tmp/x'])('leaves %s alone', (text) => {
  expect(checkText({ path, text })).toEqual([])
})

it('refuses hosts of registries', () => {
  expect(checkText({ path: 'README.md', text: 'https://registry.npmjs.org/x' })).toHaveLength(1)
  expect(checkText({ path: '.npmrc', text: 'registry=https://mirror.example/' })).toHaveLength(1)
  expect(checkText({ path: '.npmrc', text: '@cajun:registry = https://mirror.example/' })).toHaveLength(1)
})

it('refuses any download address in the lock file, a mirror nobody knows included', () => {
  expect(checkText({ path: 'pnpm-lock.yaml', text: 'resolution: {integrity: x, tarball: https://mirror.example/x.tgz}' })).not.toEqual([])
  expect(checkText({ path: 'pnpm-lock.yaml', text: 'resolution: {tarball: x.tgz}' })).toHaveLength(1)
  expect(checkText({ path: 'pnpm-lock.yaml', text: 'resolution: {integrity: sha512-x==}' })).toEqual([])
})

it('refuses silenced checks', () => {
  expect(checkText({ path, text: '// @ts-ignore' })).toHaveLength(1)
  expect(checkText({ path, text: '// @ts-nocheck' })).toHaveLength(1)
  expect(checkText({ path, text: '// biome-ignore lint/x: y' })).toHaveLength(1)
  expect(checkText({ path: 'packages/core/test/x.test.ts', text: 'it.only("x", f)' })).toHaveLength(1)
})
