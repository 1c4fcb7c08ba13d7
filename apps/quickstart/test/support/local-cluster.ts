// A cluster inside the test's own process, through the public API alone: real nodes over TCP on free ports and one embedded store.
// For what needs no crash of a process and is quicker without them.

import type { ActorDefinition, ClusterOptions } from '@cajun/core'
import { ClusterActorSystem } from '@cajun/core'
import { TcpMessagingSystem } from '@cajun/messaging-tcp'
import { EmbeddedDatabase, LinkFaults, MemoryMetadataStore } from '@cajun/metadata-memory'

export const TTL_MS = 1_500

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export class LogBook {
  readonly lines: LogLine[] = []
  readonly debug = this.#at('debug')
  readonly info = this.#at('info')
  readonly warn = this.#at('warn')
  readonly error = this.#at('error')

  /** What an operator sees by default. */
  get loud(): readonly string[] {
    return this.lines
      .filter((line) => line.level === 'warn' || line.level === 'error')
      .map((line) => `${line.level}: ${line.message} ${JSON.stringify(line.fields)}`)
  }

  #at(level: LogLine['level']): (message: string, fields?: object) => void {
    return (message, fields) => void this.lines.push({ level, message, fields: { ...fields } })
  }
}

export class LocalCluster implements AsyncDisposable {
  readonly database: EmbeddedDatabase = new EmbeddedDatabase()
  readonly logs = new Map<string, LogBook>()
  readonly #links = new Map<string, LinkFaults>()
  readonly #defaults: Partial<ClusterOptions>
  readonly #systems: ClusterActorSystem[] = []

  constructor(actors: readonly ActorDefinition[], options: Partial<ClusterOptions> = {}) {
    this.#defaults = { actors, shardCount: 16, sessionTtlMs: TTL_MS, ...options }
  }

  /** What `start` would be given. */
  options(nodeId: string, options: Partial<ClusterOptions> = {}): ClusterOptions {
    const faults = new LinkFaults()
    this.#links.set(nodeId, faults)
    const logger = new LogBook()
    this.logs.set(nodeId, logger)
    return {
      nodeId,
      actors: [],
      metadata: new MemoryMetadataStore({ database: this.database, faults, timeoutMs: 1_000 }),
      messaging: new TcpMessagingSystem({ port: 0 }),
      logger,
      ...this.#defaults,
      ...options,
    }
  }

  async start(nodeId: string, options: Partial<ClusterOptions> = {}): Promise<ClusterActorSystem> {
    const system = await ClusterActorSystem.start(this.options(nodeId, options))
    this.#systems.push(system)
    return system
  }

  /** The link between one node and the store. */
  link(nodeId: string): LinkFaults {
    const link = this.#links.get(nodeId)
    if (link === undefined) throw new Error(`no node ${nodeId}`)
    return link
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.database.faults.heal()
    for (const link of this.#links.values()) link.heal()
    await Promise.all(this.#systems.map((system) => system.stop({ drain: false })))
  }
}

/** What keeps this process alive: sockets, servers, timers. */
export function resources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) {
    if (/TCP|Timeout|Immediate/.test(name)) counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
