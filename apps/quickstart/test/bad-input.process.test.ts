// Bad input through the public API: each is a clear error that names the option or the actor, at once or within a bound, and costs nobody else anything.
// A start that fails leaves nothing running: no port, no key in the store, no timer.

import { createServer } from 'node:net'
import { ActorSystem, CajunError, ClusterActorSystem, type ClusterOptions, type DeadLetter, defineActor } from '@cajun/core'
import { TcpMessagingSystem } from '@cajun/messaging-tcp'
import { MemoryMetadataStore } from '@cajun/metadata-memory'
import { describe, expect, it } from 'vitest'
import { LocalCluster, resources, TTL_MS } from './support/local-cluster.ts'
import { until } from './support/until.ts'

const Log = defineActor('log', {
  state: (): { lines: string[] } => ({ lines: [] }),
  messages: {
    write(ctx, line: unknown): number {
      ctx.state.lines.push(String(line).slice(0, 20))
      return ctx.state.lines.length
    },
    read: (ctx): string[] => ctx.state.lines,
    // What travels back is held to the same rules.
    answer: (_ctx, what: 'huge' | 'function'): unknown => (what === 'huge' ? 'x'.repeat(1_100_000) : { rows: [{ format: () => '' }] }),
  },
})
const Unlisted = defineActor('unlisted', { messages: { ping: () => 'pong' } })

/** These tests send what the types forbid. */
type AnyMessages = Record<'tell' | 'send' | 'ask', (type: string, payload?: unknown, options?: unknown) => Promise<unknown>>

interface Refusal {
  readonly name: string
  readonly code: string
  readonly message: string
  readonly afterMs: number
}

async function refusalOf(work: () => unknown): Promise<Refusal> {
  const fromMs = performance.now()
  try {
    await work()
  } catch (error) {
    if (!(error instanceof CajunError)) throw error
    return { name: error.name, code: error.code, message: error.message, afterMs: performance.now() - fromMs }
  }
  throw new Error('it was accepted')
}

/** Starting fails, and afterwards nothing is left that was not there before. */
async function refusedStart(options: ClusterOptions): Promise<Refusal> {
  const before = resources()
  const refusal = await refusalOf(() => ClusterActorSystem.start(options))
  await until(() => Object.entries(resources()).every(([name, count]) => count <= (before[name] ?? 0)), 3_000)
  await expect(options.metadata.get('x')).rejects.toMatchObject({ code: 'CLOSED' })
  return refusal
}

async function registered(cluster: LocalCluster): Promise<string[]> {
  await using store = new MemoryMetadataStore({ database: cluster.database })
  await store.open()
  return (await store.list('cajun/default/nodes/')).map((entry) => entry.key.slice('cajun/default/nodes/'.length))
}

