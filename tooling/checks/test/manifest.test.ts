import { expect, it } from 'vitest'
import { checkDeclared } from '../src/manifest.ts'

const manifest = {
  name: '@cajun/metadata-etcd',
  dependencies: { '@cajun/core': '*', etcd3: '*', '@scope/x': '*' },
  peerDependencies: { vitest: '*' },
}
const path = 'packages/metadata-etcd/src/x.ts'

it('refuses a package that is not declared, although it resolves from the root of the workspace', () => {
  expect(checkDeclared({ path, text: "import fc from 'fast-check'" }, manifest)).toMatchObject([
    { problem: expect.stringContaining('fast-check') },
  ])
  expect(checkDeclared({ path, text: "import type { X } from '@scope/y/deep'" }, manifest)).toHaveLength(1)
})

it('accepts what is declared, built in or its own', () => {
  const text = "import 'etcd3/lib'; import '@scope/x/y'; import 'vitest'; import 'node:net'; import './y.ts'; import '@cajun/metadata-etcd'"
  expect(checkDeclared({ path, text }, manifest)).toEqual([])
})

it('leaves tests and private packages alone', () => {
  const text = "import fc from 'fast-check'"
  expect(checkDeclared({ path: 'packages/metadata-etcd/test/x.test.ts', text }, manifest)).toEqual([])
  expect(checkDeclared({ path, text }, { ...manifest, private: true })).toEqual([])
})
