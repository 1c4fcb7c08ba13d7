// ActorRef: how actors are talked to, the same in one process and across a cluster. It holds an address and where its messages go.

import { NotExecutedError } from '../errors.ts'
import { type ActorAddress, formatAddress } from '../messaging/address.ts'
import type { Activation } from './activation.ts'
import { type Cell, GONE } from './cell.ts'
import { currentTurn } from './current-turn.ts'
import type { ActorDefinition, ProtocolOfDefinition } from './definition.ts'
import type { Destination, OutboundOptions } from './destination.ts'
import { askCell, tellCell } from './local-delivery.ts'
import type { AnyProtocol, MessageArguments, MessageName, Protocol, Reply, SendOptions } from './protocol.ts'

export class ActorRef<P extends Protocol = any> {
  readonly #address: ActorAddress
  readonly #destination: Destination
  readonly #from: Activation | undefined
  readonly #preset: SendOptions | undefined
  #cell: Cell | undefined
  /** Lets the compiler tell refs of different protocols apart. */
  declare readonly '~protocol': P

  /** `cell`: the actor itself, where its mailbox may be filled directly. `from`: who sends by it (refs made by a context). */
  constructor(destination: Destination, address: ActorAddress, cell?: Cell, from?: Activation, preset?: SendOptions) {
    this.#destination = destination
    this.#address = address
    this.#from = from
    this.#preset = preset
    this.#cell = cell
  }

  get kind(): string {
    return this.#address.kind
  }

  get id(): string {
    return this.#address.id
  }

  /** For a child: the names below the top-level actor, joined by `/`. */
  get path(): string | undefined {
    return this.#address.path
  }

  /** Plain data, fit for payloads: `system.ref(kind, id)` makes a ref of it again. */
  get address(): ActorAddress {
    const { kind, id, path } = this.#address
    return path === undefined ? { kind, id } : { kind, id, path }
  }

  /** `kind/id`, or `kind/id/child`. */
  toString(): string {
    return formatAddress(this.#address)
  }

  /**
   * Sends and forgets: never throws for delivery reasons, never waits. `false`: slow down and await {@link ready}, or the message became a dead letter.
   * A payload that can't travel is refused here with `UnserialisablePayloadError` (in a cluster, and in `strict` mode).
   */
  tell<T extends MessageName<P>>(type: T, ...message: MessageArguments<P, T>): boolean
  tell(type: string, payload?: unknown, options?: SendOptions): boolean {
    const from = currentTurn.activation ?? this.#from
    const cell = this.#cell
    if (cell !== undefined && options === undefined && this.#preset === undefined && (cell.flags & GONE) === 0) {
      if (from === undefined) return tellCell(cell, type, payload, undefined)
      if (!from.isFenced) return tellCell(cell, type, payload, from.cell.cohort.host === cell.cohort.host ? from.cell : undefined)
    }
    return this.#tellThroughDestination(type, payload, options, from)
  }

  /** Resolves when the guarantee is met: the turn of the message has ended (at-most-once: it was written to an open link). Waits while buffers are full. Rejects with `NotExecutedError`, `DeliveryUnknownError` or `ActorFailedError`. */
  send<T extends MessageName<P>>(type: T, ...message: MessageArguments<P, T>): Promise<void>
  send(type: string, payload?: unknown, options?: SendOptions): Promise<void> {
    const from = currentTurn.activation ?? this.#from
    if (from?.isFenced) return Promise.reject(this.#fenced(type))
    return this.#destination.send(this.#address, type, payload, this.#outbound(from, options, false))
  }

  /** Resolves with what the handler returns. Rejects with `ActorFailedError` (its `cause` is what the handler threw), `NotExecutedError`, `DeliveryUnknownError` or `AskCycleError`. */
  ask<T extends MessageName<P>>(type: T, ...message: MessageArguments<P, T>): Promise<Reply<P, T>>
  ask(type: string, payload?: unknown, options?: SendOptions): Promise<unknown> {
    const from = currentTurn.activation ?? this.#from
    const cell = this.#cell
    if (cell !== undefined && from === undefined && this.#preset === undefined && (cell.flags & GONE) === 0) {
      return askCell(cell, type, payload, options)
    }
    if (from?.isFenced) return Promise.reject(this.#fenced(type))
    return this.#destination.ask(this.#address, type, payload, this.#outbound(from, options, true))
  }

  /** Resolves when `tell` would return true. */
  ready(): Promise<void> {
    return this.#destination.ready(this.#address)
  }

  /** The same actor, with these options for every message that does not say otherwise. */
  with(options: SendOptions): ActorRef<P> {
    return new ActorRef<P>(this.#destination, this.#address, this.#cell, this.#from, { ...this.#preset, ...options })
  }

  /** Says what the other side is: for `ctx.sender` and other refs of unknown protocol. Throws a `TypeError` when it is of another kind. */
  as<D extends ActorDefinition>(definition: D): ActorRef<ProtocolOfDefinition<D>> {
    // Children bear the kind of their top-level actor in the address, so theirs can't be held against it.
    if (this.#address.path === undefined && this.#address.kind !== definition.kind) {
      throw new TypeError(`${this.toString()} is not of kind '${definition.kind}'`)
    }
    return this as unknown as ActorRef<ProtocolOfDefinition<D>>
  }

  equals(other: ActorRef): boolean {
    return this.kind === other.kind && this.id === other.id && this.path === other.path
  }

  /** @internal The actor, if its mailbox is in reach. */
  findCell(): Cell | undefined {
    if (this.#cell === undefined || (this.#cell.flags & GONE) !== 0) this.#cell = this.#destination.findCell?.(this.#address)
    return this.#cell
  }

  #tellThroughDestination(type: string, payload: unknown, options: SendOptions | undefined, from: Activation | undefined): boolean {
    if (from?.isFenced) {
      from.cell.cohort.host.deadLetter({ address: this.address, type, payload, reason: 'fenced', sender: from.cell })
      return false
    }
    // The next one goes the direct way.
    this.findCell()
    return this.#destination.tell(this.#address, type, payload, this.#outbound(from, options, false))
  }

  #outbound(from: Activation | undefined, options: SendOptions | undefined, isAsk: boolean): OutboundOptions | undefined {
    const preset = this.#preset
    const host = from?.cell.cohort.host
    // A turn of another system in this process: its actors mean nothing over there.
    if (from === undefined || host?.refs !== this.#destination) {
      return preset === undefined ? options : options === undefined ? preset : { ...preset, ...options }
    }
    return {
      ...preset,
      ...options,
      sender: from.cell,
      chain: isAsk ? from.chainOfAsks() : undefined,
      from: from.cell.cohort.table,
    }
  }

  #fenced(type: string): NotExecutedError {
    return new NotExecutedError('fenced', `'${type}' to ${this.toString()}`)
  }
}

export type AnyRef = ActorRef<AnyProtocol>
