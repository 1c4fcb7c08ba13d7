import fc from 'fast-check'
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

describe('connections', () => {
  const node = fc.constantFrom('a', 'b', 'c')
  const life = fc.integer({ min: 1, max: 2 })
  const event = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constantFrom('joined' as const, 'left' as const, 'up' as const, 'down' as const), node, life }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.oneof(fc.integer({ min: 1, max: 400_000 }), fc.constant(600_000)) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('disconnect-all' as const) }) },
  )

  test('are wanted to whoever is registered, or left a short while ago, and to nobody else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 20, maxLength: 80 }), async (events) => {
        const runtime = new ManualRuntime()
        /** As the transport has it: the process that each node is wanted as, and at which address. */
        const wanted = new Map<string, string>()
        const peers = new PeerDirectory({
          runtime,
          local: { clusterId: 'c', nodeId: 'a', processId: 'a-1' },
          transport: {
            connect: (peer) => wanted.set(peer.nodeId, `${peer.processId} at ${peer.address}`),
            disconnect: (nodeId) => wanted.delete(nodeId),
          },
          addresses: new Map([['c', 'fixed:1']]),
          registeredProcess: outage,
          forgetAfterMs: 600_000,
        })
        const registered = new Map<string, NodeRecord>()
        const left = new Map<string, { readonly processId: string; readonly atMs: number }>()
        const up = new Map<string, string>()
        for (const event of events) {
          if (event.do === 'pass') runtime.advance(event.ms)
          else if (event.do === 'disconnect-all') {
            peers.disconnectAll()
            registered.clear()
            left.clear()
          } else {
            const processId = `${event.node}-${event.life}`
            const entry = record(event.node, processId)
            const present = registered.get(event.node)
            if (event.do === 'joined') {
              registered.set(event.node, entry)
              left.delete(event.node)
              peers.joined(entry)
            } else if (event.do === 'left' && present !== undefined) {
              registered.delete(event.node)
              left.set(event.node, { processId: present.processId, atMs: runtime.monotonicMs() })
              peers.left(present)
            } else if (event.do === 'up') {
              expect(peers.up({ nodeId: event.node, processId })).toBe(up.get(event.node) !== processId)
              up.set(event.node, processId)
            } else if (event.do === 'down') {
              expect(peers.down({ nodeId: event.node, processId })).toBe(up.get(event.node) === processId)
              if (up.get(event.node) === processId) up.delete(event.node)
            }
          }
          peers.forgetOld()
          for (const [nodeId, { atMs }] of left) if (runtime.monotonicMs() - atMs >= 600_000) left.delete(nodeId)
          const expected = new Map<string, string>()
          for (const { nodeId, processId } of [...registered.values()]) expected.set(nodeId, processId)
          for (const [nodeId, { processId }] of left) expected.set(nodeId, processId)
          expected.delete('a')
          expect([...wanted].sort()).toEqual(
            [...expected].map(([nodeId, processId]) => [nodeId, `${processId} at ${nodeId === 'c' ? 'fixed' : nodeId}:1`]).sort(),
          )
          for (const nodeId of ['b', 'c']) {
            for (const processId of [`${nodeId}-1`, `${nodeId}-2`]) {
              const may = await Promise.resolve(peers.isCurrent({ nodeId, processId })).catch(() => false)
              expect(may).toBe(expected.get(nodeId) === processId)
              expect(peers.isUp(nodeId, processId)).toBe(up.get(nodeId) === processId)
            }
            expect(peers.isUp(nodeId)).toBe(up.has(nodeId))
          }
          expect(peers.upCount).toBe(up.size)
          // Under this node's own id nobody but itself is registered.
          expect(peers.hasStranger).toBe([...up].some(([id, processId]) => id === 'a' || registered.get(id)?.processId !== processId))
          expect([...peers.registeredAndDown].sort()).toEqual(
            [...registered.keys()].filter((nodeId) => nodeId !== 'a' && !up.has(nodeId)).sort(),
          )
        }
      }),
      { numRuns: 150 },
    )
  })
})
