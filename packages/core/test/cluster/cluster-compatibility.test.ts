import { describe, expect, it } from 'vitest'
import { defineActor } from '../../src/actor/definition.ts'
import { requireCompatible } from '../../src/cluster/cluster-compatibility.ts'
import { ClusterKeys } from '../../src/cluster/cluster-keys.ts'
import { encodeNodeRecord, type NodeRecord } from '../../src/cluster/node-record.ts'
import { encodePlacement } from '../../src/cluster/placement-codec.ts'
import { initialPlacement } from '../../src/cluster/placement-document.ts'
import { HASH_VERSION } from '../../src/hashing/key-hash.ts'
import { PROTOCOL } from '../../src/messaging/protocol-version.ts'

const keys = new ClusterKeys('c')
const Counter = defineActor('counter', { messages: {} })

function node(nodeId: string, more: Partial<NodeRecord> = {}): [string, string] {
  const record: NodeRecord = {
    nodeId,
    processId: 'p',
    incarnation: 'i',
    address: '10.0.0.7:80',
    kinds: ['counter'],
    capacity: 1,
    load: 0,
    draining: false,
    protocol: PROTOCOL,
    ...more,
  }
  return [keys.node(nodeId), encodeNodeRecord(record)]
}

function joining(entries: readonly (readonly [string, string])[], peers?: readonly string[]): Promise<void> {
  const store = {
    list: async (prefix: string) =>
      entries.filter(([key]) => key.startsWith(prefix)).map(([key, value]) => ({ key, value, version: '1', session: undefined })),
  } as never
  const options = {
    nodeId: 'me',
    clusterId: 'c',
    shardCount: 16,
    actors: [Counter],
    peers: peers?.map((nodeId) => ({ nodeId, address: nodeId })),
  }
  return requireCompatible(store, keys, options)
}

const incompatible = (says: RegExp) => ({ code: 'INCOMPATIBLE_CLUSTER', message: expect.stringMatching(says) })

describe('a node may join', () => {
  it('where nobody is, and where everybody is as it is', async () => {
    await joining([])
    await joining([node('other'), [keys.placementOf('counter'), encodePlacement(initialPlacement('counter', 16))]])
  })

  it('whatever its own predecessor spoke, and whatever kinds that it does not know are like', async () => {
    await joining([
      node('me', { protocol: { min: 9, max: 9 } }),
      [keys.placementOf('elsewhere'), encodePlacement(initialPlacement('elsewhere', 4, HASH_VERSION))],
    ])
  })

  it('beside releases whose versions overlap with its own', async () => {
    await joining([node('other', { protocol: { min: 1, max: PROTOCOL.max + 5 } })])
  })
})

describe('a node may not join', () => {
  it('beside a release that speaks no version in common', async () => {
    await expect(joining([node('newer', { protocol: { min: PROTOCOL.max + 1, max: PROTOCOL.max + 2 } })])).rejects.toMatchObject(
      incompatible(/^node 'newer' of cluster 'c' speaks protocol versions 2 to 3, this release version 1; upgrade through/),
    )
  })

  it('where its kinds have another number of shards', async () => {
    await expect(joining([[keys.placementOf('counter'), encodePlacement(initialPlacement('counter', 32))]])).rejects.toMatchObject(
      incompatible(/^kind 'counter' .* has 32 shards, and shardCount is 16; .* set shardCount: 32$/),
    )
  })

  it('where its static peers and those of others do not agree', async () => {
    await expect(joining([node('other')], ['me', 'third'])).rejects.toMatchObject(incompatible(/^node 'other' is in the cluster and not/))
    await expect(joining([node('other', { peers: ['other', 'third'] })], ['me', 'other'])).rejects.toMatchObject(
      incompatible(/^node 'other' has static peers .* other, third; .* 'me'/),
    )
    await expect(joining([node('other', { peers: ['other'] })])).rejects.toMatchObject(incompatible(/^node 'other' has static peers/))
    await joining([node('other', { peers: ['me', 'other'] })], ['me', 'other'])
  })
})
