// What actors may do in one process they may do across nodes, over TCP, and the options of cluster and actors act there too.

import { createServer } from 'node:net'
import {
  type ActorDefinition,
  ActorFailedError,
  ActorRef,
  type ClusterActorSystem,
  type DeadLetter,
  defineActor,
  implement,
  type Terminated,
} from '@cajun/core'
import { TcpMessagingSystem } from '@cajun/messaging-tcp'
import { describe, expect, it } from 'vitest'
import { LocalCluster } from './support/local-cluster.ts'
import { until } from './support/until.ts'

const ran: string[] = []
const started: string[] = []
const stopped: string[] = []

type WorkerProtocol = {
  work: (what: string) => string
  slow: (ms: number) => string
  hang: () => void
  flaky: (times: number) => number
  fail: () => void
  check: (n: number) => number
  askOn: (way: { at: string; next: readonly string[] }) => string
}

const number = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) =>
      typeof value === 'number' && value > 0 ? { value: value as number } : { issues: [{ message: 'must be a number above 0' }] },
  },
}

let system: (nodeId: string) => ClusterActorSystem
let attempts = 0

const Worker = implement<WorkerProtocol>()('worker', {
  state: () => ({ done: 0 }),
  schemas: { check: number },
  turnTimeoutMs: 400,
  idleTimeoutMs: 600,
  retry: { attempts: 3, backoff: 20 },
  onStart: (ctx) => void started.push(ctx.self.id),
  onStop: (ctx, reason) => void stopped.push(`${ctx.self.id} ${reason}`),
  messages: {
    work(ctx, what) {
      ran.push(what)
      ctx.state.done++
      return `${what} ${ctx.state.done}`
    },
    async slow(ctx, ms) {
      await new Promise((resolve) => setTimeout(resolve, ms))
      ctx.state.done++
      return 'slow'
    },
    async hang(ctx) {
      await new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true }))
    },
    flaky(_ctx, times) {
      if (++attempts < times) throw new Error(`attempt ${attempts}`)
      return attempts
    },
    fail() {
      throw Object.assign(new RangeError('no luck'), { code: 'E_LUCK' })
    },
    check: (_ctx, n) => n,
    async askOn(ctx, { at, next: [next, ...rest] }): Promise<string> {
      if (next === undefined) return ctx.self.id
      const [nodeId, id] = next.split(':') as [string, string]
      return `${ctx.self.id} > ${await system(at).ref(Worker, id).ask('askOn', { at: nodeId, next: rest })}`
    },
  },
})
const Narrow = defineActor('narrow', {
  mailbox: { limit: 2, policy: 'drop-newest' },
  turnTimeoutMs: 2_000,
  messages: {
    async hold(_ctx, ms: number): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, ms))
    },
    note: (_ctx, what: string): void => void ran.push(what),
  },
})

