// What the figures are held against: the ratios that the project set itself, beside what was measured. Missed ones are shown as missed.

import { shown, significant, tableOf } from './format.ts'
import type { RecordedRows, RowName } from './recorded-rows.ts'

interface Target {
  readonly part: 'local' | 'remote' | 'cluster'
  readonly what: string
  readonly ours: RowName
  /** Absent: the figure itself is what counts. */
  readonly theirs?: RowName
  readonly bound: number
  /** Default: at least. */
  readonly atMost?: boolean
}

const local = (suite: string, floor: number, peer: number, name = ''): readonly Target[] =>
  [['runq', floor] as const, ['nact', peer] as const].map(([subject, bound]) => ({
    part: 'local',
    what: `${[suite, name].filter((text) => text !== '').join(' ')} against ${subject}`,
    ours: { suite, case: name },
    theirs: { suite, case: name, subject },
    bound,
  }))

const oneWay = (bytes: number, raw: number, moleculer: number): readonly Target[] =>
  [['raw', raw] as const, ['moleculer', moleculer] as const].map(([subject, bound]) => {
    const name = { suite: 'tcp', case: `oneway ${bytes} B, at-most-once` }
    return {
      part: 'remote',
      what: `one way, ${bytes} B, at-most-once, against ${subject}`,
      ours: name,
      theirs: { ...name, subject },
      bound,
    }
  })

const asks = (lanes: number, raw: number, moleculer: number): readonly Target[] =>
  [['raw', raw] as const, ['moleculer', moleculer] as const].map(([subject, bound]) => {
    const name = { suite: 'tcp', case: `ask 64 B, ${lanes} in flight` }
    return { part: 'remote', what: `ask, ${lanes} in flight, against ${subject}`, ours: name, theirs: { ...name, subject }, bound }
  })

const tcp64 = (guarantee: string): RowName => ({ suite: 'tcp', case: `oneway 64 B, ${guarantee}` })
const askAlone = (subject: string): RowName => ({ suite: 'tcp', case: 'ask 64 B, 1 in flight', subject, metric: 'p50' })
const lookUp = (nodes: number, bound: number): Target => ({
  part: 'cluster',
  what: `owner look-up, ${nodes} nodes`,
  ours: { suite: 'locate', case: `${nodes} nodes, a million actors`, metric: 'look-up' },
  bound,
  atMost: true,
})
const lookUpThrough = (nodes: number, refs: string): Target => ({
  part: 'cluster',
  what: `owner look-up through ${refs} refs in turn, ${nodes} nodes`,
  ours: { suite: 'locate', case: `${nodes} nodes, through ${refs} refs in turn`, metric: 'look-up' },
  bound: 50,
  atMost: true,
})
const overRabbitMq: RowName = { suite: 'rabbitmq', case: 'oneway 64 B, at-most-once' }
const planning = (capacities: string): Target => {
  const name = { suite: 'plan', case: `1000 nodes x 1024 shards, ${capacities}`, metric: 'time' }
  return {
    part: 'cluster',
    what: `planning 1,000 nodes x 1,024 shards, ${capacities}, against the hash loop`,
    ours: name,
    theirs: { ...name, subject: 'hashes' },
    bound: 3,
    atMost: true,
  }
}
const memory = { suite: 'memory', case: 'idle, after one message', metric: 'heap per actor' }

