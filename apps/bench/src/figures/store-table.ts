// What the stores' READMEs show: the latency of each operation, and how long a failover takes on it.

import { shown, tableOf } from './format.ts'
import type { RecordedRows } from './recorded-rows.ts'

/** Operation, as the suite names its cases, and what readers are told of it. */
const OPERATIONS: Readonly<Record<string, string>> = {
  get: 'get',
  put: 'put',
  'conditional put': 'put with ifVersion',
  watch: 'put until another client sees it',
  'batch of 10000 keys': 'putAll of 10,000 registrations',
  'list of 10000 keys': 'list of 10,000 keys',
}

/** One column for each metric with one store; one for each store with several. */
export function storeTable(rows: RecordedRows, stores: readonly string[]): string {
  const isAlone = stores.length === 1
  const cells = stores.map((store) => Object.keys(OPERATIONS).map((operation) => latency(rows, `${store}: ${operation}`)))
  const body = Object.values(OPERATIONS).map((label, n) => {
    const ofStores = cells.map((column) => column[n] as readonly string[])
    return [
      label,
      ...(isAlone ? (ofStores[0] as readonly string[]) : ofStores.map((both) => both.filter((text) => text !== '').join(' / '))),
    ]
  })
  const head = isAlone ? ['', 'p50', 'p99'] : ['p50 / p99', ...stores]
  const failovers = stores.map((store) => failover(rows, store))
  if (failovers.every((text) => text === undefined)) return tableOf(head, body)
  const lines = stores.flatMap((store, n) => (failovers[n] === undefined ? [] : `Failover${isAlone ? '' : ` (${store})`}: ${failovers[n]}`))
  return `${tableOf(head, body)}\n\n${lines.join('  \n')}`
}

function latency(rows: RecordedRows, name: string): readonly string[] {
  const of = (metric: string) => ({ suite: 'stores', case: name, metric })
  const { median, unit } = rows.get(of('p50'))
  const p99 = rows.find(of('p99'))
  return [shown(median, unit), p99 === undefined ? '' : shown(p99.median, unit)]
}

function failover(rows: RecordedRows, store: string): string | undefined {
  const time = rows.find({ suite: 'failover', case: store, metric: 'time' })
  if (time === undefined) return undefined
  const ttl = rows.get({ suite: 'failover', case: store, metric: 'session TTL' })
  return (
    `${shown(time.median, time.unit)} (${shown(time.min, time.unit)} to ${shown(time.max, time.unit)}) with a session TTL of ${shown(ttl.median, ttl.unit)}, ` +
    "from SIGKILL of an actor's owner until a message sent at that moment was handled by the next one."
  )
}
