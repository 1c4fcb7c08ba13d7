// What a package says it needs, and whether its sources keep to that.

import { isBuiltin } from 'node:module'
import { parse } from './parse.ts'
import { type Finding, lineAt, type SourceFile } from './source-file.ts'

export interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/**
 * The sources of a published package import built-in modules and what the package declares. pnpm alone doesn't see to it:
 * development dependencies of the workspace's root resolve from everywhere, and would be missing at the user's.
 */
export function checkDeclared(file: SourceFile, manifest: Manifest): Finding[] {
  if (manifest.private === true || !/^packages\/[^/]+\/(?:src|bin)\//.test(file.path)) return []
  const declared = new Set([manifest.name, ...Object.keys(manifest.dependencies ?? {}), ...Object.keys(manifest.peerDependencies ?? {})])
  const findings: Finding[] = []
  for (const { specifier, offset } of parse(file).imports) {
    if (specifier.startsWith('.') || isBuiltin(specifier)) continue
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
    if (declared.has(name)) continue
    findings.push({
      path: file.path,
      line: lineAt(file.text, offset),
      problem: `${manifest.name} imports ${name} and does not depend on it`,
    })
  }
  return findings
}
