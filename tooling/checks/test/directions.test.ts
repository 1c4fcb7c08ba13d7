import { describe, expect, it } from 'vitest'
import { checkPackages, checkRooms } from '../src/directions.ts'

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
