// Nothing may escape from a store: neither an unhandled rejection nor an uncaught error. Collected for a whole test file, and judged at its end.

import { afterAll, beforeAll, expect } from 'vitest'

export function unhandled(): void {
  const escaped: unknown[] = []
  const collect = (error: unknown): void => {
    escaped.push(error)
  }
  beforeAll(() => {
    process.on('unhandledRejection', collect)
    process.on('uncaughtException', collect)
  })
  afterAll(() => {
    process.off('unhandledRejection', collect)
    process.off('uncaughtException', collect)
    expect(escaped).toEqual([])
  })
}
