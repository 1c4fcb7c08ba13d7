// What all actors of a process share: the run queue, the deadlines, dead letters, counters. One per process, or per system in tests.

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import type { ActorAddress } from '../messaging/address.ts'
import { DeadlineSweep } from '../runtime/deadline-sweep.ts'
import { isTestEnvironment } from '../runtime/environment.ts'
import { newIdentity } from '../runtime/identity.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { BLOCKED, type Cell, SCHEDULED } from './cell.ts'
import type { DeadLetter } from './dead-letter.ts'
import type { Destination } from './destination.ts'
import { ConsoleLogger, childLogger, type Logger } from './logger.ts'
import { MailboxPool } from './mailbox-pool.ts'
import { RunQueue } from './run-queue.ts'
import { runCell } from './turn.ts'
import { placementChanged } from './watching.ts'

export interface ActorHostOptions {
  readonly runtime: Runtime
  /** Where refs made by actors (`ctx.ref`, `ctx.sender`) send. */
  readonly refs: Destination
  /** Default: the console, from `warn` upwards. */
  readonly logger?: Logger | undefined
  /** Local payloads and replies pass through the payload codec. Default: `NODE_ENV === 'test'`. */
  readonly strict?: boolean | undefined
  /** Whatever it throws is logged and otherwise ignored. */
  readonly onDeadLetter?: ((letter: DeadLetter) => void) | undefined
  /** Where actors live, as far as this process knows: another word whenever the owner of one has changed. Absent: they all live here. */
  readonly whereabouts?: ((kind: string, id: string) => string | undefined) | undefined
  /** Share one between the rooms; the host makes (and closes) its own otherwise. */
  readonly deadlines?: DeadlineSweep | undefined
}

/** Counted always, as plain numbers; read them when somebody asks. */
export interface ActorCounters {
  /** Live actors, children included. */
  actors: number
  /** Activations begun. */
  activations: number
  /** Turns of messages and timers. */
  turns: number
  /** Turns that threw, retried attempts not counted. */
  failures: number
  restarts: number
  turnTimeouts: number
  passivations: number
}

export class ActorHost {
  readonly runtime: Runtime
  readonly refs: Destination
  readonly logger: Logger
  readonly strict: boolean
  readonly deadlines: DeadlineSweep
  /** @internal */
  readonly queue: RunQueue<Cell>
  /** @internal */
  readonly mailboxes: MailboxPool = new MailboxPool()
  readonly counters: ActorCounters = {
    actors: 0,
    activations: 0,
    turns: 0,
    failures: 0,
    restarts: 0,
    turnTimeouts: 0,
    passivations: 0,
  }
  /** @internal Actors that watch, or are watched. */
  readonly watching: Set<Cell> = new Set()
  /** @internal Of watches whose notices are under way: nobody who asks is told that it is not known any more. */
  readonly untold: Set<string> = new Set()
  readonly deadLettersByReason: Map<DeadLetterReason, number> = new Map()
  /** Set while the system closes: messages are then refused with `shutdown`. */
  isClosing = false
  readonly #onDeadLetter: ((letter: DeadLetter) => void) | undefined
  readonly #whereabouts: ActorHostOptions['whereabouts']
  readonly #ownsDeadlines: boolean
  readonly #identity: string
  #lastMessage = 0
  #lastTurn = 0

  constructor(options: ActorHostOptions) {
    this.runtime = options.runtime
    this.refs = options.refs
    this.logger = childLogger(options.logger ?? new ConsoleLogger(), {})
    this.strict = options.strict ?? isTestEnvironment()
    this.#ownsDeadlines = options.deadlines === undefined
    this.deadlines = options.deadlines ?? new DeadlineSweep(options.runtime)
    this.queue = new RunQueue(options.runtime, runCell)
    this.#onDeadLetter = options.onDeadLetter
    this.#whereabouts = options.whereabouts
    this.#identity = newIdentity(options.runtime)
  }

  /** Reports and counts. Never throws. */
  deadLetter(letter: DeadLetter): void {
    this.deadLettersByReason.set(letter.reason, (this.deadLettersByReason.get(letter.reason) ?? 0) + 1)
    try {
      this.#onDeadLetter?.(letter)
    } catch (error) {
      this.logger.error('a dead-letter subscriber threw', { error })
    }
  }

  /** Call it when `whereabouts` may answer otherwise than before; undefined: for every kind. */
  placementChanged(kind: string | undefined): void {
    placementChanged(this, kind)
  }

  /** @internal */
  whereabouts(address: ActorAddress): string | undefined {
    return this.#whereabouts?.(address.kind, address.id)
  }

  /** No turn starts any more, no timer fires. After the tables were stopped. */
  close(): void {
    this.isClosing = true
    this.queue.close()
    if (this.#ownsDeadlines) this.deadlines.close()
  }

  /** @internal Puts the actor into the run queue, unless it is there or may not run. */
  schedule(cell: Cell): void {
    if ((cell.flags & (SCHEDULED | BLOCKED)) !== 0) return
    cell.flags |= SCHEDULED
    this.queue.add(cell)
  }

  /** @internal For local messages whose handler asks for it. */
  newMessageId(): string {
    return `${this.#identity}-${++this.#lastMessage}`
  }

  /** @internal Unique over all processes, short enough to travel with each nested ask. */
  newTurnName(): string {
    return `${this.#identity.slice(0, 8)}.${++this.#lastTurn}`
  }
}
