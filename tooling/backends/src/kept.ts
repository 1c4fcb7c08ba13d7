// What `pnpm backends` remembers between its commands: one file per user, which goes when the servers go.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BackendName } from './server-kind.ts'

export interface Kept {
  /** Of the keeper; 0: nothing could be started. */
  readonly pid: number
  readonly servers: readonly {
    readonly name: BackendName
    readonly url?: string
    readonly source?: string
    readonly problem?: string
  }[]
}

function folder(): string {
  return join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), `cajun-backends-${process.getuid?.() ?? 'user'}`)
}

export function readKept(): Kept | undefined {
  try {
    return JSON.parse(readFileSync(join(folder(), 'kept.json'), 'utf8')) as Kept
  } catch {
    return undefined
  }
}

export function writeKept(kept: Kept | undefined): void {
  if (kept === undefined) return rmSync(folder(), { recursive: true, force: true })
  mkdirSync(folder(), { recursive: true, mode: 0o700 })
  writeFileSync(join(folder(), '.kept.json'), JSON.stringify(kept))
  renameSync(join(folder(), '.kept.json'), join(folder(), 'kept.json'))
}

export function isAlive(pid: number): boolean {
  if (pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
