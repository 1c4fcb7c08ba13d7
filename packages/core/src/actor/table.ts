// All actors of one definition under one owner: a local system has one table for each kind, the cluster one for each tenure.

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import type { Message } from '../delivery/message.ts'
import { DuplicateActorError } from '../errors.ts'
import { formatAddress } from '../messaging/address.ts'
import { whenTurnEnded } from './after-turn.ts'
import { Cell, GONE, START, SUSPENDED } from './cell.ts'
import { findDescendant, withDescendants } from './children.ts'
import { Cohort } from './cohort.ts'
import type { ActorDefinition } from './definition.ts'
import { ChildBound } from './entries.ts'
import type { Gate } from './gate.ts'
import { GateQueue } from './gate-queue.ts'
import type { ActorHost } from './host.ts'
import { IdPages } from './id-pages.ts'
import { deliverToCell } from './local-delivery.ts'
import type { ActorSnapshot } from './snapshot.ts'
import { installActor, snapshotOf } from './snapshot-actor.ts'
import type { StopReason } from './stop-reason.ts'
import { discardCell, returnQueued, stopCell } from './stopping.ts'
import { answerForAbsent } from './watching.ts'

export interface ActorTableOptions {
  /** Asked at the start of every turn. Without it turns always run. */
  readonly gate?: Gate | undefined
  /** A message for an unknown id brings its actor to life. Default false: it is refused with `stopped`. */
  readonly activateOnMessage?: boolean | undefined
  /** After `deliver(id, …)` returned false: there is room again. Called once for each time it filled up. */
  readonly onRoom?: ((id: string) => void) | undefined
  /** Exporting met state that the codec refuses: the actor starts afresh on the other side. Logged in any case. */
  readonly onStateRefused?: ((id: string, error: unknown) => void) | undefined
}

const CLOSED_GATE: Gate = { mayRun: () => false }

export class ActorTable {
  readonly host: ActorHost
  readonly definition: ActorDefinition
  readonly activatesOnMessage: boolean
  /** @internal */
  gate: Gate | undefined
  /** @internal */
  readonly cohort: Cohort
  readonly #cells = new Map<string, Cell>()
  readonly #options: ActorTableOptions
  readonly #gateQueue = new GateQueue()
  #sealed: Promise<void> | undefined = undefined
  #isStopping = false
  /** Sealed, and every queued message given back: from then on it may be shipped. */
  #isEmptied = false
  #isDiscarded = false
  /** Ids that are being extracted. */
  readonly #leaving = new Set<string>()
  readonly #pages = new IdPages(this.#cells)

  constructor(host: ActorHost, definition: ActorDefinition, options: ActorTableOptions = {}) {
    this.host = host
    this.definition = definition
    this.activatesOnMessage = options.activateOnMessage ?? false
    this.gate = options.gate
    this.#options = options
    this.cohort = new Cohort(host, this, definition.resolved)
  }

  // ---- messages ----

  /** `false`: the mailbox is full and the message reliable; it was not taken, and `onRoom(id)` follows. Otherwise the message ends by its own methods. */
  deliver(id: string, path: string | undefined, message: Message): boolean {
    if (this.#sealed !== undefined || this.#isDiscarded) {
      message.returned()
      return true
    }
    // Whoever delivers keeps it, and is told by the extraction that it goes elsewhere.
    if (this.#leaving.size > 0 && this.#leaving.has(id)) return false
    let cell = this.#cells.get(id)
    if (cell === undefined) {
      // The system stops: an actor that has stopped is not brought to life afresh while others still end their turns.
      if (this.#isStopping) {
        message.returned()
        return true
      }
      if (answerForAbsent(this.host, message)) return true
      if (!this.activatesOnMessage) {
        message.refused(this.host.isClosing ? 'shutdown' : 'stopped')
        return true
      }
      cell = this.#add(id)
    }
    if (path === undefined) return deliverToCell(cell, message)
    // Children come to life with their parent; and messages for them must not overtake those that wait for that.
    if (cell.activation === undefined || (cell.extras?.childBound ?? 0) > 0) return this.#deliverAfterActivation(cell, path, message)
    return deliverBelow(cell, path, message)
  }

  /** @internal The parent is alive now. */
  deliverToChild(parent: Cell, { path, message }: ChildBound): void {
    ;(parent.extras as { childBound: number }).childBound--
    // Full, and the message reliable: it was taken already, so it waits in the parent's mailbox, at the end of it.
    if (!deliverBelow(parent, path, message)) this.#deliverAfterActivation(parent, path, message)
  }

  #deliverAfterActivation(cell: Cell, path: string, message: Message): boolean {
    const mailbox = cell.needMailbox()
    cell.needExtras().childBound++
    mailbox.push(new ChildBound(path, message), undefined, undefined, 0)
    this.host.schedule(cell)
    return true
  }

