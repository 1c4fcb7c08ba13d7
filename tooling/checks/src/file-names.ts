// Files and folders are named for one concept, in kebab-case; the top level holds what it was agreed to hold.

import type { Finding } from './source-file.ts'

const VAGUE = /(?:^|-)(?:utils?|helpers?|common|types|misc|shared|stuff)$/
const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*$/

export function checkFileName(path: string): Finding[] {
  const inside = /^(?:packages|apps|tooling)\/(.+)\.[cm]?[jt]sx?$/.exec(path)?.[1]
  if (inside === undefined) return []
  const findings: Finding[] = []
  for (const part of inside.split('/')) {
    // `cell.process.test` is about `cell`.
    const [concept = '', ...kinds] = part.split('.')
    if (VAGUE.test(concept)) findings.push({ path, line: 1, problem: `'${concept}' names no concept` })
    else if (![concept, ...kinds].every((word) => KEBAB.test(word)))
      findings.push({ path, line: 1, problem: `'${part}' is not kebab-case` })
  }
  return findings
}

const TOP_LEVEL = new Set([
  ...['packages', 'apps', 'tooling', '.changeset', '.ci', '.github'],
  ...['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml', 'turbo.json', 'biome.json'],
  ...['README.md', 'LICENSE', 'SECURITY.md', '.gitignore', '.gitattributes', '.npmrc'],
])

export function checkTopLevel(path: string): Finding[] {
  const [entry = ''] = path.split('/')
  if (TOP_LEVEL.has(entry)) return []
  return [{ path, line: 1, problem: `'${entry}' does not belong at the top level; prose goes to apps/docs, configuration to tooling` }]
}
