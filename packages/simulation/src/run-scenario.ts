// One run: boot, faults under load, everything healed, bounded convergence, checks. Depends on its scenario alone.

import { ActorFailedError, CajunError, type ClusterActorSystem, DeliveryUnknownError, NotExecutedError } from '@cajun/core'
import { checkAll } from './checkers/check-all.ts'
import type { Failover } from './checkers/failover-cost.ts'
import type { Violation } from './checkers/violation.ts'
import { TOLD_WITHIN_MS } from './checkers/watching.ts'
import { FaultInjector } from './fault-injector.ts'
import { type FaultKind, massDeathOf } from './faults.ts'
import { FrameTimes } from './frame-times.ts'
import { History, type LifeRecord, type SendRecord, type TurnRecord } from './history.ts'
import type { SimulatedProcess } from './host.ts'
import { LivelockError, SimulationLoop } from './loop.ts'
import { Marks } from './marks.ts'
import { hashText } from './random-streams.ts'
import { type Answer, type Order, type Recorder, recordingActors } from './recording-actors.ts'
import type { Scenario } from './scenario.ts'
import { KEPT_REPLY_BYTES, SimulatedCluster, type SimulatedNode, stackOf } from './simulated-cluster.ts'
import { WatchingNotes } from './watching-notes.ts'
import type { Action } from './workload.ts'

export interface RunResult {
  readonly scenario: Scenario
  readonly violations: readonly Violation[]
  readonly marks: Marks
  readonly traceHash: number
  readonly events: number
  readonly messages: number
  readonly virtualMs: number
  readonly history: History
}

export interface RunOptions {
  /** Notes what nodes log, for a readable trace. */
  readonly verbose?: boolean
  /** Notes every frame, with its header as apps/docs/wire-format.md has it. */
  readonly frames?: boolean
}

/** GUARANTEES: within TTL + 1 s, two TTLs after a store outage. */
function convergenceMs(scenario: Scenario): number {
  const outage = scenario.faults.some(
    ({ kind }) => kind === 'store-down' || kind === 'store-rebirth' || kind === 'store-cut' || kind === 'isolate',
  )
  return (outage ? 2 : 1) * scenario.ttlMs + 1_000
}

export async function runScenario(scenario: Scenario, options: RunOptions = {}): Promise<RunResult> {
  const run = new Run(scenario, options)
  const onRejection = (error: unknown): void => run.history.found('uncaught', `a rejection that nobody handled: ${stackOf(error)}`)
  process.on('unhandledRejection', onRejection)
  try {
    return await run.toTheEnd()
  } finally {
    process.off('unhandledRejection', onRejection)
  }
}

/** They take an actor's host or a link from nobody for longer than a handoff takes. */
const HARMLESS: readonly FaultKind[] = ['store-gap', 'migrate', 'elect']
const LOOK_EVERY_MS = 250
/** By then a change has come to every node's view, in fair weather. */
const SETTLED_FOR_MS = 600
const SLAB_BYTES = 64 << 10
const MOST_PROBES = 4_000
const PROBE = { form: 'ask', guarantee: 'exactly-once', act: 'record', abortAfterMs: undefined, size: 0, relay: undefined } as const

class Run {
  readonly scenario: Scenario
  readonly history: History
  readonly #loop = new SimulationLoop()
  readonly #marks = new Marks()
  readonly #cluster: SimulatedCluster
  readonly #injector: FaultInjector
  readonly #frames: FrameTimes
  readonly #watching: WatchingNotes
  readonly #registered = new Set<string>()
  readonly #keptBefore = new Map<string, { readonly sources: number; readonly records: number }>()
  /** The last turn of each message on each process. */
  readonly #lastTurns = new Map<string, TurnRecord>()

