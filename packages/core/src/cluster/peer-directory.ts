// The transport's connections as the cluster wants them: to every registered process, and for a while to those that left, so that a node that keeps out
// because it reached nobody can find out that it does again.

import type { LocalIdentity, MessagingSystem, PeerId } from '../messaging/messaging-system.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { NodeRecord } from './node-record.ts'

export interface PeerDirectoryOptions {
  readonly runtime: Runtime
  readonly local: LocalIdentity
  readonly transport: Pick<MessagingSystem, 'connect' | 'disconnect'>
  /** The process that the store names for a node. */
  readonly registeredProcess: (nodeId: string) => Promise<string | undefined>
  /** Static addresses by node id: they count, not what nodes publish. */
  readonly addresses?: ReadonlyMap<string, string>
  /**
   * How long a process that left is still let in. Longer than a node keeps out of the cluster by itself, and shorter than what was handled of the process
   * is remembered: afterwards it must not be heard before it has registered again.
   */
  readonly forgetAfterMs: number
}

export class PeerDirectory {
  readonly #options: PeerDirectoryOptions
  /** The process of each node that the transport is connected to. */
  readonly #up = new Map<string, string>()
  /** The process of each node that was registered last, until it is forgotten. */
  readonly #lastRegistered = new Map<string, string>()
  readonly #leftAtMs = new Map<string, number>()

  constructor(options: PeerDirectoryOptions) {
    this.#options = options
  }

  joined(node: NodeRecord): void {
    const { local, transport, addresses } = this.#options
    if (node.nodeId === local.nodeId) return
    this.#leftAtMs.delete(node.nodeId)
    this.#lastRegistered.set(node.nodeId, node.processId)
    transport.connect({ nodeId: node.nodeId, processId: node.processId, address: addresses?.get(node.nodeId) ?? node.address })
  }

  left(node: NodeRecord): void {
    this.#leftAtMs.set(node.nodeId, this.#options.runtime.monotonicMs())
  }

  /**
   * Whether a process may connect. One that left may, for as long as it is remembered: it may only have kept out. Who is not known yet may have registered
   * a moment ago, which the store knows; without it, in an outage, those that are known still meet.
   */
  isCurrent(peer: PeerId): boolean | Promise<boolean> {
    if (this.#lastRegistered.get(peer.nodeId) === peer.processId) return true
    return this.#options.registeredProcess(peer.nodeId).then((processId) => processId === peer.processId)
  }

  /** Ends every connection there is or is wanted. */
  disconnectAll(): void {
    for (const nodeId of new Set([...this.#lastRegistered.keys(), ...this.#up.keys()])) this.#options.transport.disconnect(nodeId)
    this.#lastRegistered.clear()
    this.#leftAtMs.clear()
  }

  /** False: known already. */
  up(peer: PeerId): boolean {
    if (this.#up.get(peer.nodeId) === peer.processId) return false
    this.#up.set(peer.nodeId, peer.processId)
    return true
  }

  /** False: it was not up, or another process of that node is. */
  down(peer: PeerId): boolean {
    if (this.#up.get(peer.nodeId) !== peer.processId) return false
    return this.#up.delete(peer.nodeId)
  }

  isUp(nodeId: string, processId?: string): boolean {
    const up = this.#up.get(nodeId)
    return up !== undefined && (processId === undefined || up === processId)
  }

  get upCount(): number {
    return this.#up.size
  }

  /** Whether somebody is connected who is not registered. */
  hasStranger(nodes: ReadonlyMap<string, NodeRecord>): boolean {
    for (const [nodeId, processId] of this.#up) if (nodes.get(nodeId)?.processId !== processId) return true
    return false
  }

  registeredAndDown(nodes: ReadonlyMap<string, NodeRecord>): string[] {
    return [...nodes.keys()].filter((nodeId) => nodeId !== this.#options.local.nodeId && !this.#up.has(nodeId))
  }

  forgetOld(): void {
    const { runtime, transport, forgetAfterMs } = this.#options
    const nowMs = runtime.monotonicMs()
    for (const [nodeId, leftAtMs] of [...this.#leftAtMs]) {
      if (nowMs - leftAtMs < forgetAfterMs) continue
      this.#leftAtMs.delete(nodeId)
      this.#lastRegistered.delete(nodeId)
      transport.disconnect(nodeId)
    }
  }
}
