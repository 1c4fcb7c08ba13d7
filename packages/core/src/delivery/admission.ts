// Bounds of the outbox: who may add a message, who waits for room, and who is told to slow down.

import type { ActorAddress } from '../messaging/address.ts'
import type { DeliveryLimits } from './delivery-limits.ts'
import type { OutEntry } from './out-entry.ts'
import type { Outbox } from './outbox.ts'
import type { Peer } from './peer.ts'
import { actorKey } from './records.ts'

export class Admission {
  readonly #limits: DeliveryLimits
  readonly #outbox: Outbox
  /** Callers of `send` and `ask` that wait for room, in order. Their payloads are encoded already. */
  #callers: OutEntry[] = []
  #callerBytes = 0
  /** Whom they wait for, and which actors they are for: an actor may have moved to a peer that has room. */
  readonly #peers = new Set<Peer | undefined>()
  readonly #actors = new Set<string>()
  readonly #ready: { readonly peer: Peer | undefined; readonly resolve: () => void }[] = []

  constructor(limits: DeliveryLimits, outbox: Outbox) {
    this.#limits = limits
    this.#outbox = outbox
  }

  get hasCallers(): boolean {
    return this.#callers.length > 0 || this.#ready.length > 0
  }

  get callerCount(): number {
    return this.#callers.length
  }

  get callerBytes(): number {
    return this.#callerBytes
  }

  /** Whether a message to this actor, at this peer, may be added now: there is room, and nobody who came before waits for it. */
  admits(peer: Peer | undefined, address: ActorAddress): boolean {
    return (this.#peers.size === 0 || !this.#peers.has(peer)) && !this.isWaitedFor(address) && this.#hasRoom(peer)
  }

  /** What is newer must not overtake what waits for room. */
  isWaitedFor(address: ActorAddress): boolean {
    return this.#actors.size > 0 && this.#actors.has(keyOf(address))
  }

  /** Half full: time to slow down. */
  isCongested(peer: Peer | undefined): boolean {
    const { outboxMessages, outboxBytes, outboxMessagesPerPeer, outboxBytesPerPeer } = this.#limits
    if (this.#callers.length > 0 || this.#outbox.count * 2 > outboxMessages || this.#outbox.bytes * 2 > outboxBytes) return true
    return peer !== undefined && (peer.outCount * 2 > outboxMessagesPerPeer || peer.outBytes * 2 > outboxBytesPerPeer)
  }

  /** False: so many callers wait already that this one can't. */
  wait(entry: OutEntry): boolean {
    const { outboxMessages, outboxBytes } = this.#limits
    if (this.#callers.length >= outboxMessages || this.#callerBytes + entry.cost > outboxBytes) return false
    this.#add(entry)
    return true
  }

  /** Resolves when there is room for more than a few. */
  ready(peer: Peer | undefined): Promise<void> {
    if (!this.isCongested(peer)) return Promise.resolve()
    return new Promise((resolve) => {
      this.#ready.push({ peer, resolve })
    })
  }

  /** Something has ended: callers that there is room for now, in order. `route` looks again where an entry goes. */
  admit(route: (entry: OutEntry) => void, submit: (entry: OutEntry) => void): void {
    if (this.#callers.length > 0) this.#admitCallers(route, submit)
    for (let i = 0; i < this.#ready.length; ) {
      const waiting = this.#ready[i] as { readonly peer: Peer | undefined; readonly resolve: () => void }
      if (this.isCongested(waiting.peer)) {
        i++
        continue
      }
      this.#ready.splice(i, 1)
      waiting.resolve()
    }
  }

  #admitCallers(route: (entry: OutEntry) => void, submit: (entry: OutEntry) => void): void {
    const callers = this.#callers
    const rest: OutEntry[] = []
    const full = new Set<Peer | undefined>()
    this.#callers = []
    this.#forget()
    for (const entry of callers) {
      if (entry.isEnded) continue
      route(entry)
      const { peer } = entry.stream
      // One that must wait blocks those behind it for the same peer: order is kept.
      if (!full.has(peer) && this.#hasRoom(peer)) {
        submit(entry)
        continue
      }
      full.add(peer)
      rest.push(entry)
    }
    const added = this.#callers
    this.#callers = []
    this.#forget()
    for (const entry of [...rest, ...added]) this.#add(entry)
  }

  #add(entry: OutEntry): void {
    this.#callers.push(entry)
    this.#callerBytes += entry.cost
    this.#peers.add(entry.stream.peer)
    this.#actors.add(keyOf(entry.stream))
  }

  #forget(): void {
    this.#peers.clear()
    this.#actors.clear()
    this.#callerBytes = 0
  }

  #hasRoom(peer: Peer | undefined): boolean {
    const { outboxMessages, outboxBytes, outboxMessagesPerPeer, outboxBytesPerPeer } = this.#limits
    if (this.#outbox.count >= outboxMessages || this.#outbox.bytes >= outboxBytes) return false
    return peer === undefined || (peer.outCount < outboxMessagesPerPeer && peer.outBytes < outboxBytesPerPeer)
  }

  /** The endpoint closes. */
  drain(): OutEntry[] {
    for (const waiting of this.#ready.splice(0)) waiting.resolve()
    const callers = this.#callers
    this.#callers = []
    this.#forget()
    return callers
  }
}

function keyOf({ kind, id, path }: ActorAddress): string {
  return `${kind}/${actorKey(id, path)}`
}
