// Prints the one line that CI ends with, from the test runner's own report, and fails unless tests passed and nothing else failed.
// Plain JavaScript: it also has to speak when the installation is what broke.
// Arguments: the report, the exit code of the tests, the exit code of the checks.

import { readFileSync } from 'node:fs'

const [report, tests, checks] = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0
try {
  const result = JSON.parse(readFileSync(report, 'utf8'))
  passed = count(result, 'numPassedTests')
  // A file that could not be loaded has no tests to count.
  failed = count(result, 'numFailedTests') || count(result, 'numFailedTestSuites')
  skipped = count(result, 'numPendingTests') + count(result, 'numTodoTests')
} catch (error) {
  complain(`no report of the tests: ${error.message}`)
}
// Killed, crashed, or an error outside of every test.
if (tests !== '0' && failed === 0) complain(`the tests ended with exit code ${tests}`)
if (checks !== '0') complain(`pnpm check ended with exit code ${checks}`)
if (passed === 0 && failed === 0) complain('no test ran')
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed === 0 ? 0 : 1

function count(result, field) {
  const value = result[field]
  if (!Number.isInteger(value)) throw new TypeError(`${field} is ${value}`)
  return value
}

function complain(problem) {
  console.error(problem)
  failed++
}
