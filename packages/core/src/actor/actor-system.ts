// ActorSystem: actors in one process, with no set-up at all. The cluster's system offers the same refs over the same room.

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import { ClosedError, ConfigError, NotExecutedError, UnknownKindError } from '../errors.ts'
import { type ActorAddress, checkActorId, formatAddress } from '../messaging/address.ts'
import { nodeRuntime } from '../runtime/node-runtime.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Cell } from './cell.ts'
import type { DeadLetter } from './dead-letter.ts'
import { DeadLetterSubscribers } from './dead-letters.ts'
import type { ActorDefinition, ProtocolOfDefinition } from './definition.ts'
import type { Destination, OutboundOptions } from './destination.ts'
import { type ActorCounters, ActorHost } from './host.ts'
import { askCell, readyCell, sendCell, tellCell, tellCellWith } from './local-delivery.ts'
import type { Logger } from './logger.ts'
import { ActorRef } from './ref.ts'
import { ActorTable } from './table.ts'

export interface ActorSystemOptions {
  /** Definitions that are reached by kind before anything of them was spawned. `spawn` adds its own. */
  readonly actors?: readonly ActorDefinition[] | undefined
  /** Default: the console, from `warn` upwards. */
  readonly logger?: Logger | undefined
  /** Passes payloads and replies through the codec, so that what would not survive the network is found early. Default: `NODE_ENV === 'test'`. */
  readonly strict?: boolean | undefined
  /** Default: Node's clocks, timers and random numbers. */
  readonly runtime?: Runtime | undefined
}

export class ActorSystem implements AsyncDisposable {
  readonly #host: ActorHost
  readonly #tables = new Map<string, ActorTable>()
  readonly #destination: LocalDestination
  readonly #subscribers: DeadLetterSubscribers
  #closed: Promise<void> | undefined = undefined

