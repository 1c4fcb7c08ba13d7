// `pnpm check:structure`: prints every finding and fails when there is one.

import { checkPackages, checkRooms } from './directions.ts'
import { checkFileName } from './file-names.ts'
import { checkText } from './forbidden-text.ts'
import { checkRuntimeBan } from './runtime-ban.ts'
import { type Finding, listFiles, readFile } from './source-file.ts'

const TEXT = /\.(ts|js|json|md|yaml|yml|sh|txt)$|(^|\/)(run|LICENSE)$/

const top = new URL('../../..', import.meta.url).pathname
const findings: Finding[] = []
let files = 0
for (const path of listFiles(top)) {
  findings.push(...checkFileName(path))
  if (!TEXT.test(path)) continue
  files++
  const file = readFile(top, path)
  findings.push(...checkText(file))
  if (/^(packages|apps|tooling)\/.*\.ts$/.test(path)) findings.push(...checkRooms(file), ...checkPackages(file), ...checkRuntimeBan(file))
}
for (const { path, line, problem } of findings) console.error(`${path}:${line}: ${problem}`)
console.log(`structure: ${files} files read, ${findings.length} findings`)
process.exitCode = findings.length === 0 ? 0 : 1
