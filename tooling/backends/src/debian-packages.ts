// Debian's packages without installing them: downloaded by apt, unpacked into a cache folder. Nothing is registered, enabled or started, so no
// service of the system is touched, and the folder may be deleted at any time.

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from './cache-folder.ts'
import type { ServerKind } from './server-kind.ts'

const run = promisify(execFile)
const PATIENCE_MS = 180_000

export function unpackedRoot(kind: ServerKind): string {
  return join(cacheFolder(), kind.name)
}

export function isUnpacked(kind: ServerKind): boolean {
  return existsSync(join(unpackedRoot(kind), '.complete'))
}

export function hasApt(): boolean {
  return existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg')
}

/** Fetches and unpacks once; several processes may do it at the same time. Rejects with what apt said. */
export async function unpackPackages(kind: ServerKind): Promise<void> {
  if (isUnpacked(kind)) return
  mkdirSync(cacheFolder(), { recursive: true })
  const work = mkdtempSync(join(cacheFolder(), `.${kind.name}-`))
  try {
    const names = await packagesOf(kind)
    // As root, apt would rather download as `_apt`, which can't write here.
    await run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', ...names], { cwd: work, timeout: PATIENCE_MS })
    const root = join(work, 'root')
    for (const file of readdirSync(work).filter((name) => name.endsWith('.deb'))) {
      await run('dpkg', ['-x', join(work, file), root], { timeout: PATIENCE_MS })
    }
    writeFileSync(join(root, '.complete'), `${names.join('\n')}\n`)
    if (!isUnpacked(kind)) {
      rmSync(unpackedRoot(kind), { recursive: true, force: true })
      renameSync(root, unpackedRoot(kind))
    }
  } catch (error) {
    if (!isUnpacked(kind)) throw error // else another process was faster
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** What is named, and those of its libraries that the system does not have. */
async function packagesOf(kind: ServerKind): Promise<string[]> {
  const missing = await missingPackages(kind).catch(async (error: unknown) => {
    // An image without package lists, as containers have them.
    if (process.getuid?.() !== 0) throw error
    await run('apt-get', ['-q', 'update'], { timeout: PATIENCE_MS })
    return missingPackages(kind)
  })
  return [...new Set([...kind.packages, ...missing.filter((name) => kind.libraries.test(name))])]
}

async function missingPackages(kind: ServerKind): Promise<string[]> {
  const args = ['install', '--print-uris', '-y', '-qq', '--no-install-recommends', ...kind.packages]
  const { stdout } = await run('apt-get', args, { timeout: PATIENCE_MS })
  // 'http://…' redis-server_5%3a7.0.15-1_amd64.deb 73912 …
  return stdout.split('\n').flatMap((line) => /^'[^']*' ([^_ ]+)_/.exec(line)?.[1] ?? [])
}
