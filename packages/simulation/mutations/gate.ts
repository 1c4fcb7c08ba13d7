// The mutation gate: plants each bug, runs its seeds, and fails if one survives. First of all the seeds must pass without any.
//
//   node --conditions=@cajun/source packages/simulation/mutations/gate.ts [--only ID,ID] [--jobs N]

import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { mutations } from './catalogue.ts'
import type { Mutation } from './mutation.ts'
import { Workshop } from './workshop.ts'

interface Verdict {
  readonly seed?: number
  readonly invariant?: string
  readonly what?: string
}

const DEFAULT_SEEDS = 300
const HUNT_MS = 180_000

const { values } = parseArgs({ options: { only: { type: 'string' }, jobs: { type: 'string', default: '2' }, list: { type: 'boolean' } } })

function hunt(
  workshop: Workshop,
  { seeds = DEFAULT_SEEDS, options = {} }: Pick<Mutation, 'seeds' | 'options'>,
  from = 1,
): Promise<Verdict> {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [
        '--conditions=@cajun/source',
        '--disable-warning=ExperimentalWarning',
        workshop.seedRunner,
        JSON.stringify({ from, seeds, options }),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    let output = ''
    let errors = ''
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
    })
    child.stderr.on('data', (data: Buffer) => {
      errors += data.toString()
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), HUNT_MS)
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      const line = output.trim().split('\n').at(-1) ?? ''
      if (signal !== null) resolve({ seed: 0, invariant: 'hang', what: `the process was killed after ${HUNT_MS} ms` })
      else if (code !== 0 || line === '') resolve({ seed: 0, invariant: 'crash', what: errors.trim().split('\n').slice(0, 6).join(' | ') })
      else resolve(JSON.parse(line) as Verdict)
    })
  })
}

async function work(queue: Mutation[], survivors: Mutation[], suspicious: Mutation[]): Promise<void> {
  using workshop = new Workshop()
  using sound = new Workshop()
  for (let mutation = queue.shift(); mutation !== undefined; mutation = queue.shift()) {
    const startedMs = performance.now()
    const uproot = workshop.plant(mutation)
    let verdict = await hunt(workshop, mutation)
    // A seed under which core fails without the bug says nothing about the bug.
    while (
      verdict.seed !== undefined &&
      verdict.seed > 0 &&
      (await hunt(sound, { ...mutation, seeds: verdict.seed }, verdict.seed)).seed !== undefined
    ) {
      console.log(
        `${mutation.id.padEnd(44)}           seed ${verdict.seed} fails without it too: ${verdict.invariant} ${verdict.what?.slice(0, 200)}`,
      )
      verdict = await hunt(workshop, mutation, verdict.seed + 1)
    }
    uproot()
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
    if (verdict.seed === undefined) survivors.push(mutation)
    // A mutant that can't even start was not found by its seeds.
    if (verdict.invariant === 'crash') suspicious.push(mutation)
    const how = verdict.seed === undefined ? 'SURVIVED' : `seed ${verdict.seed}: ${verdict.invariant} ${verdict.what?.slice(0, 160)}`
    console.log(`${mutation.id.padEnd(44)} ${seconds.padStart(6)} s  ${how}`)
  }
}

const only = values.only?.split(',')
const chosen = mutations.filter(({ id }) => only === undefined || only.includes(id))
if (values.list) for (const { id, rule } of chosen) console.log(`${id.padEnd(44)} ${rule}`)
else {
  {
    using workshop = new Workshop()
    const sane = await hunt(workshop, { seeds: 100 })
    if (sane.seed !== undefined) throw new Error(`without any mutation seed ${sane.seed} fails: ${sane.invariant} ${sane.what}`)
  }
  const survivors: Mutation[] = []
  const suspicious: Mutation[] = []
  const queue = [...chosen]
  await Promise.all(Array.from({ length: Number(values.jobs) }, () => work(queue, survivors, suspicious)))
  console.log(`${chosen.length - survivors.length - suspicious.length} of ${chosen.length} planted bugs found`)
  for (const { id, rule } of survivors) console.log(`  survived: ${id} (${rule})`)
  for (const { id } of suspicious) console.log(`  does not run: ${id}`)
  process.exitCode = survivors.length + suspicious.length > 0 ? 1 : 0
}
