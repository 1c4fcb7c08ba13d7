import { describe, expect, it } from 'vitest'
import type { ActorDefinition } from '../../src/actor/definition.ts'
import { type ClusterOptions, clusterDefaults, requireStore, resolveClusterOptions } from '../../src/cluster/cluster-options.ts'
import { ConfigError, StoreCapabilityError } from '../../src/errors.ts'
import type { MessagingSystem } from '../../src/messaging/messaging-system.ts'
import type { MetadataStore, StoreCapabilities } from '../../src/metadata/metadata-store.ts'

// Options are looked at, never called: stand-ins with a method and capabilities will do.
const metadata = { openSession: () => undefined } as unknown as MetadataStore
const messaging = { connect: () => undefined, capabilities: { maxFrameBytes: 4 * 1024 * 1024 } } as unknown as MessagingSystem
const definition = (kind: string): ActorDefinition => ({ kind }) as ActorDefinition
const given: ClusterOptions = { nodeId: 'node1', metadata, messaging, actors: [definition('counter'), definition('cart')] }

const resolve = (more: Partial<Record<keyof ClusterOptions, unknown>> = {}): ReturnType<typeof resolveClusterOptions> =>
  resolveClusterOptions({ ...given, ...more } as ClusterOptions)
const problemOf = (more: Record<string, unknown>): string => {
  try {
    resolve(more)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  throw new Error(`${Object.keys(more).join()} was taken`)
}

describe('cluster options', () => {
  it('have defaults for all but node, store, transport and actors', () => {
    expect(resolve()).toMatchObject({
      clusterId: 'default',
      hosts: ['counter', 'cart'],
      shardCount: 256,
      sessionTtlMs: 5_000,
      capacity: 1,
      placement: { strategy: 'rendezvous', topK: 3, maxMovingShare: 0.1 },
      handoff: { timeoutMs: 30_000, chunkBytes: 262_144, concurrent: 4 },
      acceptUnfencedStore: false,
      isolationMs: 15_000,
      reconcileMs: 30_000,
      stopTimeoutMs: 10_000,
      defaultGuarantee: 'exactly-once',
      measureLatency: false,
      runtime: clusterDefaults.runtime,
    })
  })

  it('keep what was given, and fill in the rest of a section', () => {
    const resolved = resolve({ placement: { strategy: 'least-loaded' }, handoff: { concurrent: 1 }, isolationMs: Number.POSITIVE_INFINITY })
    expect(resolved.placement).toEqual({ strategy: 'least-loaded', topK: 3, maxMovingShare: 0.1 })
    expect(resolved.handoff).toEqual({ timeoutMs: 30_000, chunkBytes: 262_144, concurrent: 1 })
    expect(resolved.isolationMs).toBe(Number.POSITIVE_INFINITY)
  })

  it('that are undefined are as good as absent', () => {
    const all = Object.fromEntries(Object.keys(resolve()).map((name) => [name, undefined]))
    expect(resolveClusterOptions({ ...all, ...given } as ClusterOptions)).toEqual({ ...all, ...resolve() })
  })

  it('that follow the session TTL grow with it', () => {
    expect(resolve({ sessionTtlMs: 60_000 })).toMatchObject({ isolationMs: 180_000, reconcileMs: 60_000, handoff: { timeoutMs: 60_000 } })
  })

  it('may name no kind to host: a pure client', () => {
    expect(resolve({ hosts: [] }).hosts).toEqual([])
    expect(resolve({ actors: [] }).hosts).toEqual([])
  })
})

describe('a cluster option that is wrong is refused at construction, by name, with its value and what would be right:', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['a typing error', { sesionTtlMs: 5_000 }, 'unknown option sesionTtlMs; known are: nodeId, clusterId'],
    ['no node id', { nodeId: undefined }, 'nodeId is missing; it must be 1 to 128 of the characters'],
    ['an empty node id', { nodeId: '' }, 'nodeId is ""; it must be'],
    ['a node id with a slash', { nodeId: 'a/b' }, 'nodeId is "a/b"; it must be'],
    ['a node id that is too long', { nodeId: 'x'.repeat(129) }, `nodeId is "${'x'.repeat(129)}"; it must be`],
    ['a cluster id with a space', { clusterId: 'my cluster' }, 'clusterId is "my cluster"; it must be'],
    ['no store', { metadata: undefined }, 'metadata is missing; it must be a MetadataStore'],
    ['a store that is none', { metadata: { url: 'etcd://' } }, 'metadata is an object; it must be a MetadataStore'],
    ['no transport', { messaging: 'tcp' }, 'messaging is "tcp"; it must be a MessagingSystem'],
    ['no actors', { actors: undefined }, 'actors is missing; it must be an array'],
    ['an actor that is none', { actors: [class Counter {}] }, 'actors[0] is a function; it must be what defineActor returns'],
    ['a kind twice', { actors: [definition('a'), definition('a')] }, 'actors[1] has the kind "a", and so has an earlier one'],
    ['a host of an unknown kind', { hosts: ['basket'] }, 'hosts names "basket", which is no kind of actors; those are: counter, cart'],
    ['no shards', { shardCount: 0 }, 'shardCount is 0; it must be a whole number from 1 to 4096'],
    ['half a shard', { shardCount: 1.5 }, 'shardCount is 1.5; it must be a whole number'],
    ['a TTL as text', { sessionTtlMs: '5s' }, 'sessionTtlMs is "5s"; it must be a whole number from 500 to 600000'],
    ['a TTL below what a garbage collection takes', { sessionTtlMs: 100 }, 'sessionTtlMs is 100; it must be a whole number from 500'],
    ['no TTL', { sessionTtlMs: Number.NaN }, 'sessionTtlMs is NaN; it must be a whole number'],
    ['no capacity', { capacity: 0 }, 'capacity is 0; it must be a number from 0.01 to 1000'],
    ['a load that is no function', { load: 5 }, 'load is 5; it must be a function'],
    [
      'an unknown strategy',
      { placement: { strategy: 'random' } },
      'placement.strategy is "random"; it must be one of rendezvous, least-loaded',
    ],
    ['an unknown placement option', { placement: { topk: 1 } }, 'unknown option placement.topk; known are: strategy, topK, maxMovingShare'],
    ['a share above all', { placement: { maxMovingShare: 10 } }, 'placement.maxMovingShare is 10; it must be a number from 0 to 1'],
    [
      'a handoff shorter than the TTL',
      { handoff: { timeoutMs: 2_000 } },
      'handoff.timeoutMs is 2000; it must be at least sessionTtlMs (5000)',
    ],
    [
      'a handoff chunk above a control message',
      { handoff: { chunkBytes: 1_000_000 } },
      'handoff.chunkBytes is 1000000; it must be a whole number from 1024 to 262144',
    ],
    ['a section that is none', { handoff: 5 }, 'handoff is 5; it must be an object'],
    [
      'isolation before the TTL',
      { isolationMs: 1_000 },
      'isolationMs is 1000; it must be a number of milliseconds from sessionTtlMs (5000)',
    ],
    [
      'reconciliation before the TTL',
      { reconcileMs: 4_999 },
      'reconcileMs is 4999; it must be a number of milliseconds from sessionTtlMs (5000)',
    ],
    ['reconciliation never', { reconcileMs: Number.POSITIVE_INFINITY }, 'reconcileMs is Infinity; it must be'],
    ['a negative patience', { stopTimeoutMs: -1 }, 'stopTimeoutMs is -1; it must be a number from 0'],
    [
      'an unknown guarantee',
      { defaultGuarantee: 'always' },
      'defaultGuarantee is "always"; it must be one of at-most-once, at-least-once, exactly-once',
    ],
    ['a flag that is none', { acceptUnfencedStore: 'yes' }, 'acceptUnfencedStore is "yes"; it must be true or false'],
    ['strictness that is no flag', { strict: 1 }, 'strict is 1; it must be true or false'],
    ['a delivery limit that is none', { delivery: { outboxMesages: 1 } }, "unknown delivery limit 'outboxMesages'"],
    [
      'payloads above the frames of the transport',
      { delivery: { maxPayloadBytes: 8 * 1024 * 1024 } },
      "the transport's frames hold 4194304 bytes",
    ],
  ])('%s', (_name, more, message) => {
    expect(problemOf(more)).toContain(message)
  })

  it('options that are no object', () => {
    expect(() => resolveClusterOptions(undefined as unknown as ClusterOptions)).toThrow('options are missing; they must be an object')
  })

  it('and the error never quotes an object, which may hold secrets', () => {
    expect(problemOf({ metadata: { password: 'hunter2' } })).not.toContain('hunter2')
  })
})

