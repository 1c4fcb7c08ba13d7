// `pnpm bench [suite …] [--only TEXT] [--json FILE] [--write]`: every figure in a README comes from here.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { clusterGroups } from './cluster/suites.ts'
import { writeDocuments } from './figures/documents.ts'
import { thisMachine } from './figures/machine.ts'
import { type BenchRecord, merged, readRecord, writeRecord } from './figures/record.ts'
import { localGroups } from './local/suites.ts'
import { type BenchGroup, measure, type Row, Unavailable } from './measure.ts'
import { frameGroups } from './remote/frames.ts'
import { remoteGroups } from './remote/suites.ts'
import { storeGroups } from './stores/suites.ts'
import { table } from './table.ts'

const sections: Readonly<Record<string, readonly BenchGroup[]>> = {
  local: localGroups,
  remote: [...remoteGroups, ...frameGroups],
  stores: storeGroups,
  cluster: clusterGroups,
}
const groups = Object.values(sections).flat()
const suites = [...new Set(groups.map((group) => group.suite))]

const HELP = `pnpm bench [suite …] [--only TEXT] [--json FILE] [--write]
       pnpm bench --write-only

Measures Cajun, the floor (the least code that could do the job) and its peers side by side, in interleaved runs;
prints medians with minimum and maximum, and ratios. Without a suite: all of them (under 25 minutes).

Suites
${Object.entries(sections)
  .map(([name, members]) => `  ${name.padEnd(9)} ${[...new Set(members.map((group) => group.suite))].join(' ')}`)
  .join('\n')}

The first column names a whole section. A suite whose package or server is missing is skipped, and says so.

  --only TEXT   of these suites, only cases whose name contains TEXT
  --json FILE   writes the rows { suite, case, subject, metric, unit, median, min, max, runs } there
  --write       records them in apps/bench/results, in place of what was recorded of the same cases, and writes the figures of
                the READMEs and of apps/docs/performance.md anew
  --write-only  measures nothing, and writes those figures from what is recorded
  --help        this text`

const { values, positionals } = parseArgs({
  options: {
    json: { type: 'string' },
    only: { type: 'string' },
    write: { type: 'boolean' },
    'write-only': { type: 'boolean' },
    help: { type: 'boolean' },
  },
  allowPositionals: true,
})
if (values.help) {
  console.log(HELP)
  process.exit()
}
if (values['write-only']) {
  showInDocuments(readRecord())
  process.exit()
}
for (const name of positionals) {
  if (suites.includes(name) || name in sections) continue
  console.error(`there is no suite '${name}'; there are: ${suites.join(', ')}; and of several: ${Object.keys(sections).join(', ')}`)
  process.exit(1)
}

function showInDocuments(record: BenchRecord): void {
  try {
    for (const path of writeDocuments(record)) console.log(`wrote ${path}`)
  } catch (error) {
    console.error(`the documents were not written: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}

const isWanted = (group: BenchGroup): boolean =>
  positionals.length === 0 || positionals.some((name) => name === group.suite || sections[name]?.includes(group))
const contains = (name: string): boolean => name.includes(values.only ?? '')

/** What is being done, on a terminal alone, in a line that the next one replaces. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text.slice(0, 110)}`)
}

const rows: Row[] = []
const skipped = new Set<string>()
for (const group of groups.filter((each) => isWanted(each) && each.cases.some(contains))) {
  showProgress(`starting ${group.suite}`)
  try {
    const open = await group.open()
    try {
      const measured = await measure(
        open.cases.filter((bench) => contains(bench.case)),
        group,
        showProgress,
      )
      showProgress('')
      rows.push(...measured)
      console.log(table(measured))
    } finally {
      await open.close?.()
    }
  } catch (error) {
    showProgress('')
    if (!(error instanceof Unavailable)) {
      // What the others gave is kept: a run takes 20 minutes.
      console.error(`${group.suite} ${group.cases.join(', ')}: failed`, error)
      process.exitCode = 1
      continue
    }
    const text = `${group.suite}: skipped, ${error.message}`
    if (!skipped.has(text)) console.log(text)
    skipped.add(text)
  }
}
if (rows.length === 0 && skipped.size === 0 && process.exitCode === undefined) {
  console.error(`no case of these suites contains '${values.only}'`)
  process.exit(1)
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
if (values.write) {
  const cases = groups.flatMap((group) => group.cases.map((name) => ({ suite: group.suite, case: name })))
  const record = merged(readRecord(), rows, thisMachine(), cases)
  writeRecord(record)
  showInDocuments(record)
}
