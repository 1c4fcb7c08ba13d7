// Text that has no place in the repository: paths of somebody's machine, hosts of registries, silenced checks.

import { type Finding, lineAt, type SourceFile } from './source-file.ts'

const CODE = /\.[cm]?[jt]sx?$/
const RULES: ReadonlyArray<{ readonly pattern: RegExp; readonly problem: string; readonly in: RegExp }> = [
  { pattern: /(?<![\w.])\/(?:work|root|tmp|home\/\w+|Users\/\w+)\//g, problem: 'names a path of a machine', in: /./ },
  { pattern: /registry\.npmjs\.org|registry\.yarnpkg\.com|repo1?\.maven\.org/g, problem: 'names the host of a package registry', in: /./ },
  // Also of a mirror that has no name known here: whoever installs decides where from.
  { pattern: /\w+:\/\/\S+|\btarball: \S+/g, problem: 'the lock file pins a download address', in: /(?:^|\/)pnpm-lock\.yaml$/ },
  { pattern: /^[^#;\n]*\bregistry\s*=.*$/gm, problem: 'sets the package registry', in: /(?:^|\/)\.npmrc$/ },
  { pattern: /@ts-(?:ignore|nocheck)\b/g, problem: 'silences the compiler', in: CODE },
  { pattern: /\bbiome-ignore\b/g, problem: 'silences the linter (a rule that does not fit is switched off in biome.json)', in: CODE },
  { pattern: /\b(?:describe|it|test)\.only\(/g, problem: 'runs one test and hides the others', in: /\.test\.ts$/ },
]

/** They have to spell out what they look for. */
const EXEMPT = new Set(['tooling/checks/src/forbidden-text.ts', 'tooling/checks/test/forbidden-text.test.ts'])

export function checkText(file: SourceFile): Finding[] {
  if (EXEMPT.has(file.path)) return []
  const findings: Finding[] = []
  for (const rule of RULES) {
    if (!rule.in.test(file.path)) continue
    for (const match of file.text.matchAll(rule.pattern)) {
      findings.push({ path: file.path, line: lineAt(file.text, match.index), problem: `${rule.problem}: ${match[0]}` })
    }
  }
  return findings
}
