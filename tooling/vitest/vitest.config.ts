// Two kinds of tests: `unit` (no servers, no processes) and `process` (real sockets, child processes, proxies), one after another.

import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

const root = resolve(import.meta.dirname, '../..')
/** CI takes its totals from the runner's own report. */
const report = process.env['CAJUN_TEST_REPORT']
const source = { conditions: ['@cajun/source', 'node', 'import', 'default'] }

export default defineConfig({
  root,
  test: {
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      {
        root,
        resolve: source,
        ssr: { resolve: source },
        test: {
          name: 'unit',
          include: ['{packages,apps,tooling}/*/test/**/*.test.ts'],
          exclude: ['**/*.process.test.ts', '**/node_modules/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        root,
        resolve: source,
        ssr: { resolve: source },
        test: {
          name: 'process',
          include: ['{packages,apps,tooling}/*/test/**/*.process.test.ts'],
          // After the unit tests and one file at a time: they measure time-outs and fail-overs, and want the machine for themselves.
          sequence: { groupOrder: 1 },
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
