// How entries stand in Redis: '<version> <session or nothing> <value>'; and how the log's entries read.

import type { Change, Entry } from '@cajun/core/adapter'

export function unpackEntry(key: string, packed: string): Entry {
  const first = packed.indexOf(' ')
  const second = packed.indexOf(' ', first + 1)
  const version = packed.slice(0, first)
  const value = packed.slice(second + 1)
  return second === first + 1 ? { key, value, version } : { key, value, version, session: packed.slice(first + 1, second) }
}

export interface LogEntry {
  /** '<revision>-<n>' */
  readonly id: string
  readonly revision: number
  /** The id of the entry before: when it is not the one that was read before, something is missing. */
  readonly previous: string
  readonly changes: readonly Change[]
}

/** As XREAD gives it: the id, then fields and values in turn. */
export function readLogEntry([id, fields]: readonly [string, readonly string[]]): LogEntry {
  const changes: Change[] = []
  for (let at = 2; at + 1 < fields.length; at += 2) {
    const field = fields[at] as string
    const key = field.slice(1)
    changes.push(field[0] === 'p' ? { type: 'put', entry: unpackEntry(key, fields[at + 1] as string) } : { type: 'delete', key })
  }
  return { id, revision: revisionOf(id), previous: fields[1] ?? '', changes }
}

export function revisionOf(id: string): number {
  return Number(id.slice(0, id.indexOf('-')))
}
