import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const TOTALS = resolve(import.meta.dirname, '../../../.ci/totals.mjs')
const REPORT = { numPassedTests: 7, numFailedTests: 0, numFailedTestSuites: 0, numPendingTests: 0, numTodoTests: 0 }

/** The last line and the exit code for a report and the exit codes of the tests and of the checks. */
function totals(
  report: object | string | undefined,
  tests: number,
  checks: number,
): readonly [line: string | undefined, status: number | null] {
  const folder = mkdtempSync(join(tmpdir(), 'cajun-totals-'))
  try {
    const file = join(folder, 'report.json')
    if (report !== undefined) writeFileSync(file, typeof report === 'string' ? report : JSON.stringify(report))
    const { stdout, status } = spawnSync(process.execPath, [TOTALS, file, `${tests}`, `${checks}`], { encoding: 'utf8' })
    return [stdout.trimEnd().split('\n').at(-1), status]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

it('passes when tests and checks passed', () => {
  expect(totals(REPORT, 0, 0)).toEqual(['7 passed, 0 failed', 0])
  expect(totals({ ...REPORT, numPendingTests: 2, numTodoTests: 1 }, 0, 0)).toEqual(['7 passed, 0 failed, 3 skipped', 0])
})

it.each([
  ['a test failed', { ...REPORT, numFailedTests: 2, numFailedTestSuites: 3 }, 1, 0, '7 passed, 2 failed'],
  ['a file could not be loaded', { ...REPORT, numFailedTestSuites: 1 }, 1, 0, '7 passed, 1 failed'],
  ['an error outside of every test', REPORT, 1, 0, '7 passed, 1 failed'],
  ['the checks failed', REPORT, 0, 1, '7 passed, 1 failed'],
  ['the installation failed, so nothing was reported', undefined, 1, 1, '0 passed, 2 failed'],
  ['the report was cut off', '{ "numPassed', 137, 0, '0 passed, 1 failed'],
  ['the report says something else', {}, 0, 0, '0 passed, 1 failed'],
  ['no test ran', { ...REPORT, numPassedTests: 0 }, 0, 0, '0 passed, 1 failed'],
])('fails when %s', (_, report, tests, checks, line) => {
  expect(totals(report, tests, checks)).toEqual([line, 1])
})