describe('a node that can not be configured so', () => {
  const cluster = new LocalCluster([Log])
  const peers = (...ids: string[]) => ids.map((nodeId, i) => ({ nodeId, address: `127.0.0.1:${9_000 + i}` }))

  it.each<readonly [string, Partial<ClusterOptions>, RegExp]>([
    ['static peers that do not name it', { peers: peers('b', 'c') }, /^peers does not name this node, a; it names: b, c/],
    ['static peers that name a node twice', { peers: [...peers('a', 'b'), { nodeId: 'b', address: 'x:1' }] }, /^peers\[2\] names node b/],
    ['a kind to host that it has no definition of', { hosts: ['lok'] }, /^hosts names "lok", .*those are: log/],
    ['a session that ends before it can be renewed', { sessionTtlMs: 20 }, /^sessionTtlMs is 20; .*500/],
    ['isolation below the session TTL', { isolationMs: 100 }, /^isolationMs is 100; .*sessionTtlMs \(1500\)/],
    ['reconciliation below the session TTL', { reconcileMs: 100 }, /^reconcileMs is 100; .*sessionTtlMs \(1500\)/],
    ['handoffs given up within the session TTL', { handoff: { timeoutMs: 1_000 } }, /^handoff.timeoutMs is 1000; .*sessionTtlMs \(1500\)/],
    ['a time that is no number', { stopTimeoutMs: Number.NaN }, /^stopTimeoutMs is NaN/],
    ['an unknown option', { sesionTtlMs: 5_000 } as Partial<ClusterOptions>, /^unknown option sesionTtlMs; known are: .*sessionTtlMs/],
    ['an unknown limit of delivery', { delivery: { maxPayload: 5 } as ClusterOptions['delivery'] }, /maxPayload/],
    ['payloads that its transport can not carry', { delivery: { maxPayloadBytes: 8_388_608 } }, /^maxPayloadBytes is 8388608/],
  ])('is refused before anything is opened: %s', async (_, options, says) => {
    const refusal = await refusalOf(() => ClusterActorSystem.start(cluster.options('a', options)))
    expect(refusal).toMatchObject({ name: 'ConfigError', code: 'CONFIG', message: expect.stringMatching(says) })
    expect(refusal.afterMs).toBeLessThan(100)
  })

  it('nor its transport', async () => {
    const impossible = () => new TcpMessagingSystem({ port: 0, heartbeatIntervalMs: 2_000, heartbeatTimeoutMs: 4_000 })
    expect(await refusalOf(impossible)).toMatchObject({ code: 'CONFIG', message: expect.stringContaining('heartbeatTimeoutMs is 4000') })
    expect(await refusalOf(() => new TcpMessagingSystem({ port: 65_536 }))).toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining('port is 65536'),
    })
    expect(await refusalOf(() => new TcpMessagingSystem({ port: 0, host: '0.0.0.0' }))).toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining('insecure: true'),
    })
  })

  it('nor its store', async () => {
    expect(await refusalOf(() => new MemoryMetadataStore({ url: 'http://x' }))).toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining("url is 'http://x'"),
    })
    expect(await refusalOf(() => new MemoryMetadataStore({ timeoutMs: 0 }))).toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining('timeoutMs is 0'),
    })
  })
})

