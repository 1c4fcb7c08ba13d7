// What may be written after `pnpm demo`, and what is said to what may not.

import { describe, expect, it } from 'vitest'
import { readCommandLine, USAGE } from '../src/command-line.ts'
import { storeNames } from '../src/stores.ts'
import { transportNames } from '../src/transports.ts'

describe('the options of the demo', () => {
  it('are the embedded store and TCP when none is given', () => {
    expect(readCommandLine([])).toEqual({ kind: 'run', choice: { metadata: 'memory', messaging: 'tcp' } })
  })

  it('take every store with every transport, and the usage names them all', () => {
    for (const metadata of storeNames) {
      for (const messaging of transportNames) {
        const choice = { metadata, messaging }
        expect(readCommandLine(['--metadata', metadata, `--messaging=${messaging}`])).toEqual({ kind: 'run', choice })
        expect(USAGE).toContain(metadata)
        expect(USAGE).toContain(messaging)
      }
    }
  })

  it('are refused with what would be right', () => {
    const problem = (...args: string[]): string => {
      const read = readCommandLine(args)
      return read.kind === 'wrong' ? read.problem : read.kind
    }
    expect(problem('--metadata', 'consul')).toBe(`--metadata is 'consul'; it must be one of ${storeNames.join(', ')}`)
    expect(problem('--messaging', 'toString')).toBe(`--messaging is 'toString'; it must be one of ${transportNames.join(', ')}`)
    expect(problem('--metadata')).toContain("'--metadata <value>' argument missing")
    expect(problem('--store', 'etcd')).toContain("Unknown option '--store'")
    expect(problem('etcd')).toContain("Unexpected argument 'etcd'")
    expect(problem('--help', '--metadata', 'consul')).toBe('help')
  })
})
