// Two kinds of tests: `unit` (no servers, no processes) and `process` (real sockets, child processes, proxies), one after another.

import { defineConfig } from 'vitest/config'

const root = new URL('../..', import.meta.url).pathname
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
        },
      },
      {
        root,
        resolve: source,
        ssr: { resolve: source },
        test: {
          name: 'process',
          include: ['{packages,apps,tooling}/*/test/**/*.process.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
