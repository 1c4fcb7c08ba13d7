// A file of the repository as the checks see it, and a finding in one.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface SourceFile {
  /** Relative to the top of the repository, with `/`. */
  readonly path: string
  readonly text: string
}

export interface Finding {
  readonly path: string
  /** From 1. */
  readonly line: number
  readonly problem: string
}

/** Files that git tracks, or would after `git add`. */
export function listFiles(top: string): string[] {
  const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: top, encoding: 'utf8' })
  // Deleted and not yet committed is still listed.
  return [...new Set(output.split('\0'))].filter((path) => path !== '' && existsSync(join(top, path)))
}

/** Undefined for what is no text. */
export function readFile(top: string, path: string): SourceFile | undefined {
  const text = readFileSync(join(top, path), 'utf8')
  return text.includes('\0') ? undefined : { path, text }
}

export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let i = 0; i < offset; i++) if (text.charCodeAt(i) === 10) line++
  return line
}
