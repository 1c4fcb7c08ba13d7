import { describe, expect, test } from 'vitest'
import type { NodeRecord } from '../../src/cluster/node-record.ts'
import { PeerDirectory } from '../../src/cluster/peer-directory.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

function record(nodeId: string, processId: string): NodeRecord {
  return {
    ...{ nodeId, processId, incarnation: `${processId}-session`, address: `${nodeId}:1`, kinds: [], capacity: 1, load: 0, draining: false },
    protocol: { min: 1, max: 1 },
  }
}

function directory(registeredProcess: (nodeId: string) => Promise<string | undefined>) {
  const runtime = new ManualRuntime()
  const calls: string[] = []
  const peers = new PeerDirectory({
    runtime,
    local: { clusterId: 'c', nodeId: 'a', processId: 'a-1' },
    transport: { connect: (peer) => calls.push(`connect ${peer.processId}`), disconnect: (nodeId) => calls.push(`disconnect ${nodeId}`) },
    registeredProcess,
    forgetAfterMs: 600_000,
  })
  return { runtime, calls, peers }
}

const outage = (): Promise<never> => Promise.reject(new Error('the store is away'))

describe('which process may connect', () => {
  test('one that was seen registered may, without a look at the store, so also in an outage', () => {
    const { peers } = directory(outage)
    peers.joined(record('b', 'b-1'))
    expect(peers.isCurrent({ nodeId: 'b', processId: 'b-1' })).toBe(true)
  })

  test('of one that was not, the store knows', async () => {
    const { peers } = directory((nodeId) => Promise.resolve(nodeId === 'b' ? 'b-2' : undefined))
    peers.joined(record('b', 'b-1'))
    expect(await peers.isCurrent({ nodeId: 'b', processId: 'b-2' })).toBe(true)
    expect(await peers.isCurrent({ nodeId: 'b', processId: 'b-0' })).toBe(false)
    expect(await peers.isCurrent({ nodeId: 'x', processId: 'x-1' })).toBe(false)
  })

  test('an old process may not any more once a new one was seen', async () => {
    const { peers } = directory(() => Promise.resolve('b-2'))
    peers.joined(record('b', 'b-1'))
    peers.left(record('b', 'b-1'))
    peers.joined(record('b', 'b-2'))
    expect(await peers.isCurrent({ nodeId: 'b', processId: 'b-1' })).toBe(false)
  })

  test('one that left may for ten minutes: it may only have kept out', async () => {
    const { peers, runtime, calls } = directory(() => Promise.resolve(undefined))
    peers.joined(record('b', 'b-1'))
    peers.left(record('b', 'b-1'))
    runtime.advance(599_999)
    peers.forgetOld()
    expect(peers.isCurrent({ nodeId: 'b', processId: 'b-1' })).toBe(true)
    runtime.advance(1)
    peers.forgetOld()
    expect(calls).toEqual(['connect b-1', 'disconnect b'])
    expect(await peers.isCurrent({ nodeId: 'b', processId: 'b-1' })).toBe(false)
  })
})
