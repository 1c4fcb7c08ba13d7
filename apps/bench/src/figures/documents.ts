// The documents that show figures, and what each view in them shows.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { machineText } from './machine.ts'
import { type Render, renderMarked } from './marked-text.ts'
import type { BenchRecord } from './record.ts'
import { RecordedRows } from './recorded-rows.ts'
import { storeTable } from './store-table.ts'
import { suiteTable } from './suite-tables.ts'
import { summaryTable } from './summary-table.ts'
import { targetTable } from './target-table.ts'
import { frameTable, transportTable } from './transport-table.ts'

const ROOT = new URL('../../../../', import.meta.url)

/** Paths from the root of the repository. */
export function documentsWithFigures(): readonly string[] {
  const packages = readdirSync(new URL('packages/', ROOT)).map((name) => `packages/${name}/README.md`)
  return ['README.md', ...packages, 'apps/docs/performance.md'].filter((path) => read(path)?.includes('<!-- figures'))
}

export function read(path: string): string | undefined {
  try {
    return readFileSync(new URL(path, ROOT), 'utf8')
  } catch {
    return undefined
  }
}

/** The document's text with the figures of this record. Errors name the document and the line. */
export function rendered(path: string, record: BenchRecord): string {
  try {
    return renderMarked(read(path) ?? '', renderFrom(record))
  } catch (error) {
    throw new Error(`${path}, ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}

/** Those that changed. */
export function writeDocuments(record: BenchRecord): readonly string[] {
  return documentsWithFigures().filter((path) => {
    const text = rendered(path, record)
    if (text === read(path)) return false
    writeFileSync(fileURLToPath(new URL(path, ROOT)), text)
    return true
  })
}

function renderFrom(record: BenchRecord): Render {
  const rows = new RecordedRows(record.rows)
  const views: Readonly<Record<string, (args: readonly string[]) => string>> = {
    stores: (args) => storeTable(rows, args),
    transport: ([name = '']) => transportTable(rows, name),
    frames: ([name = '']) => frameTable(rows, name),
    suites: (args) => suiteTable(rows, args),
    summary: () => summaryTable(rows),
    targets: (args) => targetTable(rows, args),
    machine: (args) => {
      const wanted = Object.entries(record.machines).filter(([suite]) => args.length === 0 || args.includes(suite))
      if (wanted.length === 0) throw new Error(`no machine was recorded for ${args.join(', ')}`)
      return machineText(Object.fromEntries(wanted))
    },
  }
  return (view, args) => {
    const render = views[view]
    if (render === undefined) throw new Error(`there is no view '${view}'; there are ${Object.keys(views).join(', ')}`)
    return render(args)
  }
}
