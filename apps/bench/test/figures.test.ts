// Documents show what was recorded, and nothing else.

import { describe, expect, test } from 'vitest'
import { documentsWithFigures, read, rendered } from '../src/figures/documents.ts'
import { shown } from '../src/figures/format.ts'
import { renderMarked } from '../src/figures/marked-text.ts'
import { merged, readRecord } from '../src/figures/record.ts'
import { RecordedRows } from '../src/figures/recorded-rows.ts'
import { suiteTable } from '../src/figures/suite-tables.ts'
import type { Row } from '../src/measure.ts'

const machine = { cpu: 'cpu', cores: 2, memoryGiB: 24, node: '24.0.0', system: 'linux x64', date: '2026-01-01' }

function row(suite: string, name: string, median: number, subject = 'cajun'): Row {
  return { suite, case: name, subject, metric: 'throughput', unit: 'msg/s', median, min: median / 2, max: median * 2, runs: 5 }
}

describe('the documents', () => {
  const paths = documentsWithFigures()

  test('are those that promise figures', () => {
    expect(paths).toEqual(
      expect.arrayContaining([
        'README.md',
        'apps/docs/performance.md',
        'packages/metadata-redis/README.md',
        'packages/messaging-tcp/README.md',
      ]),
    )
  })

  for (const path of paths) {
    test(`${path} shows what is recorded`, () => {
      expect(rendered(path, readRecord()), 'run `pnpm bench --write-only`').toBe(read(path))
    })
  }
})

describe('marked sections', () => {
  const view = (name: string, args: readonly string[]): string => `${name}(${args.join(',')})`

  test('are written anew, whatever stood there, and nothing else is touched', () => {
    const text = 'a\n<!-- figures: stores etcd | redis -->\nold\n\nolder\n<!-- /figures -->\nb\n'
    const written = renderMarked(text, view)
    expect(written).toBe('a\n<!-- figures: stores etcd | redis -->\n\nstores(etcd,redis)\n\n<!-- /figures -->\nb\n')
    expect(renderMarked(written, view)).toBe(written)
  })

  test.each([
    ['<!-- figures: a -->\n', 'line 1: a section of figures has no'],
    ['x\n<!-- /figures -->', 'line 2: a section of figures ends that did not begin'],
    ['<!-- figures: a -->\n<!-- figures: b -->', 'line 2: a section of figures within the one of line 1'],
    ['  <!-- figures: a -->', 'line 1: '],
  ])('%j is an error that names the line', (text, message) => {
    expect(() => renderMarked(text, view)).toThrow(message)
  })
})

describe('recorded rows', () => {
  test('are replaced case by case, in the order of the suites; of cases that are gone nothing stays', () => {
    const old = { rows: [row('b', 'gone', 1), row('b', 'kept', 2), row('a', 'x', 3)], machines: { a: machine, b: machine } }
    const cases = [
      { suite: 'a', case: 'x' },
      { suite: 'b', case: 'kept' },
    ]
    const later = { ...machine, date: '2026-02-02' }
    const { rows, machines } = merged(old, [row('a', 'x', 30)], later, cases)
    expect(rows).toEqual([row('a', 'x', 30), row('b', 'kept', 2)])
    expect(machines).toEqual({ a: later, b: machine })
  })

  test('that a document asks for and nobody measured are an error', () => {
    const rows = new RecordedRows([row('a', 'x', 3)])
    expect(() => rows.get({ suite: 'a', case: 'y' })).toThrow(
      "no row was recorded of suite 'a', case 'y', subject 'cajun', metric 'throughput'",
    )
    expect(() => suiteTable(rows, ['b'])).toThrow("suite 'b'")
  })

  test('are shown with the ratios of ours to theirs', () => {
    const rows = new RecordedRows([row('a', 'x', 3_000_000), row('a', 'x', 6_000_000, 'floor')])
    expect(suiteTable(rows, ['a']).split('\n').slice(2)).toEqual([
      '| x | cajun | 3.00 M/s | 1.50 M/s | 6.00 M/s | 5 |  |',
      '|  | floor | 6.00 M/s | 3.00 M/s | 12.0 M/s | 5 | 0.50 |',
    ])
  })

  test('have the unit that fits', () => {
    expect(shown(0.25, 'ms')).toBe('250 µs')
    expect(shown(4_321, 'ms')).toBe('4.32 s')
    expect(shown(123_456, 'msg/s')).toBe('123 k/s')
    expect(shown(295.6, 'B')).toBe('296 B')
  })
})
