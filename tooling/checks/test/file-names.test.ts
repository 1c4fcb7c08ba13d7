import { expect, it } from 'vitest'
import { checkFileName, checkTopLevel } from '../src/file-names.ts'

it.each([
  'packages/core/src/actor/utils.ts',
  'packages/core/src/actor/codec-helpers.ts',
  'packages/core/src/common/cell.ts',
  'apps/bench/src/types.mjs',
  'packages/core/test/actor/types.test.ts',
])('refuses %s, which names no concept', (path) => {
  expect(checkFileName(path)).toMatchObject([{ problem: expect.stringContaining('names no concept') }])
})

it.each([
  'packages/core/src/actor/actorCell.ts',
  'packages/core/src/actor/actor_cell.ts',
  'apps/quickstart/src/Main.ts',
  'packages/core/src/Actor/cell.ts',
])('refuses %s, which is not kebab-case', (path) => {
  expect(checkFileName(path)).toMatchObject([{ problem: expect.stringContaining('kebab-case') }])
})

it.each([
  'packages/core/src/actor/actor-cell.ts',
  'packages/core/src/actor/message-type.ts',
  'packages/core/test/actor/cell.process.test.ts',
  'tooling/vitest/vitest.config.ts',
  'packages/core/README.md',
])('accepts %s', (path) => {
  expect(checkFileName(path)).toEqual([])
})

it('refuses what does not belong at the top level', () => {
  for (const path of ['tsconfig.json', 'docs/guide.md', 'CHANGELOG.md', '.eslintrc']) expect(checkTopLevel(path)).toHaveLength(1)
  for (const path of ['package.json', 'packages/core/package.json', '.ci/run']) expect(checkTopLevel(path)).toEqual([])
})
