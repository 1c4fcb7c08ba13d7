// One process in a case: its system, who it is, and everything its handler was told, in order.

import assert from 'node:assert/strict'
import type { LocalIdentity, MessagingHandler, MessagingSystem, PeerAddress, PeerId } from '@cajun/core/adapter'

export type PartyEvent =
  | { readonly type: 'up'; readonly peer: PeerId }
  | { readonly type: 'down'; readonly peer: PeerId; readonly reason: Error }
  | { readonly type: 'frame'; readonly peer: PeerId; readonly frame: Uint8Array }
  | { readonly type: 'drain'; readonly peer: PeerId }
  | { readonly type: 'error'; readonly error: Error; readonly peer: PeerId | undefined }

export class Party {
  readonly system: MessagingSystem
  readonly identity: { -readonly [K in keyof LocalIdentity]: LocalIdentity[K] }
  readonly events: PartyEvent[] = []
  address = ''
  /** Called with each event after it was recorded: for cases that act from within a handler. */
  onEvent: ((event: PartyEvent) => void) | undefined
  /** Set when `stop` has resolved: from then on every event is a broken promise. */
  stopped = false
  /** Frames are counted and not kept: for cases that send a lot. */
  keepFrames = true
  readonly #frameCounts = new Map<string, number>()

  constructor(system: MessagingSystem, identity: LocalIdentity) {
    this.system = system
    this.identity = { ...identity }
  }

  get nodeId(): string {
    return this.identity.nodeId
  }

  async start(): Promise<void> {
    this.address = (await this.system.start(this.identity, this.#handler())).address
  }

  async stop(): Promise<void> {
    await this.system.stop()
    this.stopped = true
  }

  /** As others name it; `address` by which route. */
  at(address: string): PeerAddress {
    return { nodeId: this.identity.nodeId, processId: this.identity.processId, address }
  }

  frames(from?: Party): Uint8Array[] {
    return this.events.flatMap((event) =>
      event.type === 'frame' && (from === undefined || event.peer.processId === from.identity.processId) ? [event.frame] : [],
    )
  }

  frameCount(from: Party): number {
    return this.#frameCounts.get(from.identity.processId) ?? 0
  }

  count(type: PartyEvent['type'], peer?: Party): number {
    return this.events.filter((event) => event.type === type && (peer === undefined || event.peer?.processId === peer.identity.processId))
      .length
  }

  errors(): Error[] {
    return this.events.flatMap((event) => (event.type === 'error' ? [event.error] : []))
  }

  /** Whether the last news of this process is that it is up. */
  sees(peer: Party): boolean {
    const last = this.events.findLast(
      (event) => (event.type === 'up' || event.type === 'down') && event.peer.processId === peer.identity.processId,
    )
    return last?.type === 'up'
  }

  /** What must hold in every case: news of a node alternate, and everything else comes only from those that are up. */
  checkInvariants(): void {
    const up = new Map<string, string>()
    for (const event of this.events) {
      if (event.type === 'error') continue
      const { nodeId, processId } = event.peer
      const known = up.get(nodeId)
      if (event.type === 'up') {
        assert.equal(known, undefined, `promise 8: ${this.nodeId} was told twice that ${nodeId} is up, and not that it went down`)
        up.set(nodeId, processId)
      } else if (event.type === 'down') {
        assert.equal(known, processId, `promise 8: ${this.nodeId} was told that ${processId} went down, which was not up`)
        up.delete(nodeId)
      } else {
        assert.equal(known, processId, `promise 10: ${this.nodeId} got a ${event.type} of ${processId}, which was not up`)
      }
    }
  }

  #handler(): MessagingHandler {
    return {
      onPeerUp: (peer) => this.#record({ type: 'up', peer }),
      onPeerDown: (peer, reason) => this.#record({ type: 'down', peer, reason }),
      onFrame: (peer, frame) => {
        this.#frameCounts.set(peer.processId, (this.#frameCounts.get(peer.processId) ?? 0) + 1)
        if (this.keepFrames || this.stopped) this.#record({ type: 'frame', peer, frame })
        else this.onEvent?.({ type: 'frame', peer, frame })
      },
      onDrain: (peer) => this.#record({ type: 'drain', peer }),
      onError: (error, peer) => this.#record({ type: 'error', error, peer }),
    }
  }

  #record(event: PartyEvent): void {
    this.events.push(event)
    if (this.stopped) this.lateEvents.push(event.type)
    this.onEvent?.(event)
  }

  /** Events after `stop` had resolved. */
  readonly lateEvents: string[] = []
}
