// What escapes is noticed: tested in a process of its own, as it would count against this one.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

test('an unhandled rejection and an uncaught error are both collected', async () => {
  const main = fileURLToPath(new URL('./support/escaping.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@cajun/source', main], { timeout: 20_000 })
  expect(JSON.parse(stdout).sort()).toEqual(['rejected', 'thrown'])
})