describe('a start that the world refuses', () => {
  it('because the port is taken', async () => {
    await using cluster = new LocalCluster([Log])
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    const refusal = await refusedStart(cluster.options('a', { messaging: new TcpMessagingSystem({ port }) }))
    expect(refusal).toMatchObject({ name: 'TransportError', code: 'TRANSPORT' })
    expect(refusal.message).toMatch(new RegExp(`127.0.0.1:${port}: the port is taken; .*option port`))
    expect(await registered(cluster)).toEqual([])
    await new Promise((resolve) => other.close(resolve))
    // The same id and port are good now: nothing of the attempt is in the way.
    const a = await cluster.start('a', { messaging: new TcpMessagingSystem({ port }) })
    expect(await a.ref(Log, 'x').ask('write', 'one')).toBe(1)
  })

  it('because the store can not be reached', async () => {
    await using cluster = new LocalCluster([Log])
    const closed = createServer()
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
    const { port } = closed.address() as { port: number }
    await new Promise((resolve) => closed.close(resolve))
    const metadata = new MemoryMetadataStore({ url: `tcp://127.0.0.1:${port}`, timeoutMs: 700 })
    const refusal = await refusedStart(cluster.options('a', { metadata }))
    expect(refusal).toMatchObject({ name: 'StoreUnavailableError', code: 'STORE_UNAVAILABLE' })
    expect(refusal.message).toContain(`127.0.0.1:${port}`)
    expect(refusal.afterMs).toBeLessThan(3_000)
  })

  it('because the store goes away in the middle', async () => {
    await using cluster = new LocalCluster([Log])
    for (const afterAnswers of [1, 2, 3, 4, 5, 6]) {
      const options = cluster.options('a', { sessionTtlMs: 1_000 })
      const { metadata } = options
      let left = afterAnswers
      for (const name of ['storeId', 'list', 'watch', 'openSession', 'put'] as const) {
        const original = metadata[name].bind(metadata) as (...args: unknown[]) => Promise<unknown>
        Object.assign(metadata, {
          [name]: (...args: unknown[]) => {
            if (left-- === 0) cluster.link('a').isolate()
            return original(...args)
          },
        })
      }
      const refusal = await refusedStart(options)
      expect(refusal.code, `${afterAnswers}: ${refusal.message}`).toMatch(/STORE_UNAVAILABLE|SESSION_LOST|UNKNOWN_OUTCOME/)
      expect(refusal.afterMs).toBeLessThan(10_000)
      cluster.link('a').heal()
    }
    await until(async () => (await registered(cluster)).length === 0)
    await cluster.start('a')
  })

  it('because a live process has its id, which goes on undisturbed', async () => {
    await using cluster = new LocalCluster([Log])
    const a = await cluster.start('a')
    await a.ref(Log, 'x').ask('write', 'before')
    const refusal = await refusedStart(cluster.options('a'))
    expect(refusal).toMatchObject({ name: 'NodeIdTakenError', code: 'NODE_ID_TAKEN' })
    expect(refusal.message).toMatch(/^node id 'a' belongs to process .*\(option nodeId\)$/)
    expect(refusal.afterMs).toBeLessThan(TTL_MS + 3_000)
    expect(await a.ref(Log, 'x').ask('write', 'after')).toBe(2)
    expect((await a.manager.nodes()).map((node) => node.processId)).toEqual([a.processId])
  })

  it('because it counts shards otherwise than the cluster', async () => {
    await using cluster = new LocalCluster([Log])
    const a = await cluster.start('a')
    await a.ref(Log, 'x').ask('write', 'before')
    const refusal = await refusedStart(cluster.options('b', { shardCount: 32 }))
    expect(refusal).toMatchObject({ name: 'IncompatibleClusterError', code: 'INCOMPATIBLE_CLUSTER' })
    expect(refusal.message).toMatch(/^kind 'log' .* set shardCount: 16$/)
    expect(await registered(cluster)).toEqual(['a'])
    expect(await a.ref(Log, 'x').ask('write', 'after')).toBe(2)
  })

  it('because its static peers and those of the cluster are not the same', async () => {
    await using cluster = new LocalCluster([Log])
    const peers = (...ids: string[]) => ids.map((nodeId, i) => ({ nodeId, address: `127.0.0.1:${9_000 + i}` }))
    await cluster.start('a', { peers: peers('a', 'b') })
    const withoutA = await refusedStart(cluster.options('b', { peers: peers('b', 'c') }))
    expect(withoutA).toMatchObject({ code: 'INCOMPATIBLE_CLUSTER', message: expect.stringMatching(/^node 'a' .* option peers.*: b, c;/) })
    // The other way round: those who are there do not expect it, whether it has a list or not.
    for (const options of [{ peers: peers('a', 'c') }, {}]) {
      const unexpected = await refusedStart(cluster.options('c', options))
      expect(unexpected).toMatchObject({ code: 'INCOMPATIBLE_CLUSTER', message: expect.stringMatching(/^node 'a' .* peers.*: a, b;.*'c'/) })
    }
    expect(await registered(cluster)).toEqual(['a'])
  })
})