const Child = defineActor('child', {
  state: () => ({ sum: 0 }),
  messages: {
    add(ctx, by: number): number {
      ctx.state.sum += by
      return ctx.state.sum
    },
  },
})
const Parent = defineActor('parent', {
  state: (): { lines: string[] } => ({ lines: [] }),
  children: [Child],
  behaviours: { closed: { note: (ctx, _line: string): void => ctx.stash() } },
  messages: {
    note: (ctx, line: string): void => void ctx.state.lines.push(line),
    read: (ctx): readonly string[] => ctx.state.lines,
    close: (ctx): void => ctx.become('closed'),
    open(ctx): void {
      ctx.become()
      ctx.unstash()
    },
    look: (ctx, id: string): void => ctx.watch(ctx.ref('parent', id), 'gone'),
    gone: (ctx, { id, reason }: Terminated): void => void ctx.state.lines.push(`${id} ${reason}`),
    leave: (ctx): void => ctx.stop(),
    tickLater: (ctx, ms: number): void => ctx.timers.once('note', ms, 'tick'),
    grow: (ctx, name: string): Promise<number> => ctx.spawn(Child, name).ask('add', 5),
    child: (ctx, name: string): Promise<number> | undefined =>
      (ctx.children.get(name) as ActorRef<{ add(by: number): number }>)?.ask('add', 1),
  },
})
const nasty: readonly unknown[] = [
  undefined,
  null,
  'text',
  Symbol('thrown'),
  () => {},
  Object.create(null),
  {
    toString() {
      throw new Error('not even this')
    },
  },
  Object.defineProperty(new Error('x'), 'message', {
    get() {
      throw new Error('no message')
    },
  }),
]
const Thrower = defineActor('thrower', {
  messages: {
    throw(_ctx, which: number): void {
      throw nasty[which]
    },
    fine: () => 'fine',
  },
})
const Fresh = defineActor('fresh', {
  state: () => ({ value: 0 }),
  handoff: 'restart',
  messages: {
    add(ctx, by: number): number {
      ctx.state.value += by
      return ctx.state.value
    },
  },
})
const Unmovable = defineActor('unmovable', {
  state: (): { value: number; format?: () => void } => ({ value: 0 }),
  messages: {
    add(ctx, by: number): number {
      ctx.state.value += by
      ctx.state.format = () => {}
      return ctx.state.value
    },
  },
})

class World implements AsyncDisposable {
  readonly cluster: LocalCluster
  readonly client: ClusterActorSystem
  readonly letters: DeadLetter[] = []

  private constructor(cluster: LocalCluster, client: ClusterActorSystem, hosts: readonly ClusterActorSystem[]) {
    this.cluster = cluster
    this.client = client
    for (const each of [client, ...hosts]) each.onDeadLetter((letter) => this.letters.push(letter))
  }

  static async start(options: ConstructorParameters<typeof LocalCluster>[1] = {}): Promise<World> {
    const cluster = new LocalCluster([Worker, Narrow, Parent, Child, Fresh, Unmovable, Thrower], options)
    const [a, b] = [await cluster.start('a'), await cluster.start('b')]
    const client = await cluster.start('client', { hosts: [] })
    await until(() => a.metrics().ownedShards === 56 && b.metrics().ownedShards === 56)
    system = (nodeId) => (nodeId === 'a' ? a : nodeId === 'b' ? b : client)
    return new World(cluster, client, [a, b])
  }

  /** An id of an actor that lives there. */
  async idOn(nodeId: string, prefix: string, kind: ActorDefinition = Worker): Promise<string> {
    for (let i = 0; ; i++) if ((await this.client.manager.whereIs(kind, `${prefix}-${i}`)).nodeId === nodeId) return `${prefix}-${i}`
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cluster[Symbol.asyncDispose]()
  }
}

