// Uses the packed packages as a user would: unpacked into node_modules, without the condition @cajun/source, compiled and imported.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

interface PackedManifest {
  readonly name: string
  readonly exports: Readonly<Record<string, unknown>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

export interface Unpacked {
  /** The package in the workspace, whose node_modules have what it depends on. */
  readonly workspace: string
  readonly folder: string
}

/** What goes wrong when every entry of the packages is compiled against, and imported. `sandbox/node_modules` holds the unpacked packages. */
export function consumerProblems(sandbox: string, packages: readonly Unpacked[], top: string): string[] {
  const compiled: string[] = []
  const imported: string[] = []
  for (const { workspace, folder } of packages) {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackedManifest
    const entries = Object.entries(manifest.exports).flatMap(([key, target]) => (target === null ? [] : [manifest.name + key.slice(1)]))
    compiled.push(...entries)
    // A suite can be imported by its test runner alone.
    if (manifest.peerDependencies?.['vitest'] === undefined) imported.push(...entries)
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) link(name, workspace, top, sandbox)
  }
  link('@types/node', top, top, sandbox)
  writeFileSync(join(sandbox, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(sandbox, 'consumer.ts'), compiled.map((entry, i) => `import * as e${i} from '${entry}'\nvoid e${i}\n`).join(''))
  writeFileSync(join(sandbox, 'consumer.mjs'), imported.map((entry) => `await import('${entry}')\n`).join(''))
  return [
    ...run(
      join(top, 'node_modules/.bin/tsc'),
      ['--noEmit', '--strict', '--target', 'es2024', '--lib', 'esnext', '--module', 'nodenext', '--types', 'node', 'consumer.ts'],
      sandbox,
    ),
    ...run(process.execPath, ['consumer.mjs'], sandbox),
  ]
}

function link(name: string, workspace: string, top: string, sandbox: string): void {
  if (name.startsWith('@cajun/')) return
  const to = join(sandbox, 'node_modules', name)
  mkdirSync(dirname(to), { recursive: true })
  for (const from of [workspace, top]) {
    try {
      symlinkSync(realpathSync(join(from, 'node_modules', name)), to)
      return
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') return
      if (code !== 'ENOENT') throw error
    }
  }
}

function run(command: string, args: readonly string[], cwd: string): string[] {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  return status === 0 ? [] : [`${args.at(-1)} failed:\n${stdout}${stderr}`]
}
