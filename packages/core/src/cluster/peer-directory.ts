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
  /** Both are kept up with each event, because they are asked for with each event: nodes that are connected as a process that is not registered ... */
  readonly #strangers = new Set<string>()
  /** ... and nodes that are registered and not connected. */
  readonly #down = new Set<string>()

  constructor(options: PeerDirectoryOptions) {
    this.#options = options
  }

  joined(node: NodeRecord): void {
    const { local, transport, addresses } = this.#options
    if (node.nodeId === local.nodeId) return
    this.#leftAtMs.delete(node.nodeId)
    this.#lastRegistered.set(node.nodeId, node.processId)
    this.#compare(node.nodeId)
    transport.connect({ nodeId: node.nodeId, processId: node.processId, address: addresses?.get(node.nodeId) ?? node.address })
  }

  left(node: NodeRecord): void {
    this.#leftAtMs.set(node.nodeId, this.#options.runtime.monotonicMs())
    this.#compare(node.nodeId)
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
    const nodeIds = new Set([...this.#lastRegistered.keys(), ...this.#up.keys()])
    for (const nodeId of nodeIds) this.#options.transport.disconnect(nodeId)
    this.#lastRegistered.clear()
    this.#leftAtMs.clear()
    for (const nodeId of nodeIds) this.#compare(nodeId)
  }

  /** False: known already. */
  up(peer: PeerId): boolean {
    if (this.#up.get(peer.nodeId) === peer.processId) return false
    this.#up.set(peer.nodeId, peer.processId)
    this.#compare(peer.nodeId)
    return true
  }

  /** False: it was not up, or another process of that node is. */
  down(peer: PeerId): boolean {
    if (this.#up.get(peer.nodeId) !== peer.processId) return false
    this.#up.delete(peer.nodeId)
    this.#compare(peer.nodeId)
    return true
  }

  isUp(nodeId: string, processId?: string): boolean {
    const up = this.#up.get(nodeId)
    return up !== undefined && (processId === undefined || up === processId)
  }

  get upCount(): number {
    return this.#up.size
  }

  /** Whether somebody is connected who is not registered, under this node's own id included. */
  get hasStranger(): boolean {
    return this.#strangers.size > 0
  }

  get registeredAndDown(): ReadonlySet<string> {
    return this.#down
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

  #compare(nodeId: string): void {
    const registered = this.#leftAtMs.has(nodeId) ? undefined : this.#lastRegistered.get(nodeId)
    const up = this.#up.get(nodeId)
    if (up !== undefined && up !== registered) this.#strangers.add(nodeId)
    else this.#strangers.delete(nodeId)
    if (up === undefined && registered !== undefined) this.#down.add(nodeId)
    else this.#down.delete(nodeId)
  }
}
