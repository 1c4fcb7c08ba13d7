import { expect, it } from 'vitest'
import { checkUnitTest } from '../src/unit-tests.ts'

it('refuses sockets and processes in a unit test', () => {
  expect(checkUnitTest({ path: 'packages/x/test/x.test.ts', text: "import { createServer } from 'node:net'" })).toHaveLength(1)
  expect(checkUnitTest({ path: 'packages/x/test/x.test.ts', text: "import { fork } from 'child_process'" })).toHaveLength(1)
})

it('allows them where processes are expected', () => {
  const text = "import { createServer } from 'node:net'"
  expect(checkUnitTest({ path: 'packages/x/test/x.process.test.ts', text })).toEqual([])
  expect(checkUnitTest({ path: 'packages/x/test/support/proxy.ts', text })).toEqual([])
})
