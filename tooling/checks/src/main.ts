// `pnpm check:structure`: prints every finding and fails when there is one. Another checkout can be named.

import { resolve } from 'node:path'
import { checkStructure } from './structure.ts'

const { files, findings } = checkStructure(process.argv[2] ?? resolve(import.meta.dirname, '../../..'))
for (const { path, line, problem } of findings) console.error(`${path}:${line}: ${problem}`)
console.log(`structure: ${files} files, ${findings.length} findings`)
process.exitCode = files > 0 && findings.length === 0 ? 0 : 1