  constructor(scenario: Scenario, options: RunOptions) {
    this.scenario = scenario
    this.history = new History(() => this.#loop.nowMs)
    this.#cluster = new SimulatedCluster(scenario, this.#loop, this.history, this.#marks, (process) =>
      recordingActors(this.#recorder(process), { watching: this.#watching.isPlanned }),
    )
    this.#cluster.verbose = options.verbose ?? false
    const { truth } = this.#cluster
    this.#watching = new WatchingNotes(scenario, { history: this.history, truth, marks: this.#marks, now: () => this.#loop.nowMs })
    this.#frames = new FrameTimes(
      this.#loop,
      this.history,
      (message, process, atMs) => this.#problemOfLeaving(message, process, atMs),
      () => this.#marks.reach('link state lost'),
    )
    this.#cluster.network.observer = {
      onFrame: (from, to, frame, event) => {
        this.#frames.onFrame(from, to, frame, event)
        if (options.frames) this.#noteFrame(from, to, frame, event)
      },
    }
    this.#injector = new FaultInjector(this.#cluster)
    this.#injector.onPoison = ({ actor }, node) => this.#poison(node, actor)
  }

  async toTheEnd(): Promise<RunResult> {
    const { scenario, history } = this
    try {
      const startEveryMs = Math.min(20, scenario.beginMs / scenario.hosts.length)
      this.#cluster.nodes.forEach((node, index) => {
        this.#loop.at(1 + index * startEveryMs, () => this.#cluster.start(node))
      })
      for (const action of scenario.actions) this.#loop.at(action.atMs, () => this.#act(action))
      this.#injector.schedule(scenario.faults)
      this.#lookAgain()
      await this.#loop.run(scenario.healMs)
      this.#injector.end()
      history.note('fault', 'everything is healed')
      this.#cluster.healAll()
      await this.#loop.run(scenario.healMs + convergenceMs(scenario))
      history.note('check', 'everything must work from now on')
      this.#checkRegistered()
      await this.#loop.run(this.#loop.nowMs + 100)
      this.#probe()
      const lastMs = history.sends.reduce((latest, send) => Math.max(latest, send.atMs + send.timeoutMs), this.#loop.nowMs)
      await this.#loop.run(lastMs + 1_000)
      await this.#endWatched()
      this.#look(true)
      this.#compareViews()
      await this.#loop.run(this.#loop.nowMs + 1)
      this.#settled()
    } catch (error) {
      history.found(error instanceof LivelockError ? 'livelock' : 'simulation', stackOf(error))
    }
    this.#markMixedStreams()
    for (const turn of history.turns) this.#loop.mix(turn.message * 31 + turn.count)
    for (const { event, life } of history.watching) this.#loop.mix(hashText(event) ^ life)
    for (const [message, { result }] of history.outcomes) this.#loop.mix(message ^ hashText(result))
    return {
      scenario,
      violations: checkAll(history, {
        pausedMs: this.#cluster.pausedMs,
        settledMs: scenario.healMs + convergenceMs(scenario),
        untilMs: this.#loop.nowMs,
        failover: this.#failover(),
      }),
      marks: this.#marks,
      traceHash: this.#loop.traceHash,
      events: this.#loop.executed,
      messages: history.sends.length,
      virtualMs: this.#loop.nowMs,
      history,
    }
  }

  #markMixedStreams(): void {
    const last = new Map<string, string>()
    for (const { source, actor, guarantee, message } of this.history.sends) {
      const key = `${source}>${actor}`
      const before = last.get(key)
      if (guarantee === 'at-most-once' && before !== undefined && before !== 'at-most-once')
        this.#marks.reach('at-most-once between reliable messages')
      if (this.history.outcomes.get(message)?.detail?.includes('aborted') === true) this.#marks.reach('aborted by its caller')
      last.set(key, guarantee)
    }
  }

  #noteFrame(from: SimulatedProcess, to: SimulatedProcess, frame: Uint8Array, event: string): void {
    const header = new DataView(frame.buffer, frame.byteOffset)
    const flags = ['numbered', 'hello', 'ask', 'gap'].filter((_, bit) => header.getUint8(1) & (1 << bit)).join(' ')
    const link = `${header.getUint32(2, true)}>${header.getUint32(6, true)}`
    const what = `frame ${event} ${from.name}>${to.name}: ${flags} link ${link} seq ${header.getUint32(10, true)} receipt ${header.getUint32(16, true)} (${frame.length} bytes)`
    this.history.note(event === 'sent' ? from.name : to.name, what)
  }

  #problemOfLeaving(message: number, process: string, atMs: number): string | undefined {
    const turn = this.#lastTurns.get(`${process}/${message}`)
    if (turn === undefined || turn.actor.startsWith('lasting/') || turn.atMs > atMs) return undefined
    return this.#cluster.truth.mayHaveLeft(turn.actor, process, turn.epoch, turn.atMs, atMs)
  }

  // ── Workload ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #act(action: Action): void {
    const { nodes, scenario } = { nodes: this.#cluster.nodes, scenario: this.scenario }
    const node = nodes[action.host % nodes.length] as SimulatedNode
    const actor = scenario.actors[action.actor % scenario.actors.length] as string
    this.#send(node, actor, action)
  }

  #send(node: SimulatedNode, actor: string, action: Omit<Action, 'atMs' | 'host' | 'actor'>, isProbe = false): void {
    const { process } = node
    process?.post(() => {
      const { system } = node
      if (system === undefined || node.process !== process) {
        if (isProbe) this.history.found('I9', `${node.host.nodeId} does not run after everything was healed`)
        return
      }
      const { form, guarantee, timeoutMs, act, size, relay, abortAfterMs } = action
      if (form === 'register') return this.#register(process, system, actor)
      const send = this.history.sent({ source: process.name, actor, guarantee, form, timeoutMs, insideOf: undefined, isProbe })
      const payload: Order = { message: send.message, act, size, relay, ...(act === 'large' && { filler: 'x'.repeat(size) }) }
      const [kind = '', id = ''] = actor.split('/')
      let signal: AbortSignal | undefined
      if (abortAfterMs !== undefined) {
        const controller = new AbortController()
        signal = controller.signal
        process.postAfter(abortAfterMs, () => controller.abort())
      }
      const ref = system.ref(kind, id)
      const options = { guarantee, timeoutMs, signal }
      if (form === 'tell') {
        ref.tell('order', payload, options)
        this.history.ended(send.message, 'accepted')
      } else void this.#ended(send, form === 'ask' ? ref.ask('order', payload, options) : ref.send('order', payload, options), process)
    })
  }

  #register(process: SimulatedProcess, system: ClusterActorSystem, actor: string): void {
    const [kind = '', id = ''] = actor.split('/')
    // A brief one is passivated whenever it is idle.
    if (kind !== 'cell') return
    system.register(kind, id, { timeoutMs: 3_000 }).then(
      () => {
        if (!process.isCrashed) this.#registered.add(actor)
      },
      () => this.#marks.reach('register refused'),
    )
  }

  /** Sent as any other, and not waited for: what becomes of it is in the turns and the dead letters. */
  #poison(node: SimulatedNode, actor: number): void {
    const target = this.scenario.actors[actor % this.scenario.actors.length]
    if (target === undefined) return
    this.#send(node, target, { ...PROBE, form: 'tell', act: 'poison', timeoutMs: 12_000 })
  }

  /** Wherever its shard has come to be, it runs there without having been sent anything. */
  #checkRegistered(): void {
    // What a store had that lost its data is not remembered.
    if (this.scenario.faults.some(({ kind }) => kind === 'store-rebirth')) return
    // Nor is one that has come to its end by itself started again.
    const ended = new Set<string>()
    for (const { actor, end } of this.history.lives.values()) if (end?.reason === 'stopped' || end?.reason === 'failed') ended.add(actor)
    for (const actor of this.#registered) {
      if (ended.has(actor)) continue
      const [kind = '', id = ''] = actor.split('/')
      const owner = this.#cluster.truth.ownerOf(actor)
      const node = this.#cluster.nodes.find((each) => each.process !== undefined && each.process.name === owner)
      this.#marks.reach('a registered actor was looked for')
      node?.process?.post(() => {
        void node.system?.manager.actors({ kind, nodeId: node.host.nodeId, limit: 1_000 }).then(({ actors }) => {
          if (!actors.some((each) => each.id === id))
            this.history.found('registry', `${actor} is registered, ${owner} owns it, and it does not run there`)
        })
      })
    }
  }

  async #ended(send: SendRecord, outcome: Promise<unknown>, process: SimulatedProcess): Promise<void> {
    try {
      const reply = (await outcome) as Answer | undefined
      if (process.isCrashed) return
      this.#frames.told(send.message, send.form === 'ask' ? 'reply' : 'acknowledgement')
      this.history.ended(send.message, 'ok', send.form === 'ask' && reply !== undefined ? { reply } : {})
    } catch (error) {
      if (process.isCrashed) return
      const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      if (error instanceof NotExecutedError) this.history.ended(send.message, 'not-executed', { detail })
      else if (error instanceof DeliveryUnknownError) this.history.ended(send.message, 'unknown', { detail })
      else if (error instanceof ActorFailedError) this.history.ended(send.message, 'failed', { detail })
      else {
        this.history.ended(send.message, 'error', { detail })
        if (!(error instanceof CajunError)) this.history.found('uncaught', `message ${send.message} ended with ${stackOf(error)}`)
      }
    }
  }

  #recorder(process: SimulatedProcess): Recorder {
    const { history, scenario } = this
    return {
      history,
      process: process.name,
      born: (actor) => {
        const excuse = this.#cluster.truth.excuseForLoss(actor)
        const life = history.born(actor, process.name)
        const record = history.lives.get(life)
        if (record !== undefined) record.excuse = excuse
        return life
      },
      turn: (actor, message, life, count, how) => {
        if (process.isCrashed) return undefined
        const { epoch, problem: found } = this.#cluster.truth.mayRun(actor, process)
        // Availability over single ownership: its kind says so.
        const isLasting = actor.startsWith('lasting/')
        if (isLasting && found !== undefined) this.#marks.reach('a turn without a lease')
        const problem = isLasting ? undefined : found
        const turn = history.turn({
          message,
          actor,
          process: process.name,
          life,
          count,
          epoch,
          problem,
          ...(how === 'stash' && { isStash: true }),
          ...(how === 'unstashed' && { isUnstashed: true }),
        })
        this.#lastTurns.set(`${process.name}/${message}`, turn)
        return turn
      },
      turnEnded: (turn) => {
        if (turn !== undefined && !process.isCrashed) history.turnEnded(turn)
      },
      pause: (ms) => new Promise((resolve) => process.runtime.setTimer(resolve, ms)),
      now: () => process.runtime.monotonicMs(),
      relayTarget: (order, fromActor) => {
        const from = scenario.actors.indexOf(fromActor)
        // Onwards only: a circle of asks would wait for itself.
        const onwards = scenario.actors.slice(from + 1)
        if (order.relay === undefined || onwards.length === 0) return undefined
        const [kind = '', id = ''] = (onwards[order.relay.actor % onwards.length] as string).split('/')
        return { kind, id }
      },
      sentInside: (order, target) =>
        history.sent({
          source: process.name,
          actor: target,
          guarantee: order.relay?.guarantee ?? 'exactly-once',
          form: order.relay?.form ?? 'tell',
          timeoutMs: order.relay?.form === 'ask' ? 300 : 4_000,
          insideOf: order.message,
          isProbe: false,
        }),
      ended: (send, outcome) => this.#ended(send, outcome, process),
      poisoned: () => {
        const node = this.#cluster.nodes.find((each) => each.process === process)
        if (node !== undefined) this.#injector.poisoned(node)
      },
      mark: (name) => this.#marks.reach(name),
      other: ({ relay }) => {
        const [kind = '', id = ''] = (scenario.actors[relay?.actor ?? 0] as string).split('/')
        return { kind, id }
      },
      ...this.#watching.recorder(process),
    }
  }

  // ── Bounds and views ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #lookAgain(): void {
    this.#loop.after(LOOK_EVERY_MS, () => {
      this.#look(false)
      this.#lookAgain()
    })
  }

  #look(everythingHasEnded: boolean): void {
    const { bounds, actors, hosts, sourceRetentionMs, ttlMs } = this.scenario
    for (const { system, process } of this.#cluster.nodes) {
      if (system === undefined || process === undefined || process.isPaused) continue
      const { outbox, kept, mailboxDepth } = system.metrics()
      this.#noteForgotten(process.name, kept.sources, kept.records)
      const { truth, loop } = this.#cluster
      // One that has not registered yet may have sent something.
      const processes = truth.processes + hosts.length
      const gauge = (what: string, value: number, bound: number): void => this.history.gauge(process.name, what, value, bound)
      // Callers that wait for room count against a bound of the same size.
      gauge('messages in its outbox', outbox.messages, everythingHasEnded ? 0 : 2 * bounds.outboxMessages)
      if (everythingHasEnded) gauge('messages in mailboxes', mailboxDepth, 0)
      // The last frame is written before its room is looked at.
      gauge('bytes of frames', kept.linkBytes, (hosts.length + processes) * (bounds.linkBufferBytes + SLAB_BYTES))
      gauge('bytes of kept replies', kept.replyBytes, KEPT_REPLY_BYTES)
      gauge('sources', kept.sources, everythingHasEnded ? truth.processesSince(loop.nowMs - sourceRetentionMs - 3 * ttlMs) : processes)
      gauge('records', kept.records, 2 * actors.length * kept.sources)
    }
  }

  /** Marks that something was pruned: there is less of it than there was. */
  #noteForgotten(process: string, sources: number, records: number): void {
    const before = this.#keptBefore.get(process)
    this.#keptBefore.set(process, { sources, records })
    if (before === undefined) return
    if (sources < before.sources) this.#marks.reach('a source forgotten')
    if (records < before.records) this.#marks.reach('records pruned')
  }

  #compareViews(): void {
    const { truth, nodes } = this.#cluster
    for (const { system, process } of nodes) {
      if (system === undefined || process === undefined) continue
      this.history.view(process.name, 'the number of nodes', String(system.metrics().nodes), String(truth.registered))
    }
    this.scenario.actors.forEach((actor, index) => {
      const stored = truth.settledPlacement(actor, SETTLED_FOR_MS)
      if (stored === undefined) return
      const [kind = '', id = ''] = actor.split('/')
      for (const { system, process } of this.#askersOf(index)) {
        if (system === undefined || process === undefined) continue
        process.post(() => {
          void system.manager.whereIs(kind, id).then(({ processId, epoch }) => {
            this.history.view(process.name, `the place of ${actor}`, `${processId} under epoch ${epoch}`, stored)
          })
        })
      }
    })
  }

  /** Every node; in a large cluster two of them for each actor, all nodes in turn. */
  #askersOf(index: number): readonly SimulatedNode[] {
    const { nodes } = this.#cluster
    if (nodes.length * this.scenario.actors.length <= MOST_PROBES) return nodes
    return [index % nodes.length, (7 * index + 3) % nodes.length].map((at) => nodes[at] as SimulatedNode)
  }

  #failover(): Failover | undefined {
    const { faults, ttlMs, healMs } = this.scenario
    const atMs = massDeathOf(faults)
    // Whoever is healed within the time registers again.
    if (atMs === undefined || atMs + ttlMs + 1_000 > healMs) return undefined
    this.#marks.reach('a third of the nodes died at once')
    return { atMs, ttlMs, kinds: [...this.#cluster.truth.documents].length, nodes: faults.length }
  }

  // ── Convergence ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Every actor is asked, by every node: placement is known, owners answer, and all streams move. */
  #probe(): void {
    const { nodes } = this.#cluster
    for (const node of nodes) {
      if (node.process === undefined) this.history.found('I9', `${node.host.nodeId} is down after everything was healed`)
    }
    this.scenario.actors.forEach((actor, index) => {
      for (const node of this.#askersOf(index)) this.#send(node, actor, { ...PROBE, timeoutMs: this.scenario.ttlMs }, true)
    })
  }

  /** Whoever is watched until now comes to its end, and its watchers are told. */
  async #endWatched(): Promise<void> {
    const { toEnd } = this.#watching
    if (toEnd.length === 0) return
    this.history.note('check', 'those who are watched are ended')
    toEnd.forEach((actor, index) => {
      this.#send(this.#askersOf(index)[0] as SimulatedNode, actor, { ...PROBE, act: 'end', timeoutMs: this.scenario.ttlMs }, true)
    })
    await this.#loop.run(this.#loop.nowMs + this.scenario.ttlMs + TOLD_WITHIN_MS + 100)
  }

  #settled(): void {
    const { faults } = this.scenario
    if (faults.every(({ kind }) => HARMLESS.includes(kind))) this.#checkCalm()
    else if (this.#isOutageAlone(faults)) this.#checkOutageAlone()
    for (const document of this.#cluster.truth.documents) {
      document.shards.forEach((entry, shard) => {
        const owner = entry.owner === null ? undefined : this.#cluster.truth.processName(entry.owner.processId)
        const alive = this.#cluster.nodes.some((node) => node.process?.name === owner)
        if (!alive) this.history.found('I9', `${document.kind}/${shard} belongs to ${owner ?? 'nobody'} in the end`)
      })
    }
  }

  /** One outage past the lease, and short enough for every process to come back as itself. */
  #isOutageAlone(faults: Scenario['faults']): boolean {
    const { ttlMs, sourceRetentionMs } = this.scenario
    const [only] = faults
    if (faults.length !== 1 || only?.kind !== 'store-down') return false
    return only.lastsMs > ttlMs && only.lastsMs + 2 * ttlMs < sourceRetentionMs
  }

  /** Where only the store was away, kinds that go on without a lease went on. */
  #checkLasting(downMs: number, upMs: number): void {
    const fromMs = downMs + 1.2 * this.scenario.ttlMs
    const wanted = this.history.sends.filter(({ actor, atMs }) => actor.startsWith('lasting/') && atMs > fromMs && atMs < upMs - 300)
    if (wanted.length < 10) return
    if (this.history.turns.some(({ actor, atMs }) => actor.startsWith('lasting/') && atMs > fromMs && atMs < upMs)) return
    this.history.found(
      'store loss',
      `${wanted.length} messages were sent to actors that go on without the store, and none was handled until it was back`,
    )
  }

  /** Where only the store was away, every node is back within a TTL of its return, and nobody is declared dead before: no state is lost. */
  #checkOutageAlone(): void {
    const [outage] = this.scenario.faults
    if (outage?.kind === 'store-down') this.#checkLasting(outage.atMs, outage.atMs + outage.lastsMs)
    const before = new Map<string, LifeRecord>()
    for (const life of this.history.lives.values()) {
      const former = before.get(life.actor)
      before.set(life.actor, life)
      if (former === undefined || former.end !== undefined || life.actor.startsWith('lasting/')) continue
      this.history.found(
        'I13',
        `only the store was away, and ${life.actor} began life ${life.life} on ${life.process} after life ${former.life} (of ${former.process})`,
      )
    }
  }

  /** Without a fault that costs more than a moment, every reliable message with time to spare is handled: an ending that is merely allowed would be a loss. */
  #checkCalm(): void {
    for (const send of this.history.sends) {
      const outcome = this.history.outcomes.get(send.message)
      if (send.guarantee === 'at-most-once' || send.timeoutMs < 1_000 || outcome?.detail?.includes('deadline') !== true) continue
      this.history.found(
        'I3',
        `without any fault that could cost it, message ${send.message} to ${send.actor} ended as ${outcome.result}: ${outcome.detail}`,
      )
    }
  }
}
