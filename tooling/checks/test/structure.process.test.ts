import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const MAIN = resolve(import.meta.dirname, '../src/main.ts')
const CLEAN = {
  'packages/core/package.json': '{ "name": "@cajun/core" }',
  'packages/core/src/index.ts': "export { x } from './actor/x.ts'",
  'packages/core/src/actor/x.ts': 'export const x = 1',
}

/** The check as `pnpm check:structure` runs it, over a repository that holds these files. */
function check(files: Readonly<Record<string, string>>): { status: number | null; output: string } {
  const top = mkdtempSync(join(tmpdir(), 'cajun-structure-'))
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(top, path)), { recursive: true })
      writeFileSync(join(top, path), text)
    }
    execFileSync('git', ['init', '--quiet'], { cwd: top })
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, top], { encoding: 'utf8' })
    return { status, output: stdout + stderr }
  } finally {
    rmSync(top, { recursive: true, force: true })
  }
}

it('passes a clean repository', () => {
  expect(check(CLEAN)).toMatchObject({ status: 0, output: expect.stringContaining('0 findings') })
})

it.each([
  ['an import upwards', 'packages/core/src/actor/y.ts', "import '../cluster/z.ts'"],
  ['an adapter in core', 'packages/core/src/actor/y.ts', "import '@cajun/messaging-tcp'"],
  ['an undeclared dependency', 'packages/core/src/actor/y.ts', "import 'fast-check'"],
  ['the wall clock', 'packages/core/src/actor/y.ts', 'export const y = Date.now()'],
  ['a vague name', 'packages/core/src/actor/helpers.ts', 'export {}'],
  ['a stray file at the top', 'tsconfig.json', '{}'],
  ['a machine path', 'README.md', `see /${'root'}/x`],
  ['a registry', '.npmrc', 'registry=https://mirror.example/'],
  ['a socket in a unit test', 'packages/core/test/y.test.ts', "import 'node:net'"],
  ['a file that does not parse', 'packages/core/src/actor/y.ts', 'export const = 1'],
])('fails on %s, and names the file', (_, path, text) => {
  expect(check({ ...CLEAN, [path]: text })).toMatchObject({ status: 1, output: expect.stringContaining(`${path}:1: `) })
})

it('fails where there is nothing to check', () => {
  expect(check({}).status).toBe(1)
})
