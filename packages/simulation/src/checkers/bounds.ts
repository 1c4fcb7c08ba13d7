// I10: queues, caches and records of what was handled stay within their bounds, and hold nothing when everything has ended.

import type { History } from '../history.ts'
import type { Violation } from './violation.ts'

export function checkBounds(history: History): Violation[] {
  const first = new Map<string, Violation>()
  for (const { process, what, value, bound, atMs } of history.excesses) {
    const key = `${process} ${what}`
    if (first.has(key)) continue
    first.set(key, { invariant: 'I10', what: `${process} keeps ${value} ${what}, and its bound is ${bound}`, atMs })
  }
  return [...first.values()]
}