describe('a message that can not be', () => {
  async function pair(): Promise<{ cluster: LocalCluster; far: AnyMessages; letters: DeadLetter[]; a: ClusterActorSystem }> {
    const cluster = new LocalCluster([Log])
    const a = await cluster.start('a', { hosts: [] })
    const b = await cluster.start('b')
    await until(() => b.metrics().ownedShards === 16)
    const letters: DeadLetter[] = []
    a.onDeadLetter((letter) => letters.push(letter))
    return { cluster, far: a.ref(Log, 'far') as unknown as AnyMessages, letters, a }
  }

  it('is refused at the call, and what was sent before and after it arrives in order', async () => {
    const { cluster, far, letters, a } = await pair()
    await using _ = cluster
    const circle: { self?: unknown } = {}
    circle.self = circle
    const bad: readonly (readonly [unknown, RegExp])[] = [
      [{ rows: [1, { format: () => '' }] }, /payload\.rows\[1\]\.format is a function/],
      [{ at: new URL('http://x') }, /payload\.at /],
      [new Map([['key', Symbol('s')]]), /payload/],
      [circle, /payload\.self/],
      ['x'.repeat(1_048_577), /1048576|1 MiB/],
      [new Uint8Array(2_000_000), /delivery\.maxPayloadBytes/],
    ]
    const sent: Promise<unknown>[] = []
    for (const [i, [payload, says]] of bad.entries()) {
      sent.push(far.send('write', `before ${i}`))
      for (const way of ['tell', 'send', 'ask'] as const) {
        const refusal = await refusalOf(() => far[way]('write', payload as never))
        expect(refusal.code).toMatch(/UNSERIALISABLE_PAYLOAD|PAYLOAD_TOO_LARGE/)
        expect(refusal.message, way).toMatch(says)
        expect(refusal.message, 'names the actor').toContain('log/far')
        expect(refusal.message.length, 'holds no payload').toBeLessThan(400)
      }
    }
    await Promise.all(sent)
    expect(await far.ask('read')).toEqual(bad.map((_, i) => `before ${i}`))
    expect(letters).toEqual([])
    await until(() => a.metrics().outbox.messages === 0)
    expect(a.metrics().outbox).toEqual({ messages: 0, bytes: 0 })
    expect(a.metrics().messages).toMatchObject({ sent: bad.length + 1, failed: 0 })
  })

  it('up to the limit it is carried', async () => {
    const { cluster, far } = await pair()
    await using _ = cluster
    expect(await far.ask('write', 'x'.repeat(1_048_000))).toBe(1)
    expect(await far.ask('write', new Uint8Array(1_048_000))).toBe(2)
  })

  it('as a reply it fails the ask, and the actor goes on', async () => {
    const { cluster, far } = await pair()
    await using _ = cluster
    const huge = await refusalOf(() => far.ask('answer', 'huge'))
    expect(huge.message).toMatch(/log\/far.*1048576/)
    const fn = await refusalOf(() => far.ask('answer', 'function'))
    expect(fn.message).toMatch(/log\/far.*rows\[0\]\.format is a function/)
    expect(await far.ask('write', 'still here')).toBe(1)
  })

  it('has an impossible address', async () => {
    const { cluster, a } = await pair()
    await using _ = cluster
    expect(await refusalOf(() => a.ref(Log, 'x'.repeat(257)))).toMatchObject({
      name: 'InvalidActorIdError',
      code: 'INVALID_ACTOR_ID',
      message: "id of an actor of kind 'log' takes 257 bytes; at most 256 are allowed",
    })
    // Bytes count, not characters.
    expect(await refusalOf(() => a.ref(Log, 'é'.repeat(129)))).toMatchObject({ code: 'INVALID_ACTOR_ID' })
    expect(await refusalOf(() => a.ref(Log, ''))).toMatchObject({ code: 'INVALID_ACTOR_ID' })
    expect(await refusalOf(() => a.register(Log, 'x'.repeat(257)))).toMatchObject({ code: 'INVALID_ACTOR_ID' })
    expect(await a.ref(Log, 'é'.repeat(128)).ask('write', 'fits')).toBe(1)
    expect(await a.ref(Log, 'x'.repeat(256)).ask('write', 'fits')).toBe(1)
  })

  it('is for a kind that was never registered', async () => {
    const { cluster, a } = await pair()
    await using _ = cluster
    for (const work of [
      () => a.ref(Unlisted, 'x'),
      () => a.ref<typeof Unlisted>('unlisted', 'x'),
      () => a.register(Unlisted, 'x'),
      () => a.manager.whereIs('unlisted', 'x'),
      () => a.manager.migrate('unlisted', 'x', 'b'),
    ]) {
      const refusal = await refusalOf(work)
      expect(refusal, String(work)).toMatchObject({ name: 'UnknownKindError', code: 'UNKNOWN_KIND' })
      expect(refusal.message).toMatch(/unknown actor kind 'unlisted'; registered are: log/)
      expect(refusal.afterMs).toBeLessThan(1_000)
    }
  })

  it('asks for a guarantee or a time that there is not', async () => {
    const { cluster, far, letters, a } = await pair()
    await using _ = cluster
    const { sent } = a.metrics().messages
    for (const [options, says] of [
      [{ guarantee: 'exactly_once' }, /guarantee is 'exactly_once'; it must be one of at-most-once, at-least-once, exactly-once/],
      [{ timeoutMs: 0 }, /timeoutMs is 0/],
      [{ timeoutMs: Number.NaN }, /timeoutMs is NaN/],
      [{ timeoutMs: '5s' }, /timeoutMs is 5s/],
    ] as const) {
      for (const way of ['tell', 'send', 'ask'] as const) {
        await expect((async () => far[way]('write', 1, options as never))()).rejects.toThrow(says)
      }
    }
    expect(a.metrics().messages.sent).toBe(sent)
    expect(letters).toEqual([])
    expect(await far.ask('write', 1)).toBe(1)
  })

  it('has a type that its actor does not know', async () => {
    const { cluster, far, letters } = await pair()
    await using _ = cluster
    const refusal = await refusalOf(() => far.ask('wrte', 1))
    expect(refusal).toMatchObject({ code: 'NOT_EXECUTED', message: expect.stringMatching(/wrte to log\/far .*unknown-message/) })
    far.tell('wrte', 1)
    await until(() => letters.length === 1)
    expect(letters[0]).toMatchObject({ reason: 'unknown-message', type: 'wrte', address: { kind: 'log', id: 'far' } })
    expect(await far.ask('write', 1)).toBe(1)
  })
})

