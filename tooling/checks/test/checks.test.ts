import { describe, expect, it } from 'vitest'
import { checkPackages, checkRooms } from '../src/directions.ts'
import { checkFileName } from '../src/file-names.ts'
import { checkText } from '../src/forbidden-text.ts'
import { checkRuntimeBan } from '../src/runtime-ban.ts'

const inCore = (room: string, text: string) => ({ path: `packages/core/src/${room}/example.ts`, text })

describe('directions between the rooms of core', () => {
  it('refuses an import upwards, also of a type alone', () => {
    expect(checkRooms(inCore('actor', "import type { Cluster } from '../cluster/cluster.ts'"))).toHaveLength(1)
    expect(checkRooms(inCore('delivery', "export { x } from '../actor/x.ts'"))).toHaveLength(1)
    expect(checkRooms(inCore('metadata', "import { x } from '../messaging/x.ts'"))).toHaveLength(1)
    expect(checkRooms(inCore('runtime', "const x = await import('../actor/x.ts')"))).toHaveLength(1)
    expect(checkRooms(inCore('delivery', "type X = import('../actor/x.ts').X"))).toHaveLength(1)
  })

  it('refuses a room that is none', () => {
    expect(checkRooms(inCore('misc', ''))[0]?.problem).toContain("'misc' is no room")
  })

  it('allows imports downwards and within a room', () => {
    expect(checkRooms(inCore('cluster', "import { x } from '../actor/x.ts'\nimport { y } from './y.ts'"))).toEqual([])
    expect(checkRooms({ path: 'packages/core/src/errors.ts', text: "import type { R } from './delivery/dead-letter-reason.ts'" })).toEqual(
      [],
    )
  })
})

describe('directions between packages', () => {
  it('refuses one adapter that imports another, and core that imports any', () => {
    const text = "import { x } from '@cajun/metadata-memory'"
    expect(checkPackages({ path: 'packages/messaging-tcp/src/x.ts', text })).toHaveLength(1)
    expect(checkPackages({ path: 'packages/core/src/actor/x.ts', text })).toHaveLength(1)
  })

  it('refuses sources that reach into a neighbour by path', () => {
    expect(checkPackages({ path: 'apps/quickstart/src/x.ts', text: "import '../../bench/src/y.ts'" })).toHaveLength(1)
  })

  it('allows tests and apps more', () => {
    const text = "import { x } from '@cajun/contract-tests'"
    expect(checkPackages({ path: 'packages/metadata-memory/test/x.ts', text })).toEqual([])
    expect(checkPackages({ path: 'apps/quickstart/src/x.ts', text })).toEqual([])
  })
})

describe('the ban on clock, timers, randomness and environment', () => {
  it.each([
    'const now = Date.now()',
    'const now = new Date()',
    'performance.now()',
    'setTimeout(() => {}, 1)',
    'const later = setImmediate',
    'queueMicrotask(f)',
    'Math.random()',
    'globalThis.setTimeout(f, 1)',
    'process.env.NODE_ENV',
    "process['env']",
    'process.nextTick(f)',
    "import { randomUUID } from 'node:crypto'",
  ])('finds %s', (text) => {
    expect(checkRuntimeBan(inCore('actor', text))).not.toEqual([])
    expect(checkRuntimeBan(inCore('runtime', text))).toEqual([])
  })

  it.each(['value instanceof Date', 'new Date(received)', 'type When = Date', 'runtime.performance', 'const x = { Date: 1 }'])(
    'leaves %s alone',
    (text) => {
      expect(checkRuntimeBan(inCore('messaging', text))).toEqual([])
    },
  )
})

describe('names and text', () => {
  it('refuses files that name no concept or are not kebab-case', () => {
    expect(checkFileName('packages/core/src/actor/utils.ts')).toHaveLength(1)
    expect(checkFileName('packages/core/src/actor/actorCell.ts')).toHaveLength(1)
    expect(checkFileName('packages/core/src/actor/actor-cell.ts')).toEqual([])
    expect(checkFileName('packages/core/test/actor/cell.process.test.ts')).toEqual([])
  })

  it('refuses machine paths, registry hosts and silenced checks', () => {
    const path = 'packages/core/src/actor/x.ts'
    expect(checkText({ path, text: '// see /root/notes/x' })).toHaveLength(1)
    expect(checkText({ path: 'pnpm-lock.yaml', text: 'https://registry.npmjs.org/x' })).toHaveLength(1)
    expect(checkText({ path, text: '// @ts-ignore' })).toHaveLength(1)
    expect(checkText({ path: 'packages/core/test/x.test.ts', text: 'it.only("x", f)' })).toHaveLength(1)
    expect(checkText({ path, text: "import x from '../root/x.ts'" })).toEqual([])
  })
})
