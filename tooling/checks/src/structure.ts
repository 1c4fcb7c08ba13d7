// Every check that reads the repository's files, over all of them.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkPackages, checkRooms } from './directions.ts'
import { checkFileName, checkTopLevel } from './file-names.ts'
import { checkText } from './forbidden-text.ts'
import { checkDeclared, type Manifest } from './manifest.ts'
import { checkRuntimeBan } from './runtime-ban.ts'
import { type Finding, listFiles, readFile, type SourceFile } from './source-file.ts'
import { checkUnitTest } from './unit-tests.ts'

export interface Structure {
  readonly files: number
  readonly findings: readonly Finding[]
}

export function checkStructure(top: string): Structure {
  const manifests = new Map<string, Manifest>()
  const manifestOf = (path: string): Manifest => {
    const folder = path.split('/').slice(0, 2).join('/')
    let manifest = manifests.get(folder)
    if (manifest === undefined) {
      manifest = JSON.parse(readFileSync(join(top, folder, 'package.json'), 'utf8')) as Manifest
      manifests.set(folder, manifest)
    }
    return manifest
  }
  const findings: Finding[] = []
  const paths = listFiles(top)
  for (const path of paths) {
    findings.push(...checkTopLevel(path), ...checkFileName(path))
    const file = readFile(top, path)
    if (file === undefined) continue
    findings.push(...checkText(file))
    if (!/^(packages|apps|tooling)\/.*\.ts$/.test(path)) continue
    try {
      findings.push(...checkModule(file, manifestOf(path)))
    } catch (error) {
      findings.push({ path, line: 1, problem: `could not be checked: ${error instanceof Error ? error.message : error}` })
    }
  }
  return { files: paths.length, findings }
}

function checkModule(file: SourceFile, manifest: Manifest): Finding[] {
  return [...checkRooms(file), ...checkPackages(file), ...checkDeclared(file, manifest), ...checkRuntimeBan(file), ...checkUnitTest(file)]
}
