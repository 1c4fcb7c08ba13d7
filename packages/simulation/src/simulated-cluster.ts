// Hosts with the real cluster system on them: how a node is started, dies, is started again by its supervisor, and ends in good order.

import type { ActorDefinition } from '@cajun/core'
import { ClusterActorSystem } from '@cajun/core'
import type { History } from './history.ts'
import { SimulatedHost, type SimulatedProcess } from './host.ts'
import type { SimulationLoop } from './loop.ts'
import type { Marks } from './marks.ts'
import { SimulatedMessaging } from './messaging.ts'
import { SimulatedNetwork } from './network.ts'
import { streamOf } from './random-streams.ts'
import type { Scenario } from './scenario.ts'
import { SimulatedStore } from './store.ts'
import { SimulatedMetadataStore } from './store-client.ts'
import { Truth } from './truth.ts'

export interface SimulatedNode {
  readonly host: SimulatedHost
  process: SimulatedProcess | undefined
  /** While it runs. */
  system: ClusterActorSystem | undefined
  /** Down because a fault wants it so; its supervisor leaves it alone until then. */
  downUntilMs: number
  isStopping: boolean
}

const SUPERVISOR_MS = 150
export const KEPT_REPLY_BYTES: number = 256 << 10

export class SimulatedCluster {
  readonly loop: SimulationLoop
  readonly scenario: Scenario
  readonly history: History
  readonly marks: Marks
  readonly network: SimulatedNetwork
  readonly store: SimulatedStore
  readonly truth: Truth
  readonly nodes: readonly SimulatedNode[]
  readonly pausedMs: Map<string, number> = new Map()
  readonly #definitions: (process: SimulatedProcess) => readonly ActorDefinition[]
  readonly #pausedAt = new Map<string, number>()
  verbose = false
  /** Handoffs of which a copy has begun to arrive: their source is sealed. */
  readonly sealed: Set<string> = new Set()
  /** Processes whose node id another one has taken over. */
  readonly #twins: SimulatedProcess[] = []
  /** A process has gone, in whatever way. */
  onGone: ((process: SimulatedProcess) => void) | undefined

  constructor(
    scenario: Scenario,
    loop: SimulationLoop,
    history: History,
    marks: Marks,
    definitions: (process: SimulatedProcess) => readonly ActorDefinition[],
  ) {
    this.loop = loop
    this.scenario = scenario
    this.history = history
    this.marks = marks
    this.#definitions = definitions
    this.network = new SimulatedNetwork(loop, streamOf(scenario.seed, 'network'), scenario.network, marks)
    this.store = new SimulatedStore(loop, streamOf(scenario.seed, 'store'), scenario.store, marks)
    this.truth = new Truth(this.store, history, marks)
    const world = {
      loop,
      onUncaught: (process: SimulatedProcess, error: unknown) => history.found('uncaught', `${process.name}: ${stackOf(error)}`),
      onPaused: (process: SimulatedProcess) => this.#paused(process),
      onResumed: (process: SimulatedProcess) => this.#resumed(process),
      onCrashed: (process: SimulatedProcess, silent: boolean) => this.network.crashed(process, silent),
    }
    this.nodes = scenario.hosts.map((options) => ({
      host: new SimulatedHost(options, world, streamOf(scenario.seed, `host ${options.nodeId}`)),
      process: undefined,
      system: undefined,
      downUntilMs: 0,
      isStopping: false,
    }))
  }

  node(nodeId: string): SimulatedNode | undefined {
    return this.nodes.find((node) => node.host.nodeId === nodeId)
  }

  /** It stalls, and a second process under the same node id starts beside it, which is not told of the first. */
  twin(node: SimulatedNode, lastsMs: number): void {
    const { process } = node
    if (process === undefined || node.isStopping || process.isPaused) return
    this.history.note(process.name, 'stalls, and its supervisor starts another in its place')
    process.pause('stall', lastsMs)
    this.marks.reach('two processes with one node id')
    this.#twins.push(process)
    node.process = undefined
    node.system = undefined
    this.start(node, true)
  }

