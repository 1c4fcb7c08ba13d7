// One run: boot, faults under load, everything healed, bounded convergence, checks. Depends on its scenario alone.

import { ActorFailedError, CajunError, DeliveryUnknownError, NotExecutedError } from '@cajun/core'
import { checkAll } from './checkers/check-all.ts'
import type { Violation } from './checkers/violation.ts'
import { FaultInjector } from './fault-injector.ts'
import type { FaultKind } from './faults.ts'
import { FrameTimes } from './frame-times.ts'
import { History, type LifeRecord, type SendRecord, type TurnRecord } from './history.ts'
import type { SimulatedProcess } from './host.ts'
import { LivelockError, SimulationLoop } from './loop.ts'
import { Marks } from './marks.ts'
import { hashText } from './random-streams.ts'
import { type Answer, type Order, type Recorder, recordingActors } from './recording-actors.ts'
import type { Scenario } from './scenario.ts'
import { SimulatedCluster, type SimulatedNode, stackOf } from './simulated-cluster.ts'
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
  /** The last turn of each message on each process. */
  readonly #lastTurns = new Map<string, TurnRecord>()

  constructor(scenario: Scenario, options: RunOptions) {
    this.scenario = scenario
    this.history = new History(() => this.#loop.nowMs)
    this.#cluster = new SimulatedCluster(scenario, this.#loop, this.history, this.#marks, (process) =>
      recordingActors(this.#recorder(process)),
    )
    this.#cluster.verbose = options.verbose ?? false
    this.#frames = new FrameTimes(this.#loop, this.history, (message, process, atMs) => this.#problemOfLeaving(message, process, atMs))
    this.#cluster.network.observer = {
      onFrame: (from, to, frame, event) => {
        this.#frames.onFrame(from, to, frame, event)
        if (options.frames) this.#noteFrame(from, to, frame, event)
      },
    }
    this.#injector = new FaultInjector(this.#cluster)
  }

  async toTheEnd(): Promise<RunResult> {
    const { scenario, history } = this
    try {
      this.#cluster.nodes.forEach((node, index) => {
        this.#loop.at(1 + index * 20, () => this.#cluster.start(node))
      })
      for (const action of scenario.actions) this.#loop.at(action.atMs, () => this.#act(action))
      this.#injector.schedule(scenario.faults)
      await this.#loop.run(scenario.healMs)
      this.#injector.end()
      history.note('fault', 'everything is healed')
      this.#cluster.healAll()
      await this.#loop.run(scenario.healMs + convergenceMs(scenario))
      history.note('check', 'everything must work from now on')
      this.#probe()
      const lastMs = history.sends.reduce((latest, send) => Math.max(latest, send.atMs + send.timeoutMs), this.#loop.nowMs)
      await this.#loop.run(lastMs + 1_000)
      this.#settled()
    } catch (error) {
      history.found(error instanceof LivelockError ? 'livelock' : 'simulation', stackOf(error))
    }
    for (const turn of history.turns) this.#loop.mix(turn.message * 31 + turn.count)
    for (const [message, { result }] of history.outcomes) this.#loop.mix(message ^ hashText(result))
    return {
      scenario,
      violations: checkAll(history, { pausedMs: this.#cluster.pausedMs, settledMs: scenario.healMs + convergenceMs(scenario) }),
      marks: this.#marks,
      traceHash: this.#loop.traceHash,
      events: this.#loop.executed,
      messages: history.sends.length,
      virtualMs: this.#loop.nowMs,
      history,
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
    if (turn === undefined || turn.atMs > atMs) return undefined
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
        const { epoch, problem } = this.#cluster.truth.mayRun(actor, process)
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
    }
  }

  // ── Convergence ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Every node asks every actor: placement is known, owners answer, and all streams move. */
  #probe(): void {
    const { nodes } = this.#cluster
    for (const node of nodes) {
      if (node.process === undefined) this.history.found('I9', `${node.host.nodeId} is down after everything was healed`)
    }
    const { actors } = this.scenario
    const everyPair = nodes.length * actors.length <= MOST_PROBES
    actors.forEach((actor, index) => {
      // In a large cluster each actor is asked by two nodes, all nodes in turn.
      const from = everyPair ? nodes : [index % nodes.length, (7 * index + 3) % nodes.length].map((at) => nodes[at] as SimulatedNode)
      for (const node of from) this.#send(node, actor, { ...PROBE, timeoutMs: this.scenario.ttlMs }, true)
    })
  }

  #settled(): void {
    const { faults } = this.scenario
    if (faults.every(({ kind }) => HARMLESS.includes(kind))) this.#checkCalm()
    else if (faults.length === 1 && faults[0]?.kind === 'store-down' && faults[0].lastsMs > this.scenario.ttlMs) this.#checkOutageAlone()
    for (const document of this.#cluster.truth.documents) {
      document.shards.forEach((entry, shard) => {
        const owner = entry.owner === null ? undefined : this.#cluster.truth.processName(entry.owner.processId)
        const alive = this.#cluster.nodes.some((node) => node.process?.name === owner)
        if (!alive) this.history.found('I9', `${document.kind}/${shard} belongs to ${owner ?? 'nobody'} in the end`)
      })
    }
  }

  /** Where only the store was away, every node is back within a TTL of its return, and nobody is declared dead before: no state is lost. */
  #checkOutageAlone(): void {
    const before = new Map<string, LifeRecord>()
    for (const life of this.history.lives.values()) {
      const former = before.get(life.actor)
      before.set(life.actor, life)
      if (former === undefined || former.end !== undefined) continue
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