describe('management of what is not there', () => {
  it('is refused at once, naming what there is', async () => {
    await using cluster = new LocalCluster([Log])
    const a = await cluster.start('a')
    await a.ref(Log, 'x').ask('write', 1)
    for (const work of [
      () => a.manager.drain('nobody'),
      () => a.manager.undrain('nobody'),
      () => a.manager.actors({ nodeId: 'nobody' }),
      () => a.manager.migrate(Log, 'x', 'nobody'),
    ]) {
      const refusal = await refusalOf(work)
      expect(refusal, String(work)).toMatchObject({ name: 'ManagementError', code: 'MANAGEMENT' })
      expect(refusal.message).toContain("'nobody'")
      expect(refusal.afterMs).toBeLessThan(2_000)
    }
    // Nobody else could take it: said at once, instead of waiting for the deadline.
    expect(await refusalOf(() => a.manager.drain('a'))).toMatchObject({
      code: 'MANAGEMENT',
      message: expect.stringContaining("kind 'log'"),
    })
    expect(await a.ref(Log, 'x').ask('write', 1)).toBe(2)
  })
})

describe('a local system', () => {
  it('refuses the same by the same names', async () => {
    await using system = new ActorSystem({ strict: true })
    const log = system.spawn(Log, 'near')
    const letters: DeadLetter[] = []
    system.onDeadLetter((letter) => letters.push(letter))
    expect(await refusalOf(() => log.tell('write', { cb: [() => 1] }))).toMatchObject({
      code: 'UNSERIALISABLE_PAYLOAD',
      message: expect.stringMatching(/log\/near.*payload\.cb\[0\] is a function/),
    })
    expect(await refusalOf(() => log.ask('write', 'x'.repeat(1_100_000)))).toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      message: expect.stringContaining('log/near'),
    })
    expect(await refusalOf(() => system.spawn(Log, 'near'))).toMatchObject({
      code: 'DUPLICATE_ACTOR',
      message: expect.stringContaining('log/near'),
    })
    expect(await refusalOf(() => system.spawn(Log, 'x'.repeat(257)))).toMatchObject({ code: 'INVALID_ACTOR_ID' })
    const refusal = await refusalOf(() => system.ref(Unlisted, 'x').ask('ping'))
    expect(refusal.message).toMatch(/unlisted\/x.*unknown-kind/)
    system.ref(Unlisted, 'x').tell('ping')
    expect(letters).toMatchObject([{ reason: 'unknown-kind', address: { kind: 'unlisted', id: 'x' } }])
    expect(await log.ask('write', 'fine')).toBe(1)
  })
})
