// Files are named for one concept, in kebab-case.

import type { Finding } from './source-file.ts'

const VAGUE = /^(utils?|helpers?|common|types|misc|shared|stuff)$/

export function checkFileName(path: string): Finding[] {
  const name = /^(?:packages|apps|tooling)\/.*\/([^/]+)\.ts$/.exec(path)?.[1]
  if (name === undefined) return []
  const [concept = ''] = name.split('.')
  if (VAGUE.test(concept)) return [{ path, line: 1, problem: `'${concept}' names no concept` }]
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*$/.test(name)) return [{ path, line: 1, problem: `'${name}' is not kebab-case` }]
  return []
}
