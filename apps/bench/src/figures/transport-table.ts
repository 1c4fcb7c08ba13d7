// What the transports' READMEs show: one way and round trip under each guarantee, many asks at a time, and how long a cut connection costs.

import { guarantees } from '../remote/guarantees.ts'
import { shown, significant, tableOf } from './format.ts'
import type { RecordedRows } from './recorded-rows.ts'

const ONE_WAY = /^oneway (\d+) B, (at-most-once|at-least-once|exactly-once)$/
const IN_FLIGHT = /^ask 64 B, (\d+) in flight$/

export function transportTable(rows: RecordedRows, transport: string): string {
  const names = rows.casesOf(transport)
  const sizes = [...new Set(names.flatMap((name) => ONE_WAY.exec(name)?.[1] ?? []))]
  if (sizes.length === 0) throw new Error(`no row was recorded of messages one way over '${transport}'`)
  const oneWay = (bytes: string): readonly string[] => [
    `one way, ${Number(bytes).toLocaleString('en')} B`,
    ...guarantees.map((guarantee) => {
      const { median, unit } = rows.get({ suite: transport, case: `oneway ${bytes} B, ${guarantee}` })
      return shown(median, unit).replace('/s', ' messages/s')
    }),
  ]
  const trips = [
    'round trip (ask), 64 B: p50 / p99',
    ...guarantees.map((guarantee) => {
      const at = (metric: string) => rows.get({ suite: transport, case: `ask 64 B, ${guarantee}`, metric })
      return `${shown(at('p50').median, 'µs')} / ${shown(at('p99').median, 'µs')}`
    }),
  ]
  const lines = [tableOf(['', ...guarantees], [...sizes.map(oneWay), trips]), '']
  const asks = names.flatMap((name) => {
    const lanes = IN_FLIGHT.exec(name)?.[1]
    if (lanes === undefined) return []
    const { median, unit } = rows.get({ suite: transport, case: name })
    return `${shown(median, unit).replace('/s', '')} asks/s with ${Number(lanes).toLocaleString('en')} in flight`
  })
  if (asks.length > 0) lines.push(`Exactly-once: ${asks.join(', ')}.`)
  const cut = rows.find({ suite: transport, case: 'reconnect', metric: 'time' })
  if (cut !== undefined) {
    const [median, min, max] = [cut.median, cut.min, cut.max].map((value) => shown(value, cut.unit))
    lines.push(
      `After every connection was cut, a message sent at that moment was handled and acknowledged within ${median} (${min} to ${max}).`,
    )
  }
  return lines.join('\n').trimEnd()
}

/** Bare frames of a transport, without core. */
export function frameTable(rows: RecordedRows, transport: string): string {
  const names = rows.casesOf('frames').filter((name) => name.startsWith(`${transport}, `))
  if (names.length === 0) throw new Error(`no row was recorded of frames over '${transport}'`)
  const body = names.map((name) => {
    const [ours, floor] = ['cajun', 'socket'].map((subject) => rows.get({ suite: 'frames', case: name, subject }).median) as [
      number,
      number,
    ]
    const frames = rows.get({ suite: 'frames', case: name, metric: 'frames' })
    const bytes = Number(/(\d+) B$/.exec(name)?.[1])
    return [
      `${bytes.toLocaleString('en')} B`,
      shown(frames.median, frames.unit),
      significant(ours),
      significant(floor),
      significant(ours / floor),
    ]
  })
  return tableOf(['frame', 'frames', 'MB/s', 'bare socket, MB/s', 'ratio'], body)
}
