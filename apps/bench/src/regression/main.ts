// `pnpm check:speed [--record]`: some local suites against the floor, in the same process and run by run. Fails when one falls below 80 % of the ratio in
// `results/regression.json`; `--record` measures those ratios anew, which wants a machine that does nothing else.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { localGroups } from '../local/suites.ts'
import { holds, type Patience, ratioToRecord, SHARE, type Sides } from './hold.ts'

const RECORD = new URL('../../results/regression.json', import.meta.url)
const CHECKED: readonly string[] = ['flood', 'bursts', 'pingpong', 'fanout', 'ask 64 in flight']
const PATIENCE: Patience = { rounds: 5, attempts: 3 }

const { values } = parseArgs({ options: { record: { type: 'boolean' } } })

async function sidesOf(checked: string): Promise<Sides> {
  for (const group of localGroups) {
    if (!group.cases.some((name) => `${group.suite} ${name}`.trim() === checked)) continue
    const [bench] = (await group.open()).cases
    const { cajun, runq } = bench?.subjects ?? {}
    if (cajun !== undefined && runq !== undefined) return { ours: cajun, floor: runq }
  }
  throw new Error(`no local suite '${checked}' has 'cajun' and 'runq'`)
}

async function record(): Promise<void> {
  const ratios: Record<string, number> = {}
  for (const name of CHECKED) {
    ratios[name] = Number((await ratioToRecord(await sidesOf(name), PATIENCE)).toFixed(3))
    console.log(`${name}: ${ratios[name]}`)
  }
  writeFileSync(RECORD, `${JSON.stringify(ratios, undefined, 2)}\n`)
}

async function check(): Promise<void> {
  const recorded = JSON.parse(existsSync(RECORD) ? readFileSync(RECORD, 'utf8') : '{}') as Readonly<Record<string, number>>
  const failures: string[] = []
  for (const name of CHECKED) {
    const ratio = recorded[name]
    if (ratio === undefined) throw new Error(`no ratio is recorded of '${name}'; record them with 'pnpm check:speed --record'`)
    const bound = ratio * SHARE
    const held = await holds(await sidesOf(name), bound, PATIENCE)
    const text = `${name}: ${held.ratio.toFixed(3)} of the floor, at least ${bound.toFixed(3)} (${SHARE * 100} % of ${ratio}), ${held.rounds} rounds`
    console.log(text)
    if (!held.holds) failures.push(text)
  }
  for (const text of failures) console.error(`slower than recorded: ${text}`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

await (values.record ? record() : check())