  start(node: SimulatedNode, twin = false): void {
    if (node.process !== undefined) return
    const process = node.host.boot(twin)
    node.process = process
    this.history.process(process.name, 'started')
    this.truth.startedMs.set(process.name, this.loop.nowMs)
    this.history.note(process.name, 'starts')
    process.post(() => void this.#run(node, process))
  }

  /** Nothing of its memory is left. Its supervisor starts it again, not before `downMs` have passed. */
  crash(node: SimulatedNode, silent: boolean, downMs: number): void {
    const { process } = node
    if (process === undefined) return
    this.#gone(node, process, 'crashed', downMs)
    process.crash(silent)
  }

  /** The node's system is asked to stop; then its process ends. */
  stop(node: SimulatedNode, downMs: number): void {
    const { process, system } = node
    if (process === undefined || system === undefined) return
    this.history.note(process.name, 'is asked to stop')
    node.isStopping = true
    process.post(() => {
      const stopping = system.stop()
      stopping.then(
        () => this.#ended(node, process, downMs),
        (error: unknown) => {
          this.history.found('stop', `${process.name} could not stop: ${stackOf(error)}`)
          this.#ended(node, process, downMs)
        },
      )
    })
  }

  /** Heals whatever can be healed, at once. */
  healAll(): void {
    this.network.healAll()
    this.store.healAll()
    // Whoever runs two processes under one node id ends one of them.
    for (const process of this.#twins.splice(0)) this.#end(process)
    for (const node of this.nodes) {
      node.process?.resume()
      // A stop in good order may take its time: it would be down when everything is to work.
      if (node.isStopping) this.crash(node, false, 0)
      node.downUntilMs = 0
      if (node.process === undefined) this.start(node)
    }
  }

  async #run(node: SimulatedNode, process: SimulatedProcess): Promise<void> {
    const { ttlMs, shardCount, linkRetentionMs, sourceRetentionMs, creditBytes, bounds } = this.scenario
    const { note } = this.history
    const log = (message: string, fields?: object): void => {
      if (this.verbose) note.call(this.history, process.name, `${message} ${fields === undefined ? '' : safeJson(fields)}`)
    }
    try {
      const system = await ClusterActorSystem.start({
        nodeId: process.nodeId,
        clusterId: 'sim',
        runtime: process.runtime,
        metadata: new SimulatedMetadataStore(this.store, process, {
          timeoutMs: ttlMs,
          onError: (error) => log('store', { error: String(error) }),
        }),
        messaging: new SimulatedMessaging(this.network, process),
        actors: this.#definitions(process),
        shardCount,
        sessionTtlMs: ttlMs,
        reconcileMs: 3 * ttlMs,
        stopTimeoutMs: 3 * ttlMs,
        strict: true,
        handoff: { timeoutMs: Math.max(1_000, 2 * ttlMs), chunkBytes: 1_024 },
        placement: { maxMovingShare: 0.5 },
        delivery: {
          linkRetentionMs,
          sourceRetentionMs,
          creditBytes,
          ...bounds,
          keptReplyBytes: KEPT_REPLY_BYTES,
          maxPayloadBytes: 8 << 10,
        },
        logger: { debug: log, info: log, warn: log, error: log },
      })
      if (process.isCrashed) return
      // Its twin was started meanwhile.
      if (node.process === process) node.system = system
      this.history.note(process.name, 'runs')
      this.#listen(system, process)
    } catch (error) {
      if (process.isCrashed) return
      this.history.note(process.name, `could not start: ${error instanceof Error ? error.message : String(error)}`)
      this.marks.reach('a start that failed')
      this.#ended(node, process, 0)
    }
  }

  #listen(system: ClusterActorSystem, process: SimulatedProcess): void {
    const { history, marks } = this
    system.onDeadLetter((letter) => {
      history.deadLetter(process.name, `${letter.address.kind}/${letter.address.id}`, letter.reason)
      history.note(process.name, `dead letter: ${letter.type} to ${letter.address.kind}/${letter.address.id}: ${letter.reason}`)
      marks.reach(`dead letter: ${letter.reason}`)
    })
    // Of nodes that join and leave the log says so.
    for (const name of this.verbose ? (['peer-up', 'peer-down'] as const) : []) {
      system.events.on(name, (event: object) => history.note(process.name, `${name} ${safeJson(event)}`))
    }
    system.events.on('handoff-started', ({ role, handoffId }) => {
      if (role === 'target') this.sealed.add(handoffId)
    })
    for (const name of ['suspended', 'resumed', 'discarded', 'store-reborn', 'handoff-aborted', 'warning'] as const) {
      system.events.on(name, (event: object) => {
        marks.reach(`event: ${name}`)
        history.note(process.name, `${name} ${safeJson(event)}`)
      })
    }
  }

  #end(process: SimulatedProcess): void {
    if (process.isCrashed) return
    this.history.process(process.name, 'crashed')
    this.#resumed(process)
    this.truth.lost(process)
    process.crash()
  }

  #ended(node: SimulatedNode, process: SimulatedProcess, downMs: number): void {
    if (process.isCrashed) return
    if (node.process !== process) return this.#end(process)
    this.#gone(node, process, 'stopped', downMs)
    process.crash()
  }

  #gone(node: SimulatedNode, process: SimulatedProcess, how: 'crashed' | 'stopped', downMs: number): void {
    this.history.process(process.name, how)
    this.history.note(process.name, how)
    this.#resumed(process)
    this.truth.lost(process)
    this.onGone?.(process)
    node.process = undefined
    node.system = undefined
    node.isStopping = false
    node.downUntilMs = this.loop.nowMs + downMs
    const supervise = (): void => {
      if (node.process !== undefined) return
      if (this.loop.nowMs < node.downUntilMs) this.loop.at(node.downUntilMs, supervise)
      else this.start(node)
    }
    this.loop.after(Math.max(SUPERVISOR_MS, downMs), supervise)
  }

  #paused(process: SimulatedProcess): void {
    this.history.process(process.name, 'paused')
    this.history.note(process.name, `is paused (${process.state})`)
    this.#pausedAt.set(process.name, this.loop.nowMs)
    this.network.paused(process)
  }

  #resumed(process: SimulatedProcess): void {
    const sinceMs = this.#pausedAt.get(process.name)
    if (sinceMs === undefined) return
    this.#pausedAt.delete(process.name)
    this.pausedMs.set(process.name, (this.pausedMs.get(process.name) ?? 0) + this.loop.nowMs - sinceMs)
    this.history.process(process.name, 'resumed')
    this.history.note(process.name, 'goes on')
  }
}

export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function safeJson(value: object): string {
  try {
    return JSON.stringify(value, (_, each: unknown) =>
      each instanceof Error ? each.message : typeof each === 'bigint' ? String(each) : each,
    )
  } catch {
    return '…'
  }
}
