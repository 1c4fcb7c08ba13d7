// The other processes: a peer (the link) for each that this one talks to, a source (what was handled of it) for each that it has heard of, and how
// long both are remembered once the store has said that a process is gone.

import type { PeerId } from '../messaging/messaging-system.ts'
import type { Timer } from '../runtime/runtime.ts'
import type { DeliveryCore } from './delivery-core.ts'
import type { OutStream } from './out-stream.ts'
import { Peer } from './peer.ts'
import { Source } from './records.ts'

export class Processes {
  readonly #core: DeliveryCore
  readonly #onIdleEvicted: (stream: OutStream) => void
  readonly #retire: (processId: string) => void
  readonly #peers = new Map<string, Peer>()
  readonly #sources = new Map<string, Source>()
  /** Those of `#peers` that are gone. */
  readonly #gonePeers = new Set<Peer>()
  /** Sources whose process is gone, in the order of going. */
  readonly #gone: Source[] = []
  #goneTimer: Timer | undefined
  #lastLinkId = 0

  /** `retire`: the retention of a source that is gone has passed. */
  constructor(core: DeliveryCore, onIdleEvicted: (stream: OutStream) => void, retire: (processId: string) => void) {
    this.#core = core
    this.#onIdleEvicted = onIdleEvicted
    this.#retire = retire
    this.#sources.set(core.processId, core.self)
  }

  find(processId: string): Peer | undefined {
    return this.#peers.get(processId)
  }

  sources(): Iterable<Source> {
    return this.#sources.values()
  }

  peers(): Iterable<Peer> {
    return this.#peers.values()
  }

  source(nodeId: string, processId: string): Source {
    let source = this.#sources.get(processId)
    if (source === undefined) {
      source = new Source(nodeId, processId)
      this.#sources.set(processId, source)
    }
    return source
  }

  peerFor(id: PeerId): Peer {
    let peer = this.#peers.get(id.processId)
    if (peer === undefined) {
      peer = new Peer({ nodeId: id.nodeId, processId: id.processId }, this.#core, () => ++this.#lastLinkId, this.#onIdleEvicted)
      this.#peers.set(id.processId, peer)
      const source = this.source(id.nodeId, id.processId)
      if (source.control !== undefined) peer.control = source.control
      source.peer = peer
    }
    return peer
  }

  /** The store says that this process is gone. */
  markGone(processId: string): void {
    const source = this.#sources.get(processId)
    if (source === undefined || source === this.#core.self || source.goneAtMs !== undefined) return
    source.goneAtMs = this.#core.runtime.monotonicMs()
    this.#gone.push(source)
    this.#armGoneTimer()
  }

  /** Its process is gone: it is forgotten when no stream points to it any more. */
  giveUp(peer: Peer): void {
    peer.isGone = true
    this.#gonePeers.add(peer)
  }

  /** It is there: whatever was said about its end does not hold. */
  comeBack(peer: Peer): void {
    peer.isGone = false
    this.#gonePeers.delete(peer)
    this.source(peer.id.nodeId, peer.id.processId).peer = peer
    this.markBack(peer.id.processId)
  }

  /** The store shows it again, or it is connected: its records stay. */
  markBack(processId: string): void {
    const source = this.#sources.get(processId)
    if (source?.goneAtMs === undefined) return
    source.goneAtMs = undefined
    this.#gone.splice(this.#gone.indexOf(source), 1)
  }

  /** After streams were routed anew. A stream that points to a peer, though it has nothing under way, would go on pointing to what a new object has replaced. */
  forgetGonePeers(streams: () => Iterable<OutStream>): void {
    if (this.#gonePeers.size === 0) return
    const gone = new Set(this.#gonePeers)
    for (const { peer } of streams()) if (peer !== undefined) gone.delete(peer)
    for (const peer of gone) this.forgetGonePeer(peer)
  }

  /** Only when no stream points to it but those with messages under way: they keep it. */
  forgetGonePeer(peer: Peer): void {
    if (!peer.isGone || peer.outCount > 0) return
    this.#peers.delete(peer.id.processId)
    this.#gonePeers.delete(peer)
    const source = this.#sources.get(peer.id.processId)
    if (source?.peer !== peer) return
    source.peer = undefined
    source.control = peer.control
  }

  /** Its records and kept replies go now. */
  retire(processId: string): void {
    const source = this.#sources.get(processId)
    if (source === undefined || source === this.#core.self) return
    source.clear()
    this.#sources.delete(processId)
    const at = this.#gone.indexOf(source)
    if (at >= 0) this.#gone.splice(at, 1)
  }

  #armGoneTimer(): void {
    if (this.#goneTimer !== undefined || this.#core.isClosed) return
    const first = this.#gone[0]
    if (first === undefined) return
    const dueMs = (first.goneAtMs as number) + this.#core.limits.sourceRetentionMs
    this.#goneTimer = this.#core.runtime.setTimer(
      () => {
        this.#goneTimer = undefined
        const now = this.#core.runtime.monotonicMs()
        while (this.#gone[0] !== undefined && now >= (this.#gone[0].goneAtMs as number) + this.#core.limits.sourceRetentionMs) {
          this.#retire(this.#gone[0].processId)
        }
        this.#armGoneTimer()
      },
      Math.max(1, dueMs - this.#core.runtime.monotonicMs()),
    )
  }

  close(): void {
    this.#goneTimer?.cancel()
  }
}