describe('across nodes', () => {
  it('an ask that leads back to a waiting turn is refused at once, naming the chain', async () => {
    await using world = await World.start()
    const [x, y] = [await world.idOn('a', 'x'), await world.idOn('b', 'y')]
    expect(await world.client.ref(Worker, x).ask('askOn', { at: 'a', next: [`b:${y}`] })).toBe(`${x} > ${y}`)
    const fromMs = performance.now()
    const error = await world.client
      .ref(Worker, x)
      .ask('askOn', { at: 'a', next: [`b:${y}`, `a:${x}`] })
      .catch((reason: unknown) => reason)
    expect(String((error as Error).message)).toMatch(new RegExp(`ask cycle: worker/${x}\\S* -> worker/${y}\\S* -> worker/${x}`))
    expect(performance.now() - fromMs).toBeLessThan(390)
  })

  it('errors keep their type, name, message, code and cause', async () => {
    await using world = await World.start()
    const error = await world.client
      .ref(Worker, 'x')
      .ask('fail')
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ActorFailedError)
    expect(error).toMatchObject({
      code: 'ACTOR_FAILED',
      actor: 'worker/x',
      cause: { name: 'RangeError', message: 'no luck', code: 'E_LUCK' },
    })
    await expect(world.client.ref(Worker, 'x').ask('check', -1)).rejects.toMatchObject({
      code: 'INVALID_PAYLOAD',
      message: expect.stringMatching(/'check' to worker\/x.*must be a number above 0/),
    })
    expect(await world.client.ref(Worker, 'x').ask('check', 5)).toBe(5)
  })

  it('a turn that hangs is abandoned, and the mailbox goes on', async () => {
    await using world = await World.start()
    const worker = world.client.ref(Worker, 'hangs')
    expect(await worker.ask('work', 'before')).toBe('before 1')
    const hung = worker.ask('hang').catch((error: unknown) => error)
    const after = worker.ask('work', 'after')
    expect(await hung).toMatchObject({ code: 'ACTOR_FAILED', message: expect.stringContaining('turnTimeoutMs') })
    expect(await after, 'in a fresh activation').toBe('after 1')
  })

  it('a handler that threw runs again when its kind says so, and order holds', async () => {
    await using world = await World.start()
    attempts = 0
    const worker = world.client.ref(Worker, 'flaky')
    ran.length = 0
    const [third, behind] = [worker.ask('flaky', 3), worker.ask('work', 'behind')]
    expect(await Promise.race([third, behind])).toBe(3)
    expect(await behind).toBe('behind 1')
    attempts = 0
    expect(await worker.ask('flaky', 4).catch((error: Error) => error.message)).toContain('attempt 3')
  })

  it('an actor that is idle goes, and comes again with its next message', async () => {
    await using world = await World.start()
    started.length = stopped.length = 0
    const worker = world.client.ref(Worker, 'idle')
    await worker.ask('work', 'one')
    await until(() => stopped.includes('idle passivated'))
    expect(await worker.ask('work', 'two'), 'state is that of the activation').toBe('two 1')
    expect(started).toEqual(['idle', 'idle'])
  })

  it('deadlines and abort signals end an ask, and say whether it may have run', async () => {
    await using world = await World.start()
    const worker = world.client.ref(Worker, 'late')
    await worker.ask('work', 'up')
    await expect(worker.ask('slow', 300, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'DELIVERY_UNKNOWN', reason: 'deadline' })
    const abort = new AbortController()
    const aborted = worker.ask('slow', 300, { signal: abort.signal })
    setTimeout(() => abort.abort(new Error('changed my mind')), 20)
    await expect(aborted).rejects.toMatchObject({ reason: 'aborted' })
    await expect(worker.ask('work', 'x', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'NOT_EXECUTED',
      reason: 'aborted',
    })
    expect(await worker.ask('work', 'still')).toMatch(/^still/)
  })

  it('actors that are too slow for their asks do not make their node look dead', async () => {
    await using world = await World.start({ delivery: { breakerFailures: 3, breakerOpenMs: 20_000 } })
    const [slow, well] = [await world.idOn('a', 'slow'), await world.idOn('a', 'well')]
    await world.client.ref(Worker, well).ask('work', 'up')
    const late = Array.from({ length: 6 }, () => world.client.ref(Worker, slow).ask('slow', 350, { timeoutMs: 150 }))
    const endings = await Promise.allSettled(late)
    expect(endings.every((ending) => ending.status === 'rejected')).toBe(true)
    expect(await world.client.ref(Worker, well).ask('work', 'on')).toBe('on 2')
    expect(await world.client.ref(Worker, well).ask('work', 'once', { guarantee: 'at-most-once' })).toBe('once 3')
  })

  it('a full mailbox keeps reliable messages of other nodes waiting, and drops at-most-once ones with a reason', async () => {
    await using world = await World.start()
    ran.length = 0
    const narrow = world.client.ref(Narrow, 'n')
    const held = narrow.send('hold', 300)
    const sent = Array.from({ length: 10 }, (_, i) => narrow.send('note', `r${i}`))
    await Promise.all([held, ...sent])
    expect(ran).toEqual(Array.from({ length: 10 }, (_, i) => `r${i}`))
    expect(world.letters).toEqual([])
    const again = narrow.send('hold', 300)
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (let i = 0; i < 10; i++) narrow.tell('note', `m${i}`, { guarantee: 'at-most-once' })
    await again
    await until(() => world.letters.length === 8)
    expect(new Set(world.letters.map((letter) => letter.reason))).toEqual(new Set(['mailbox-full']))
    await until(() => ran.length === 12)
  })

  it('a handler may throw whatever it likes: its asker hears of it, and the actor goes on', async () => {
    await using world = await World.start()
    for (const nodeId of ['a', 'b']) {
      const thrower = system(nodeId).ref(Thrower, 't')
      for (let i = 0; i < nasty.length; i++) {
        await expect(thrower.ask('throw', i, { timeoutMs: 1_000 }), `${nodeId} ${i}`).rejects.toMatchObject({ code: 'ACTOR_FAILED' })
      }
      expect(await thrower.ask('fine')).toBe('fine')
      thrower.tell('throw', 0)
      await until(() => world.letters.splice(0).length === 1)
    }
  })

  it('who watches what lives elsewhere is told when it stops', async () => {
    await using world = await World.start()
    const there = await world.idOn('b', 'watched', Parent)
    const here = await world.idOn('a', 'watcher', Parent)
    const watcher = world.client.ref(Parent, here)
    await watcher.ask('look', there)
    await world.client.ref(Parent, there).ask('leave')
    await until(async () => (await watcher.ask('read')).length === 1)
    expect(await watcher.ask('read')).toEqual([`${there} stopped`])
  })

  it('dead letters of a tell name actor, message and error on the node where they happened', async () => {
    await using world = await World.start()
    world.client.ref(Worker, 'dl').tell('fail')
    await until(() => world.letters.length === 1)
    expect(world.letters[0]).toMatchObject({
      address: { kind: 'worker', id: 'dl' },
      type: 'fail',
      reason: 'failed',
      error: { message: 'no luck' },
    })
  })
})