  /** Activates without a message (registered actors). Nothing happens if it lives already. */
  start(id: string): void {
    if (this.#sealed !== undefined || this.#isDiscarded) return
    const cell = this.#cells.get(id) ?? this.#add(id)
    if (cell.activation !== undefined) return
    cell.flags |= START
    this.host.schedule(cell)
  }

  /** @internal An explicit spawn. */
  create(id: string): Cell {
    if (this.#cells.has(id)) throw new DuplicateActorError(`${this.definition.kind}/${id}`)
    const cell = this.#add(id)
    const { onStart, idleTimeoutMs } = this.definition.resolved
    // Without anything to do at its start, the state can wait for the first message: a million idle actors hold none.
    if (onStart !== undefined || idleTimeoutMs !== Number.POSITIVE_INFINITY) {
      cell.flags |= START
      this.host.schedule(cell)
    }
    return cell
  }

  #add(id: string): Cell {
    const cell = new Cell(this.cohort, id)
    this.#cells.set(id, cell)
    this.host.counters.actors++
    return cell
  }

  // ---- the gate ----

  /** The gate opened: what has messages runs again. */
  wake(): void {
    if (this.gate === undefined || this.gate.mayRun()) this.#gateQueue.open()
  }

  /** @internal */
  waitForGate(cell: Cell): void {
    this.#gateQueue.add(cell)
  }

  /** @internal For hooks. `false`: it will never open again for this table. */
  whenGateOpen(): Promise<boolean> {
    if (this.#sealed !== undefined || this.#isDiscarded) return Promise.resolve(false)
    if (this.gate === undefined || this.gate.mayRun()) return Promise.resolve(true)
    return this.#gateQueue.whenOpen()
  }

  // ---- moving and losing the ownership ----

  /** No further turn starts. Resolves when the turns in hand have ended; then every queued message has got `returned()`. Idempotent. */
  seal(): Promise<void> {
    this.#sealed ??= this.#seal()
    return this.#sealed
  }

  async #seal(): Promise<void> {
    this.gate = CLOSED_GATE
    this.#gateQueue.giveUp()
    const inHand: Promise<void>[] = []
    for (const top of this.#cells.values()) {
      for (const cell of withDescendants(top)) {
        if (cell.inHand !== undefined) inHand.push(new Promise((resolve) => whenTurnEnded(cell, resolve)))
      }
    }
    await Promise.all(inHand)
    for (const top of this.#cells.values()) {
      for (const cell of withDescendants(top)) returnQueued(cell)
    }
    this.#isEmptied = true
  }

  /** The handoff was aborted and the ownership is this process's again: everything goes on where it was, state that can't be shipped included. */
  async unseal(): Promise<void> {
    if (this.#sealed === undefined || this.#isDiscarded) return
    await this.#sealed
    this.#sealed = undefined
    this.#isEmptied = false
    this.gate = this.#options.gate
    for (const top of this.#cells.values()) {
      for (const cell of withDescendants(top)) {
        if (cell.queued > 0 || (cell.flags & START) !== 0) this.host.schedule(cell)
      }
    }
    this.wake()
  }

  /** The live actors. Only after {@link seal}. */
  *export(): Generator<ActorSnapshot> {
    for (const cell of this.#cells.values()) {
      const snapshot = this.#snapshot(cell)
      if (snapshot !== undefined) yield snapshot
    }
  }

  /**
   * Seals one actor, its children included, and takes it out of the table without running hooks: a pin takes it away from its shard. Resolves after its turn in hand.
   * `deliver(id, …)` returns false from now on; whoever delivers must turn away what is for it before the event loop turns again. Undefined: it does not live here.
   */
  async extract(id: string): Promise<ActorSnapshot | undefined> {
    this.#leaving.add(id)
    try {
      return await this.#extract(id)
    } finally {
      this.host.runtime.nextTurn(() => this.#leaving.delete(id))
    }
  }

  async #extract(id: string): Promise<ActorSnapshot | undefined> {
    const top = this.#cells.get(id)
    if (top === undefined) return undefined
    const inHand: Promise<void>[] = []
    for (const cell of withDescendants(top)) {
      cell.flags |= SUSPENDED
      if (cell.inHand !== undefined) inHand.push(new Promise((resolve) => whenTurnEnded(cell, resolve)))
    }
    await Promise.all(inHand)
    if ((top.flags & GONE) !== 0) return undefined
    for (const cell of withDescendants(top)) returnQueued(cell)
    const snapshot = this.#snapshot(top)
    forgetKept(top)
    discardCell(top)
    return snapshot
  }

  #snapshot(cell: Cell): ActorSnapshot | undefined {
    return snapshotOf(cell, (error) => {
      this.host.logger.warn('state can not be moved; the actor starts afresh on the other side', { actor: formatAddress(cell), error })
      this.#options.onStateRefused?.(cell.id, error)
    })
  }

  /** Brings a shipped actor to life. `revive` makes a message again of each stashed one. Nothing runs before the gate allows it. */
  install(snapshot: ActorSnapshot, revive: (snapshot: unknown) => Message): void {
    if (this.#cells.has(snapshot.id)) throw new DuplicateActorError(`${this.definition.kind}/${snapshot.id}`)
    installActor(this.#add(snapshot.id), snapshot, revive)
  }

  /** Aborts signals, drops all activations without running hooks; `returned()` on every queued message and the one in hand. Late results are ignored. */
  discard(reason: string): void {
    if (this.#isDiscarded) return
    this.#isDiscarded = true
    this.gate = CLOSED_GATE
    if (this.#cells.size > 0) this.host.logger.debug('actors discarded', { kind: this.definition.kind, actors: this.#cells.size, reason })
    for (const cell of [...this.#cells.values()]) {
      // What was sealed has been shipped, or will be held against its senders' outboxes: the stash is not this side's to end.
      if (this.#isEmptied) forgetKept(cell)
      discardCell(cell)
    }
    this.#gateQueue.clear()
    this.#gateQueue.giveUp()
  }

  /** Children first, then the actor's `onStop`. Queued messages are refused with `refuseWith` (default `stopped`). Resolves when it is gone. */
  stop(id: string, reason: StopReason = 'stopped', refuseWith: DeadLetterReason = 'stopped'): Promise<void> {
    const cell = this.#cells.get(id)
    return cell === undefined ? Promise.resolve() : stopCell(cell, reason, refuseWith)
  }

  async stopAll(reason: StopReason = 'stopped', refuseWith: DeadLetterReason = 'stopped'): Promise<void> {
    if (reason === 'shutdown') this.#isStopping = this.activatesOnMessage
    const stopping: Promise<void>[] = []
    for (const cell of [...this.#cells.values()]) {
      const stopped = stopCell(cell, reason, refuseWith)
      if ((cell.flags & GONE) === 0) stopping.push(stopped)
    }
    await Promise.all(stopping)
  }

  // ---- looking ----

  has(id: string): boolean {
    return this.#cells.has(id)
  }

  /** @internal */
  find(id: string, path: string | undefined): Cell | undefined {
    const cell = this.#cells.get(id)
    return cell === undefined || path === undefined ? cell : findDescendant(cell, path)
  }

  /** A page of ids in the order of activation: those after `after` (from the beginning without it, or when that is gone). */
  ids(after: string | undefined, limit: number): string[] {
    return this.#pages.next(after, limit)
  }

  /** Live actors, without children. */
  get size(): number {
    return this.#cells.size
  }

  /** Messages waiting in all its mailboxes, those of children included. Counted when asked. */
  get mailboxDepth(): number {
    let depth = 0
    for (const top of this.#cells.values()) {
      for (const cell of withDescendants(top)) depth += cell.queued
    }
    return depth
  }

  /** @internal */
  roomAgain(id: string): void {
    this.#options.onRoom?.(id)
  }

  /** @internal It is gone. */
  forget(cell: Cell): void {
    if (this.#cells.get(cell.id) === cell) this.#cells.delete(cell.id)
  }
}

/** What the snapshot holds of stash and mailbox lives on there. */
function forgetKept(top: Cell): void {
  for (const cell of withDescendants(top)) {
    cell.activation?.takeStash()
    cell.mailbox = undefined
  }
}

function deliverBelow(parent: Cell, path: string, message: Message): boolean {
  const child = findDescendant(parent, path)
  if (child !== undefined) return deliverToCell(child, message)
  if (!answerForAbsent(parent.cohort.host, message)) message.refused('stopped')
  return true
}
