import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { consumerProblems } from '../src/consumer.ts'
import { packedProblems } from '../src/packed-package.ts'

const TOP = resolve(import.meta.dirname, '../../..')
const MANIFEST = {
  name: '@cajun/example',
  version: '1.0.0',
  type: 'module',
  license: 'Apache-2.0',
  engines: { node: '>=22.12' },
  files: ['dist', 'src'],
  exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
}
const SOUND = {
  'package.json': JSON.stringify(MANIFEST),
  LICENSE: '',
  'README.md': '',
  'src/index.ts': 'export const x: number = 1',
  'dist/index.js': 'export const x = 1',
  'dist/index.d.ts': 'export declare const x: number',
}

const withManifest = (change: object) => ({ ...SOUND, 'package.json': JSON.stringify({ ...MANIFEST, ...change }) })

const without = (path: string) => Object.fromEntries(Object.entries(SOUND).filter(([name]) => name !== path))

/** Everything that is found wrong with a package of these files. */
async function problems(files: Readonly<Record<string, string>>): Promise<string> {
  const sandbox = mkdtempSync(join(tmpdir(), 'cajun-packed-'))
  try {
    for (const [path, text] of Object.entries(files)) {
      const file = join(sandbox, 'package', path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
    }
    const tarball = join(sandbox, 'example.tgz')
    execFileSync('tar', ['-czf', tarball, '-C', sandbox, 'package'])
    const folder = join(sandbox, 'node_modules/@cajun/example')
    cpSync(join(sandbox, 'package'), folder, { recursive: true })
    const packed = await packedProblems(tarball, folder)
    return [...packed, ...consumerProblems(sandbox, [{ workspace: sandbox, folder }], TOP)].join('\n')
  } finally {
    rmSync(sandbox, { recursive: true, force: true })
  }
}

it('finds nothing wrong with a sound package', async () => {
  expect(await problems(SOUND)).toBe('')
})

it.each([
  [
    'the condition for sources',
    withManifest({ exports: { '.': { '@cajun/source': './src/index.ts', ...MANIFEST.exports['.'] } } }),
    '@cajun/source is published',
  ],
  ['a workspace range', withManifest({ dependencies: { '@cajun/core': 'workspace:^' } }), 'workspace: range'],
  ['no licence', without('LICENSE'), 'LICENSE is missing'],
  ['a stale file in dist', { ...SOUND, 'dist/gone.js': '' }, 'dist/gone.js is left'],
  ['an entry that is not there', without('dist/index.js'), 'dist/index.js'],
  [
    'types after the default (publint)',
    withManifest({ exports: { '.': { default: './dist/index.js', types: './dist/index.d.ts' } } }),
    'types',
  ],
  ['types that do not resolve (attw)', { ...SOUND, 'dist/index.d.ts': "export { x } from './gone.js'" }, 'Internal resolution error'],
  ['types that do not compile', { ...SOUND, 'dist/index.d.ts': 'export declare const x: Gone' }, "Cannot find name 'Gone'"],
  ['a module that does not load', { ...SOUND, 'dist/index.js': "import './gone.js'" }, 'consumer.mjs failed'],
])('finds %s', async (_, files, problem) => {
  expect(await problems(files)).toContain(problem)
})
