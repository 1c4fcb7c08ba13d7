// What the actors of one definition within one table share: looked up once, not per actor. Children have cohorts of their own within their parent's table.

import type { MessageEntry, ResolvedDefinition } from './definition.ts'
import type { ActorHost } from './host.ts'
import type { ActorTable } from './table.ts'

export class Cohort {
  readonly host: ActorHost
  readonly table: ActorTable
  readonly definition: ResolvedDefinition
  readonly mailboxLimit: number
  readonly highWater: number
  /** With fewer in the mailbox a tell is near neither the limit nor the high water, even if one more is in hand. */
  readonly calmBelow: number
  readonly strict: boolean
  /** The last look-up: most messages that follow each other are of one type. */
  #lastType = ''
  #lastEntry: MessageEntry | undefined = undefined
  #children: Map<ResolvedDefinition, Cohort> | undefined = undefined

  constructor(host: ActorHost, table: ActorTable, definition: ResolvedDefinition) {
    this.host = host
    this.table = table
    this.definition = definition
    this.mailboxLimit = definition.mailboxLimit
    this.highWater = definition.highWater
    this.calmBelow = definition.highWater - 2
    this.strict = host.strict
  }

  find(type: string): MessageEntry | undefined {
    if (type === this.#lastType) return this.#lastEntry
    const entry = this.definition.messages.get(type)
    if (entry !== undefined) {
      this.#lastType = type
      this.#lastEntry = entry
    }
    return entry
  }

  ofChildren(definition: ResolvedDefinition): Cohort {
    this.#children ??= new Map()
    let cohort = this.#children.get(definition)
    if (cohort === undefined) {
      cohort = new Cohort(this.host, this.table, definition)
      this.#children.set(definition, cohort)
    }
    return cohort
  }
}
