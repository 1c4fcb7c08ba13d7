// `pnpm check:packages`: packs each published package as it would be published, and holds the tarball against publint and arethetypeswrong.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const top = new URL('../../..', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'cajun-pack-'))
let failed = 0

function fail(name: string, problem: string): void {
  failed++
  console.error(`${name}: ${problem}`)
}

try {
  for (const directory of readdirSync(join(top, 'packages'))) {
    const path = join(top, 'packages', directory)
    const manifest = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as { name: string; private?: boolean }
    if (manifest.private === true) continue
    const before = new Set(readdirSync(folder))
    execFileSync('pnpm', ['pack', '--pack-destination', folder], { cwd: path, stdio: 'pipe' })
    const tarball = readdirSync(folder).find((file) => !before.has(file))
    if (tarball === undefined) throw new Error(`${manifest.name} was not packed`)
    const bytes = readFileSync(join(folder, tarball))
    const { messages, pkg } = await publint({
      pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) },
      strict: true,
    })
    for (const message of messages) fail(manifest.name, formatMessage(message, pkg) ?? message.code)
    try {
      // ESM only: what a CommonJS consumer or an old resolver would see is not our concern.
      execFileSync('pnpm', ['exec', 'attw', join(folder, tarball), '--profile', 'esm-only', '--format', 'ascii'], {
        cwd: join(top, 'tooling/checks'),
        stdio: 'pipe',
      })
    } catch (error) {
      fail(manifest.name, String((error as { stdout?: Buffer }).stdout ?? error))
    }
    console.log(`packed ${manifest.name}: ${(bytes.length / 1024).toFixed(0)} KiB`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(failed === 0 ? 'packages: publint and attw have no complaints' : `packages: ${failed} complaints`)
process.exitCode = failed === 0 ? 0 : 1