describe('a move', () => {
  const other = (nodeId: string | undefined) => (nodeId === 'a' ? 'b' : 'a')

  it('takes state, stash, timers, behaviour and children along', async () => {
    await using world = await World.start()
    const { manager } = world.client
    const parent = world.client.ref(Parent, 'p')
    await parent.send('note', 'one')
    expect(await parent.ask('grow', 'kid')).toBe(5)
    await parent.send('tickLater', 300)
    await parent.send('close')
    const stashed = parent.send('note', 'stashed')
    await stashed
    for (let i = 0; i < 3; i++) {
      const to = other((await manager.whereIs(Parent, 'p')).nodeId)
      await manager.migrate(Parent, 'p', to)
      expect((await manager.whereIs(Parent, 'p')).nodeId).toBe(to)
    }
    expect(await parent.ask('child', 'kid')).toBe(6)
    expect(await parent.ask('read')).toEqual(['one'])
    await parent.send('open')
    expect(await parent.ask('read')).toEqual(['one', 'stashed'])
    await until(async () => (await parent.ask('read')).length === 3)
    expect(await parent.ask('read')).toEqual(['one', 'stashed', 'tick'])
  })

  it("starts a kind afresh that says handoff: 'restart', and is none the worse for its messages", async () => {
    await using world = await World.start()
    const { manager } = world.client
    const fresh = world.client.ref(Fresh, 'f')
    await fresh.ask('add', 5)
    await manager.migrate(Fresh, 'f', other((await manager.whereIs(Fresh, 'f')).nodeId))
    expect(await fresh.ask('add', 1)).toBe(1)
    expect(await fresh.ask('add', 1)).toBe(2)
  })

  it('starts an actor afresh whose state can not travel, and says so', async () => {
    await using world = await World.start()
    const { manager } = world.client
    const unmovable = world.client.ref(Unmovable, 'u')
    await unmovable.ask('add', 5)
    const from = (await manager.whereIs(Unmovable, 'u')).nodeId
    await manager.migrate(Unmovable, 'u', other(from))
    expect(await unmovable.ask('add', 1)).toBe(1)
    expect(world.cluster.logs.get(from ?? '')?.loud.join()).toMatch(/can not be moved|starts afresh/)
    expect(world.cluster.logs.get(from ?? '')?.loud.join()).toContain('"actor":"unmovable/u"')
  })
})