  constructor(options: ActorSystemOptions = {}) {
    this.#destination = new LocalDestination(this.#tables, () => this.#host)
    this.#subscribers = new DeadLetterSubscribers(() => this.#host.logger)
    this.#host = new ActorHost({
      runtime: options.runtime ?? nodeRuntime,
      refs: this.#destination,
      logger: options.logger,
      strict: options.strict,
      onDeadLetter: (letter) => this.#subscribers.publish(letter),
    })
    for (const definition of options.actors ?? []) this.#table(definition)
  }

  /** Starts an actor. `DuplicateActorError` when the id is taken. */
  spawn<D extends ActorDefinition>(definition: D, id: string): ActorRef<ProtocolOfDefinition<D>> {
    if (this.#closed !== undefined) throw new ClosedError(`the actor system is closed; '${definition.kind}' can't be spawned`)
    checkActorId(definition.kind, id)
    const cell = this.#table(definition).create(id)
    return new ActorRef(this.#destination, cell, cell)
  }

  /** An actor by its kind and id, alive or not: messages to one that was not spawned become dead letters of reason `stopped`. */
  ref<D extends ActorDefinition>(definition: D, id: string): ActorRef<ProtocolOfDefinition<D>>
  /** As above with the definition's type alone: `ref<typeof Counter>('counter', 'c-1')`. */
  ref<D extends ActorDefinition>(kind: D['kind'], id: string): ActorRef<ProtocolOfDefinition<D>>
  ref(definition: ActorDefinition | string, id: string): ActorRef {
    const kind = typeof definition === 'string' ? definition : definition.kind
    checkActorId(kind, id)
    const cell = this.#tables.get(kind)?.find(id, undefined)
    return new ActorRef(this.#destination, cell ?? { kind, id }, cell)
  }

  /** Children first, then its `onStop`; what is queued becomes dead letters. Resolves when it is gone. */
  stop(ref: ActorRef): Promise<void>
  stop(definition: ActorDefinition, id: string): Promise<void>
  async stop(target: ActorRef | ActorDefinition, id?: string): Promise<void> {
    if (target instanceof ActorRef) {
      if (target.path !== undefined) throw new TypeError(`${target.toString()} is a child: its parent stops it (ctx.stop)`)
      await this.#tables.get(target.kind)?.stop(target.id)
    } else {
      await this.#tables.get(target.kind)?.stop(id ?? '')
    }
  }

  has(definition: ActorDefinition | string, id: string): boolean {
    return this.#tables.get(typeof definition === 'string' ? definition : definition.kind)?.has(id) ?? false
  }

  /** Returns what ends the subscription. */
  onDeadLetter(subscriber: (letter: DeadLetter) => void): () => void {
    return this.#subscribers.add(subscriber)
  }

  /** Read at this moment. `mailboxDepth` is counted by walking over all actors. */
  metrics(): LocalMetrics {
    let mailboxDepth = 0
    for (const table of this.#tables.values()) mailboxDepth += table.mailboxDepth
    return { ...this.#host.counters, mailboxDepth, deadLetters: Object.fromEntries(this.#host.deadLettersByReason) }
  }

  /** Stops every actor (waiting for its turn in hand) and then the system. What is sent from now on becomes dead letters of reason `shutdown`. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#host.isClosing = true
    await Promise.all(Array.from(this.#tables.values(), (table) => table.stopAll('shutdown', 'shutdown')))
    this.#host.close()
  }

  #table(definition: ActorDefinition): ActorTable {
    const known = this.#tables.get(definition.kind)
    if (known !== undefined) {
      if (known.definition.resolved !== definition.resolved) {
        throw new ConfigError(`there are two definitions of kind '${definition.kind}' in this system; each kind has one`)
      }
      return known
    }
    const table = new ActorTable(this.#host, definition)
    this.#tables.set(definition.kind, table)
    return table
  }
}

export interface LocalMetrics extends Readonly<ActorCounters> {
  /** Messages that wait in all mailboxes. */
  readonly mailboxDepth: number
  readonly deadLetters: { readonly [reason in DeadLetterReason]?: number }
}

/** Delivers within the process: to the cell, or as a dead letter. */
class LocalDestination implements Destination {
  readonly #tables: ReadonlyMap<string, ActorTable>
  readonly #host: () => ActorHost

  constructor(tables: ReadonlyMap<string, ActorTable>, host: () => ActorHost) {
    this.#tables = tables
    this.#host = host
  }

  findCell(address: ActorAddress): Cell | undefined {
    return this.#tables.get(address.kind)?.find(address.id, address.path)
  }

  tell(address: ActorAddress, type: string, payload: unknown, options: OutboundOptions | undefined): boolean {
    const cell = this.findCell(address)
    if (cell !== undefined) {
      return options === undefined ? tellCell(cell, type, payload, undefined) : tellCellWith(cell, type, payload, options)
    }
    this.#host().deadLetter({ address, type, payload, reason: this.#whyNot(address), sender: options?.sender })
    return false
  }

  send(address: ActorAddress, type: string, payload: unknown, options: OutboundOptions | undefined): Promise<void> {
    const cell = this.findCell(address)
    return cell === undefined ? Promise.reject(this.#refusal(address, type)) : sendCell(cell, type, payload, options)
  }

  ask(address: ActorAddress, type: string, payload: unknown, options: OutboundOptions | undefined): Promise<unknown> {
    const cell = this.findCell(address)
    return cell === undefined ? Promise.reject(this.#refusal(address, type)) : askCell(cell, type, payload, options)
  }

  ready(address: ActorAddress): Promise<void> {
    const cell = this.findCell(address)
    return cell === undefined ? Promise.resolve() : readyCell(cell)
  }

  #refusal(address: ActorAddress, type: string): Error {
    const reason = this.#whyNot(address)
    const cause = reason === 'unknown-kind' ? new UnknownKindError(address.kind, this.#tables.keys()) : undefined
    return new NotExecutedError(reason, `'${type}' to ${formatAddress(address)}`, cause === undefined ? undefined : { cause })
  }

  #whyNot(address: ActorAddress): DeadLetterReason {
    if (this.#host().isClosing) return 'shutdown'
    return this.#tables.has(address.kind) ? 'stopped' : 'unknown-kind'
  }
}
