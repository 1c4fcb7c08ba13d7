// `pnpm check:packages`: packs each published package as it would be published, and holds the tarballs against what a user would meet.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { consumerProblems, type Unpacked } from './consumer.ts'
import { packedProblems } from './packed-package.ts'

const top = resolve(import.meta.dirname, '../../..')
const sandbox = mkdtempSync(join(tmpdir(), 'cajun-published-'))
const unpacked: Unpacked[] = []
let complaints = 0

function complain(about: string, problem: string): void {
  complaints++
  console.error(`${about}: ${problem}`)
}

try {
  for (const directory of readdirSync(join(top, 'packages'))) {
    const workspace = join(top, 'packages', directory)
    const manifest = JSON.parse(readFileSync(join(workspace, 'package.json'), 'utf8')) as { name: string; private?: boolean }
    if (manifest.private === true) continue
    const tarball = join(sandbox, `${directory}.tgz`)
    execFileSync('pnpm', ['pack', '--out', tarball], { cwd: workspace, stdio: ['ignore', 'ignore', 'inherit'] })
    const folder = join(sandbox, 'node_modules', manifest.name)
    mkdirSync(folder, { recursive: true })
    execFileSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1'])
    unpacked.push({ workspace, folder })
    for (const problem of await packedProblems(tarball, folder)) complain(manifest.name, problem)
    console.log(`packed ${manifest.name}: ${(statSync(tarball).size / 1024).toFixed(0)} KiB`)
  }
  for (const problem of consumerProblems(sandbox, unpacked, top)) complain('as a consumer', problem)
} finally {
  rmSync(sandbox, { recursive: true, force: true })
}
console.log(`packages: ${unpacked.length} packed, ${complaints} complaints`)
process.exitCode = unpacked.length > 0 && complaints === 0 ? 0 : 1