describe('static peers', () => {
  const peers = (...list: unknown[]): string => problemOf({ peers: list })
  const self = { nodeId: 'node1', address: '10.0.0.1:8080' }

  it('that name this node and others once each are taken', () => {
    const list = [self, { nodeId: 'node2', address: '10.0.0.2:8080' }]
    expect(resolve({ peers: list }).peers).toEqual(list)
  })

  it('must name this node', () => {
    expect(peers({ nodeId: 'node2', address: 'x:1' })).toContain('peers does not name this node, node1; it names: node2')
    expect(peers()).toContain('it names: nobody')
  })

  it('must have an address each, another for each', () => {
    expect(peers(self, { nodeId: 'node2', address: ' ' })).toContain('peers[1].address (node node2) is " "; it must be an address')
    expect(peers(self, { nodeId: 'node2' })).toContain('peers[1].address (node node2) is missing')
    expect(peers(self, { ...self, nodeId: 'node2' })).toContain('gives node node2 the address 10.0.0.1:8080, which node node1 has')
  })

  it('must be named once', () => {
    expect(peers(self, { ...self, address: 'x:1' })).toContain('peers[1] names node node1 a second time')
  })

  it('must have usable names', () => {
    expect(peers(self, { nodeId: 'a b', address: 'x:1' })).toContain('peers[1].nodeId is "a b"')
    expect(peers(null)).toContain('peers[0].nodeId is missing')
    expect(problemOf({ peers: 'node2' })).toContain('peers is "node2"; it must be an array')
  })
})

describe('a store', () => {
  const able: StoreCapabilities = {
    linearizable: true,
    fencing: true,
    atomicBatch: true,
    maxBatch: 128,
    maxValueBytes: 1_048_576,
    watch: 'every',
  }

  it('that can hold what the options ask for is taken', () => {
    expect(() => requireStore(able, resolve())).not.toThrow()
    expect(() => requireStore(able, resolve({ shardCount: 4_096 }))).not.toThrow()
  })

  it('that can not fence is refused, unless that is accepted', () => {
    const redis = { ...able, fencing: false, linearizable: false }
    expect(() => requireStore(redis, resolve())).toThrow(StoreCapabilityError)
    expect(() => requireStore(redis, resolve())).toThrow(/no fencing and no linearizable reads.*acceptUnfencedStore: true/)
    expect(() => requireStore(redis, resolve({ acceptUnfencedStore: true }))).not.toThrow()
  })

  it('whose values are too small for the placement of so many shards is refused', () => {
    expect(() => requireStore({ ...able, maxValueBytes: 65_536 }, resolve())).toThrow(
      /at most 65536 bytes; a placement document of 256 shards/,
    )
  })
})
