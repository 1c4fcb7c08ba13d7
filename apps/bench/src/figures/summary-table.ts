// The short table of the root README: what was measured, and the ratio of ours to the floor and to the best known peer.

import { shown, significant, tableOf } from './format.ts'
import type { RecordedRows, RowName } from './recorded-rows.ts'

interface Line {
  readonly what: string
  readonly row: RowName
  readonly floor: string
  readonly peer?: string
}

const local = (what: string, suite: string, name = ''): Line => ({ what, row: { suite, case: name }, floor: 'runq', peer: 'nact' })
const remote = (what: string, name: string, metric = 'throughput', floor = 'raw'): Line => ({
  what,
  row: { suite: 'tcp', case: name, metric },
  floor,
  peer: 'moleculer',
})

const LINES: readonly Line[] = [
  local('tells in bursts of 256, one actor', 'bursts'),
  local('a million tells at once, one actor', 'flood'),
  local('two actors, to and fro', 'pingpong'),
  local('100,000 actors, 10 tells each', 'many'),
  local('asks, 64 in flight', 'ask', '64 in flight'),
  local('actors spawned', 'spawn', 'with id and registry'),
  {
    what: 'heap of an idle actor that was used',
    row: { suite: 'memory', case: 'idle, after one message', metric: 'heap per actor' },
    floor: 'runq',
    peer: 'nact',
  },
  remote('between processes, 64 B, at-most-once', 'oneway 64 B, at-most-once'),
  remote('between processes, 64 B, exactly-once', 'oneway 64 B, exactly-once'),
  remote('between processes, 1 KiB, exactly-once', 'oneway 1024 B, exactly-once'),
  remote('asks between processes, 1,024 in flight', 'ask 64 B, 1024 in flight'),
  remote('one ask at a time, p50', 'ask 64 B, 1 in flight', 'p50', 'socket'),
]

export function summaryTable(rows: RecordedRows): string {
  const body = LINES.map(({ what, row, floor, peer }) => {
    const own = rows.get(row)
    const ratio = (subject: string): string => significant(rows.ratio(row, { ...row, subject }))
    return [what, shown(own.median, own.unit), `${ratio(floor)} (${floor})`, peer === undefined ? '' : `${ratio(peer)} (${peer})`]
  })
  return tableOf(['', 'cajun', 'cajun / floor', 'cajun / peer'], body)
}
