// How V8 keeps `String.prototype` decides how fast strings are in the whole process. Each case has a process of its own: it can't be undone.

import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

function stringsAreFastAfterLoading(module: string): boolean {
  const script = `await import('${module}'); console.log(%HasFastProperties(String.prototype))`
  const options = ['--allow-natives-syntax', '--conditions=@cajun/source', '--disable-warning=ExperimentalWarning', '--input-type=module']
  const answer = execFileSync(process.execPath, [...options, '-e', script], { cwd: new URL('..', import.meta.url), encoding: 'utf8' })
  return JSON.parse(answer) as boolean
}

test('ioredis by itself makes strings slow: otherwise fast-strings.ts can go', () => {
  expect(stringsAreFastAfterLoading('ioredis')).toBe(false)
})

test('the store leaves strings fast', () => {
  expect(stringsAreFastAfterLoading('./src/index.ts')).toBe(true)
})
