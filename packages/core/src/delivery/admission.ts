// Bounds of the outbox: who may add a message, who waits for room, and who is told to slow down.

import type { DeliveryLimits } from './delivery-limits.ts'
import type { OutEntry } from './out-entry.ts'
import type { Outbox } from './outbox.ts'
import type { Peer } from './peer.ts'

export class Admission {
  readonly #limits: DeliveryLimits
  readonly #outbox: Outbox
  /** Callers of `send` and `ask` that wait for room, in order. Their payloads are encoded already. */
  #callers: OutEntry[] = []
  #callerBytes = 0
  readonly #waitingBy = new Map<Peer | undefined, number>()
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

  /** Whether a message to this peer may be added now: there is room, and nobody who came before waits for it. */
  admits(peer: Peer | undefined): boolean {
    return !this.#waitingBy.has(peer) && this.#hasRoom(peer)
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
    this.#callers.push(entry)
    this.#callerBytes += entry.cost
    const { peer } = entry.stream
    this.#waitingBy.set(peer, (this.#waitingBy.get(peer) ?? 0) + 1)
    return true
  }

  /** Resolves when there is room for more than a few. */
  ready(peer: Peer | undefined): Promise<void> {
    if (!this.isCongested(peer)) return Promise.resolve()
    return new Promise((resolve) => {
      this.#ready.push({ peer, resolve })
    })
  }

  /** Something has ended: callers that there is room for now, in order. */
  admit(submit: (entry: OutEntry) => void): void {
    if (this.#callers.length > 0) this.#admitCallers(submit)
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

  #admitCallers(submit: (entry: OutEntry) => void): void {
    const callers = this.#callers
    const rest: OutEntry[] = []
    const full = new Set<Peer | undefined>()
    this.#callers = []
    this.#waitingBy.clear()
    this.#callerBytes = 0
    for (const entry of callers) {
      if (entry.isEnded) continue
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
    for (const entry of [...rest, ...added]) {
      this.#callers.push(entry)
      this.#callerBytes += entry.cost
      this.#waitingBy.set(entry.stream.peer, (this.#waitingBy.get(entry.stream.peer) ?? 0) + 1)
    }
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
    this.#waitingBy.clear()
    this.#callerBytes = 0
    return callers
  }
}