describe('options of a cluster act:', () => {
  it('limits and deadlines of delivery', async () => {
    await using world = await World.start({ delivery: { maxPayloadBytes: 1_000, askTimeoutMs: 120 } })
    await expect(world.client.ref(Worker, 'x').ask('work', 'y'.repeat(1_001))).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      limitBytes: 1_000,
    })
    await expect(world.client.ref(Worker, 'x').ask('slow', 350)).rejects.toMatchObject({ reason: 'deadline' })
  })

  it('the default guarantee', async () => {
    await using world = await World.start({ defaultGuarantee: 'at-most-once' })
    await world.client.ref(Worker, 'x').ask('work', 'up')
    expect(world.client.metrics().outbox.messages).toBe(0)
    const narrow = world.client.ref(Narrow, 'g')
    narrow.tell('hold', 200)
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (let i = 0; i < 5; i++) narrow.tell('note', `g${i}`)
    await until(() => world.letters.some((letter) => letter.reason === 'mailbox-full'))
  })

  it('static peers: their addresses are used, not those that nodes publish', async () => {
    const ports = await Promise.all([freePort(), freePort()])
    const peers = ['a', 'b'].map((nodeId, i) => ({ nodeId, address: `127.0.0.1:${ports[i]}` }))
    await using cluster = new LocalCluster([Worker], { peers })
    // What they advertise leads nowhere.
    const start = (nodeId: string, i: number) =>
      cluster.start(nodeId, { messaging: new TcpMessagingSystem({ port: ports[i] ?? 0, advertise: '127.0.0.1:1' }) })
    const [a, b] = [await start('a', 0), await start('b', 1)]
    await until(() => b.metrics().ownedShards === 8)
    const nodes = await a.manager.nodes()
    expect(nodes.map(({ address, connected }) => ({ address, connected }))).toEqual(
      peers.map(({ address }) => ({ address, connected: true })),
    )
    for (let i = 0; i < 20; i++) expect(await a.ref(Worker, `p-${i}`).ask('work', 'x')).toBe('x 1')
  })

  it('capacity: twice as much, twice as many shards', async () => {
    await using cluster = new LocalCluster([Worker])
    const a = await cluster.start('a')
    const b = await cluster.start('b', { capacity: 3 })
    await until(() => b.metrics().ownedShards === 12 && a.metrics().ownedShards === 4)
  })

  it('strict: false passes payloads within a process by reference, true never', async () => {
    for (const strict of [false, true]) {
      await using cluster = new LocalCluster([Worker], { strict })
      const a = await cluster.start('a')
      const payload = (() => {}) as unknown as string
      const worked = a.ref(Worker, 'x').ask('work', payload)
      if (strict) await expect(worked).rejects.toMatchObject({ code: 'UNSERIALISABLE_PAYLOAD' })
      else expect(await worked).toMatch(/ 1$/)
    }
  })

  it('refs are made by definition or by kind, and are the same', async () => {
    await using world = await World.start()
    const ref = world.client.ref<typeof Worker>('worker', 'r')
    expect(ref).toBeInstanceOf(ActorRef)
    expect(await ref.with({ timeoutMs: 3_000 }).ask('work', 'one')).toBe('one 1')
    expect(await world.client.ref(Worker, 'r').ask('work', 'two')).toBe('two 2')
  })
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const bound = server.address()
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : 0))
    })
  })
}
