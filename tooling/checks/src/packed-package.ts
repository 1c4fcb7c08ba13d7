// What is wrong with a package as it would be published: publint and arethetypeswrong on the tarball, and what only this repository can know.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

/** Takes the tarball and the folder that it was unpacked to. */
export async function packedProblems(tarball: string, unpacked: string): Promise<string[]> {
  return [...ownProblems(unpacked), ...(await publintProblems(tarball)), ...typeProblems(tarball)]
}

function ownProblems(unpacked: string): string[] {
  const problems: string[] = []
  const text = readFileSync(join(unpacked, 'package.json'), 'utf8')
  // With the condition, whoever also sets it would run our TypeScript out of node_modules, which Node refuses.
  if (text.includes('@cajun/source')) problems.push('the condition @cajun/source is published')
  if (text.includes('workspace:')) problems.push('a workspace: range is published')
  for (const file of ['LICENSE', 'README.md']) if (!existsSync(join(unpacked, file))) problems.push(`${file} is missing`)
  const dist = join(unpacked, 'dist')
  for (const path of existsSync(dist) ? readdirSync(dist, { recursive: true, encoding: 'utf8' }) : []) {
    const source = path.replace(/(?:\.d\.ts|\.js)(?:\.map)?$/, '.ts')
    if (source !== path && !existsSync(join(unpacked, 'src', source))) problems.push(`dist/${path} is left from a source that is gone`)
  }
  return problems
}

async function publintProblems(tarball: string): Promise<string[]> {
  const bytes = readFileSync(tarball)
  const pack = { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) }
  const { messages, pkg } = await publint({ pack, strict: true })
  return messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code)
}

function typeProblems(tarball: string): string[] {
  // ESM only: what a CommonJS consumer or an old resolver would see is not our concern.
  const attw = resolve(import.meta.dirname, '../node_modules/.bin/attw')
  const { status, stdout, stderr } = spawnSync(attw, [tarball, '--profile', 'esm-only', '--format', 'ascii'], { encoding: 'utf8' })
  return status === 0 ? [] : [stdout + stderr]
}