const TARGETS: readonly Target[] = [
  ...local('bursts', 0.3, 15),
  ...local('flood', 0.6, 5),
  ...local('fanin', 0.6, 5),
  ...local('pingpong', 0.5, 6),
  ...local('pairs', 0.5, 3),
  ...local('fanout', 0.5, 4.5),
  ...local('many', 0.5, 4.5),
  ...local('ask', 0.4, 4, '1 in flight'),
  ...local('ask', 0.3, 8, '64 in flight'),
  ...local('spawn', 0.3, 3, 'with id and registry'),
  { part: 'local', what: 'heap of an idle actor after one message', ours: memory, bound: 400, atMost: true },
  {
    part: 'local',
    what: 'heap of an idle actor against nact',
    ours: memory,
    theirs: { ...memory, subject: 'nact' },
    bound: 0.3,
    atMost: true,
  },
  ...oneWay(64, 0.6, 10),
  ...oneWay(256, 0.7, 6),
  ...oneWay(1024, 0.85, 1.9),
  {
    part: 'remote',
    what: 'at-least-once against our at-most-once, 64 B',
    ours: tcp64('at-least-once'),
    theirs: tcp64('at-most-once'),
    bound: 0.85,
  },
  {
    part: 'remote',
    what: 'exactly-once against our at-most-once, 64 B',
    ours: tcp64('exactly-once'),
    theirs: tcp64('at-most-once'),
    bound: 0.85,
  },
  {
    part: 'remote',
    what: 'exactly-once against moleculer, 64 B',
    ours: tcp64('exactly-once'),
    theirs: { ...tcp64('exactly-once'), subject: 'moleculer' },
    bound: 8,
  },
  {
    part: 'remote',
    what: 'a producer that awaits each send against one that does not',
    ours: { suite: 'tcp', case: 'awaited send 64 B, at-most-once' },
    theirs: { suite: 'tcp', case: 'awaited send 64 B, at-most-once', subject: 'not awaited' },
    bound: 0.5,
  },
  {
    part: 'remote',
    what: 'ask, 1 in flight, p50, against a bare socket',
    ours: askAlone('cajun'),
    theirs: askAlone('socket'),
    bound: 1.2,
    atMost: true,
  },
  {
    part: 'remote',
    what: 'ask, 1 in flight, p50, against moleculer',
    ours: askAlone('cajun'),
    theirs: askAlone('moleculer'),
    bound: 0.9,
    atMost: true,
  },
  ...asks(64, 0.6, 3.2),
  ...asks(1_024, 0.5, 5.5),
  {
    part: 'remote',
    what: 'WebSocket, 64 B, against our TCP',
    ours: { suite: 'websocket', case: 'oneway 64 B, at-most-once' },
    theirs: { suite: 'websocket', case: 'oneway 64 B, at-most-once', subject: 'cajun over tcp' },
    bound: 0.75,
  },
  {
    part: 'remote',
    what: 'RabbitMQ, one way, 64 B, at-most-once, against a packed floor',
    ours: overRabbitMq,
    theirs: { ...overRabbitMq, subject: 'packed' },
    bound: 0.6,
  },
  {
    part: 'remote',
    what: 'RabbitMQ, one way, 64 B, at-most-once, against one message each',
    ours: overRabbitMq,
    theirs: { ...overRabbitMq, subject: 'one message each' },
    bound: 8,
  },
  lookUp(3, 100),
  lookUp(10, 150),
  lookUp(100, 350),
  lookUpThrough(3, '1,000'),
  lookUpThrough(10, '1,000'),
  lookUpThrough(100, '1,000'),
  lookUpThrough(100, 'a million'),
  planning('equal capacities'),
  planning('unequal capacities'),
  {
    part: 'cluster',
    what: 'a million actors on one node of a cluster, each used once: most resident memory',
    ours: { suite: 'residents', case: 'a million actors, one node of a cluster', metric: 'largest resident memory' },
    bound: 1_024,
    atMost: true,
  },
]

/** Of these parts, or of all. */
export function targetTable(rows: RecordedRows, parts: readonly string[]): string {
  const wanted = TARGETS.filter(({ part }) => parts.length === 0 || parts.includes(part))
  const body = wanted.map(({ what, ours, theirs, bound, atMost = false }) => {
    const own = rows.get(ours)
    const value = theirs === undefined ? own.median : rows.ratio(ours, theirs)
    const isReached = atMost ? value <= bound : value >= bound
    const show = (figure: number): string => (theirs === undefined ? shown(figure, own.unit) : significant(figure))
    return [what, shown(own.median, own.unit), show(value), `${atMost ? '≤' : '≥'} ${show(bound)}`, isReached ? 'yes' : '**no**']
  })
  return tableOf(['', 'cajun', theirsHead(wanted), 'target', 'reached'], body)
}

const theirsHead = (targets: readonly Target[]): string =>
  targets.every(({ theirs }) => theirs !== undefined) ? 'ratio' : 'ratio or figure'
