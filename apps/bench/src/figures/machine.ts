// On which machine, and when, a suite was measured.

import { availableParallelism, cpus, totalmem } from 'node:os'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly node: string
  readonly system: string
  /** Of the day, as in 2026-11-26. */
  readonly date: string
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    system: `${process.platform} ${process.arch}`,
    date: new Date().toISOString().slice(0, 10),
  }
}

/** One line for each machine and day, and which suites are of it where there are several. */
export function machineText(machines: Readonly<Record<string, Machine>>): string {
  const groups = Map.groupBy(Object.entries(machines), ([, machine]) => lineOf(machine))
  return [...groups]
    .map(([line, members]) => (groups.size === 1 ? `${line}.` : `${line}: ${members.map(([suite]) => suite).join(', ')}.`))
    .join('\n')
}

function lineOf({ cpu, cores, memoryGiB, node, system, date }: Machine): string {
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node.js ${node}, ${date}`
}
