import { expect, it } from 'vitest'
import { checkRuntimeBan } from '../src/runtime-ban.ts'

const inCore = (room: string, text: string) => ({ path: `packages/core/src/${room}/example.ts`, text })

it.each([
  'const now = Date.now()',
  'const now = new Date()',
  'const now = Date()',
  'const now = (Date as any).now()',
  'class Later extends Date {}',
  'performance.now()',
  'setTimeout(() => {}, 1)',
  'setTimeout!(f)',
  'const later = setImmediate',
  'const timers = { setInterval }',
  'queueMicrotask(f)',
  'new MessageChannel()',
  'AbortSignal.timeout(5)',
  'Math.random()',
  "Math['random']()",
  'Math[name]()',
  'const { random } = Math',
  'pick(Math)',
  'crypto.randomUUID()',
  'globalThis.setTimeout(f, 1)',
  'globalThis.process.env',
  'const { setTimeout: later } = globalThis',
  'process.env.NODE_ENV',
  "process['env']",
  'const { env } = process',
  'const context = { process }',
  'process.nextTick(f)',
  'function f(process) { return process.env }',
  "import { randomUUID } from 'node:crypto'",
  "import { setTimeout as wait } from 'timers/promises'",
  "import { env } from 'node:process'",
  "export { performance } from 'node:perf_hooks'",
  "const os = await import('node:os')",
])('finds %s', (text) => {
  expect(checkRuntimeBan(inCore('actor', text))).not.toEqual([])
  expect(checkRuntimeBan(inCore('runtime', text))).toEqual([])
  expect(checkRuntimeBan({ path: 'packages/messaging-tcp/src/x.ts', text })).toEqual([])
})

it.each([
  'value instanceof Date',
  'new Date(received)',
  'type When = Date',
  'type Later = typeof setTimeout',
  'runtime.performance',
  'const x = { Date: 1 }',
  'Math.max(1, 2)',
  'const log = Math.log2(8)',
  'signal instanceof AbortSignal',
  'function owner(process: ProcessId) { return same(process) }',
  'const { process, units } = options; same(process)',
  'const [{ id: process = none }] = records; same(process)',
  'for (const process of processes) same(process)',
  "import { process } from './ownership.ts'; same(process)",
])('leaves %s alone', (text) => {
  expect(checkRuntimeBan(inCore('messaging', text))).toEqual([])
})

it('says where', () => {
  const [finding] = checkRuntimeBan(inCore('actor', '\n\nconst x = 1 + Date.now()'))
  expect(finding).toMatchObject({ path: 'packages/core/src/actor/example.ts', line: 3 })
})
