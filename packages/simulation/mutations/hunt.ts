// Looks for seeds that notice planted bugs, and writes them down: after a change of core or of the simulation has made recorded ones go stale.
//
//   node --conditions=@cajun/source packages/simulation/mutations/hunt.ts [--only ID,ID] [--jobs N] [--seeds N] [--from S] [--minutes M] [--record] [--list]

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { mutations } from './catalogue.ts'
import { inParallel } from './gate.ts'
import { recordedSeeds } from './recorded-seeds.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '5' },
    record: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
})

const only = values.only?.split(',')
const chosen = mutations.filter(({ id }) => only === undefined || only.some((part) => id.includes(part)))
const found: Record<string, number> = { ...recordedSeeds }

function write(): void {
  const lines = mutations.flatMap(({ id }) => (found[id] === undefined ? [] : [`  '${id}': ${found[id]},`]))
  const head = '// Written by `hunt.ts --record`: for each planted bug the seed that noticed it when it was last looked for.'
  const source = `${head}\n\nexport const recordedSeeds: Readonly<Record<string, number>> = {\n${lines.join('\n')}\n}\n`
  writeFileSync(new URL('./recorded-seeds.ts', import.meta.url), source)
}

if (values.list) for (const { id, rule } of chosen) console.log(`${id.padEnd(44)} ${rule}`)
else {
  const failed: string[] = []
  await inParallel(chosen, Number(values.jobs), async (gate, mutation) => {
    const label = mutation.id.padEnd(44)
    try {
      const options = { huntMs: Number(values.minutes) * 60_000, from: Number(values.from) }
      const finding = await gate.try(mutation, { ...options, ...(values.seeds !== undefined && { seeds: Number(values.seeds) }) })
      const seconds = `${(finding.elapsedMs / 1_000).toFixed(1)} s`.padStart(8)
      for (const line of finding.unsound) console.log(`  ${line}`)
      if (finding.what === undefined) {
        failed.push(mutation.id)
        console.log(`${label} ${seconds}  SURVIVED ${mutation.test ?? `${finding.ran} seeds`}`)
        return
      }
      if (finding.seed === undefined) {
        console.log(`${label} ${seconds}  ${mutation.test}: ${finding.what.slice(0, 150)}`)
        return
      }
      found[mutation.id] = finding.seed
      const kept = finding.isFresh ? '' : ` (new, after ${finding.ran})`
      console.log(`${label} ${seconds}  seed ${finding.seed}${kept}: ${finding.invariant} ${finding.what.slice(0, 150)}`)
    } catch (error) {
      failed.push(mutation.id)
      console.log(`${label} ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`)
    }
  })
  if (values.record) write()
  console.log(`${chosen.length - failed.length} of ${chosen.length} planted bugs found`)
  for (const id of failed) console.log(`  not found: ${id}`)
  process.exitCode = failed.length > 0 ? 1 : 0
}
