// `pnpm bench [suite …] [--json FILE]`: every figure in the README comes from here.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { localCases } from './local/suites.ts'
import { type BenchCase, measure, type Row, table } from './measure.ts'

const cases: readonly BenchCase[] = [...localCases]
const { values, positionals } = parseArgs({ options: { json: { type: 'string' } }, allowPositionals: true })
const suites = new Set(cases.map((bench) => bench.suite))
const wanted = positionals.flatMap((name) => (name === 'local' ? localCases.map((bench) => bench.suite) : [name]))
for (const name of wanted) {
  if (!suites.has(name)) {
    console.error(`there is no suite '${name}'; there are: local (all of), ${[...suites].join(', ')}`)
    process.exit(1)
  }
}

const rows: Row[] = []
for (const bench of cases) {
  if (wanted.length > 0 && !wanted.includes(bench.suite)) continue
  const measured = await measure(bench)
  rows.push(...measured)
  console.log(table(measured))
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
