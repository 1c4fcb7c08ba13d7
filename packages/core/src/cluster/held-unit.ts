// One placement unit that this process holds: its actors, its tenure, and the gate between the lease and their turns.

import type { ActorDefinition } from '../actor/definition.ts'
import type { Gate } from '../actor/gate.ts'
import type { ActorHost } from '../actor/host.ts'
import { ActorTable } from '../actor/table.ts'
import type { DeliveryEndpoint } from '../delivery/delivery-endpoint.ts'
import type { Message } from '../delivery/message.ts'
import type { Unit } from '../delivery/placement-view.ts'
import type { Tenure } from '../delivery/tenure.ts'
import type { UnitCopy } from './handoff-target.ts'
import type { Held, HeldState } from './ownership.ts'
import type { ShippedItem } from './shipment.ts'

export interface HeldUnitOptions {
  readonly unit: Unit
  readonly epoch: number
  readonly definition: ActorDefinition
  readonly host: ActorHost
  readonly endpoint: Pick<DeliveryEndpoint, 'openTenure'>
  /** Whether the lease of this process is safe, at this moment. */
  readonly leaseIsSafe: () => boolean
  readonly copy: UnitCopy | undefined
}

export class HeldUnit implements Held, Gate {
  readonly unit: Unit
  readonly definition: ActorDefinition
  readonly tenure: Tenure
  readonly #options: HeldUnitOptions
  readonly #table: ActorTable
  #epoch: number
  #state: HeldState | 'discarded' = 'active'
  /** Whether the actors take messages: not before a copy is installed, nor while they are being unsealed. */
  #takes = false
  #unsealing: Promise<void> | undefined
  /** Actors that were offered messages when they took none. */
  readonly #early = new Set<string>()

  constructor(options: HeldUnitOptions) {
    this.#options = options
    this.unit = options.unit
    this.definition = options.definition
    this.#epoch = options.epoch
    this.#table = new ActorTable(options.host, options.definition, {
      gate: this,
      activateOnMessage: true,
      onRoom: (id) => this.tenure.room(id),
    })
    const { copy } = options
    this.tenure = options.endpoint.openTenure({
      unit: options.unit,
      epoch: options.epoch,
      sink: { deliver: (id, path, message) => this.#deliver(id, path, message) },
      ...(copy === undefined ? {} : { shipment: copy.records }),
      ...(this.goesOnWithoutLease ? { mayLeave: () => this.#state === 'active' } : {}),
    })
    this.#install(copy?.actors ?? [])
  }

  get epoch(): number {
    return this.#epoch
  }

  get state(): HeldState {
    return this.#state === 'discarded' ? 'suspended' : this.#state
  }

  get discarded(): boolean {
    return this.#state === 'discarded'
  }

  get table(): ActorTable {
    return this.#table
  }

  /** The kind says `onStoreLoss: 'continue'`: availability over single ownership. */
  get goesOnWithoutLease(): boolean {
    return this.definition.resolved.onStoreLoss === 'continue'
  }

  /** Asked at the start of every turn. */
  mayRun(): boolean {
    return this.#state === 'active' && (this.goesOnWithoutLease || this.#options.leaseIsSafe())
  }

  /** The lease is lost. What is sealed stays so, and lets nothing leave any more: a lease that is won later does not cover what was done under this one. */
  suspend(): void {
    if (this.#state === 'discarded') return
    if (this.#state === 'active') this.#state = 'suspended'
    this.tenure.suspend()
  }

  /** The document names this process again, and nobody owned the unit in between. */
  resume(epoch: number): void {
    const wasSealed = this.#state === 'sealed'
    // Until the actors are unsealed, what arrives is kept by the tenure.
    if (wasSealed) this.#takes = false
    this.#epoch = epoch
    this.#state = 'active'
    this.tenure.resume(epoch)
    if (wasSealed) this.#unsealing = this.#unseal()
    else this.#table.wake()
  }

  /** Resolves when the turns in hand have ended and nothing is accepted any more. */
  async seal(): Promise<void> {
    if (this.#state !== 'active' && this.#state !== 'suspended') return
    this.#state = 'sealing'
    await this.#unsealing
    await this.#table.seal()
    // Discarded in between.
    if (this.#state !== 'sealing') return
    this.tenure.seal()
    this.#state = 'sealed'
  }

  /** The whole copy of a sealed unit. */
  *items(): Generator<ShippedItem> {
    for (const actor of this.#table.export()) yield { actor }
    for (const records of this.tenure.exportRecords()) yield { records }
  }

  /** One actor leaves, to be pinned: its own copy. */
  async split(id: string): Promise<Pick<UnitCopy, 'actors' | 'records'>> {
    const snapshot = await this.#table.extract(id)
    const records = this.discarded ? [] : [...this.tenure.split(id)]
    return { actors: snapshot === undefined ? [] : [snapshot], records }
  }

  /** Ownership is over: nothing of it leaves any more. */
  discard(reason: string): void {
    if (this.#state === 'discarded') return
    this.#state = 'discarded'
    // Actors first, so that what they had not handled is back in order when the tenure gives it to the outbox.
    this.#table.discard(reason)
    this.tenure.discard()
  }

  #deliver(id: string, path: string | undefined, message: Message): boolean {
    if (this.#takes) return this.#table.deliver(id, path, message)
    this.#early.add(id)
    return false
  }

  #install(actors: Iterable<UnitCopy['actors'][number]>): void {
    for (const actor of actors) this.#table.install(actor, (snapshot) => this.tenure.reviveMessage(snapshot))
    this.#takeMessages()
  }

  async #unseal(): Promise<void> {
    await this.#table.unseal()
    if (this.#state !== 'discarded') this.#takeMessages()
  }

  #takeMessages(): void {
    this.#takes = true
    const early = [...this.#early]
    this.#early.clear()
    for (const id of early) this.tenure.room(id)
  }
}
