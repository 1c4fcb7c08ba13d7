// A few processes with real endpoints over the in-memory network, a placement that the test writes, and the simplest actors that can be:
// a mailbox, and a list of what was handled. Turns run when the test says so, or by themselves at the end of each step.

import { DeliveryEndpoint } from '../../../src/delivery/delivery-endpoint.ts'
import type { DeliveryLimits } from '../../../src/delivery/delivery-limits.ts'
import type { DeliveryOptions, UndeliveredMessage } from '../../../src/delivery/delivery-options.ts'
import type { Message } from '../../../src/delivery/message.ts'
import type { Location, PlacementView, Unit } from '../../../src/delivery/placement-view.ts'
import type { Tenure } from '../../../src/delivery/tenure.ts'
import type { TurnSink } from '../../../src/delivery/turn-sink.ts'
import { shardOf } from '../../../src/hashing/key-hash.ts'
import type { PeerId } from '../../../src/messaging/messaging-system.ts'
import { ManualRuntime } from '../../support/manual-runtime.ts'
import type { MemoryMessagingSystem } from '../../support/memory-messaging-system.ts'
import { MemoryNetwork, type MemoryNetworkOptions, testIdentity } from '../../support/memory-network.ts'

export const KIND = 'k'
export const SHARDS = 4

/** One effect: which actor handled what, in this life of its state. */
export interface Effect {
  readonly actor: string
  readonly payload: unknown
  readonly messageId: string
}

/** The actors of one tenure. */
export class TestTable implements TurnSink {
  readonly mailboxes = new Map<string, Message[]>()
  /** Effects that are in memory here. They move in a handoff, and die with a discard. */
  effects: Effect[] = []
  mailboxLimit = 1_000
  mayRun = (): boolean => true
  isSealed = false
  tenure: Tenure | undefined = undefined
  onHandled: ((effect: Effect) => void) | undefined = undefined
  reply: (message: Message) => unknown = (message) => message.payload
  inHand: { readonly id: string; readonly message: Message } | undefined = undefined
  readonly #full = new Set<string>()

  deliver(id: string, _path: string | undefined, message: Message): boolean {
    if (this.isSealed) {
      message.returned()
      return true
    }
    const mailbox = this.mailboxes.get(id) ?? []
    if (mailbox.length >= this.mailboxLimit && message.isReliable) {
      this.#full.add(id)
      return false
    }
    mailbox.push(message)
    this.mailboxes.set(id, mailbox)
    return true
  }

  get queued(): number {
    let count = 0
    for (const mailbox of this.mailboxes.values()) count += mailbox.length
    return count
  }

  /** Begins the next turn of this actor; it ends with `finish`. */
  begin(id: string): boolean {
    if (!this.mayRun() || this.inHand !== undefined) return false
    const mailbox = this.mailboxes.get(id)
    const message = mailbox?.shift()
    if (message === undefined) return false
    if (mailbox?.length === 0) this.mailboxes.delete(id)
    if (this.#full.delete(id)) this.tenure?.room(id)
    if (!message.begin()) return true
    this.inHand = { id, message }
    return true
  }

  finish(): void {
    if (this.inHand === undefined) return
    const { id, message } = this.inHand
    this.inHand = undefined
    const effect = { actor: id, payload: message.payload, messageId: message.messageId }
    this.effects.push(effect)
    this.onHandled?.(effect)
    message.handled(this.reply(message))
  }

  runAll(): boolean {
    let ran = false
    this.finish()
    for (const id of [...this.mailboxes.keys()]) {
      while (this.begin(id)) {
        this.finish()
        ran = true
      }
    }
    return ran
  }

  /** As the actor room does it before a handoff: the turn in hand ends, the rest goes back. */
  seal(): void {
    this.finish()
    this.isSealed = true
    this.#returnAll()
  }

  discard(): void {
    this.isSealed = true
    const hand = this.inHand
    this.inHand = undefined
    hand?.message.returned()
    this.#returnAll()
    this.effects = []
  }

  #returnAll(): void {
    for (const mailbox of this.mailboxes.values()) for (const message of mailbox) message.returned()
    this.mailboxes.clear()
  }
}

export class TestNode implements PlacementView {
  readonly id: PeerId
  readonly endpoint: DeliveryEndpoint
  readonly transport: MemoryMessagingSystem
  readonly tables = new Map<number, TestTable>()
  readonly deadLetters: UndeliveredMessage[] = []
  readonly control: { from: string; body: unknown }[] = []
  readonly errors: Error[] = []
  readonly warnings: string[] = []
  readonly locations: Location[] = []
  readonly behind: number[] = []
  leaseIsSafe = true
  address = ''

  constructor(world: DeliveryWorld, nodeId: string, incarnation: number, options: Partial<DeliveryOptions> = {}) {
    const local = testIdentity(nodeId, incarnation)
    this.id = local
    this.transport = world.network.open()
    for (let shard = 0; shard < SHARDS; shard++) this.locations.push({ unit: unitOf(shard), owner: null, epoch: 0 })
    this.endpoint = new DeliveryEndpoint({
      runtime: world.runtime,
      local,
      transport: this.transport,
      placement: this,
      limits: world.limits,
      mayLeave: () => this.leaseIsSafe,
      onDeadLetter: (letter) => this.deadLetters.push(letter),
      onControl: (from, body) => this.control.push({ from: from.nodeId, body }),
      onTransportError: (error) => this.errors.push(error),
      onWarning: (message) => this.warnings.push(message),
      onViewBehind: (_kind, epoch) => this.behind.push(epoch),
      ...options,
    })
  }

  locate(kind: string, id: string): Location | undefined {
    return kind === KIND ? this.locations[shardOf(id, SHARDS)] : undefined
  }

  /** This node's view of one shard becomes what the world's placement says. */
  see(location: Location): void {
    const present = this.locations[location.unit.shard] as Location
    if (location.epoch < present.epoch || location === present) return
    this.locations[location.unit.shard] = location
    this.endpoint.placementChanged(KIND)
  }

  open(shard: number, epoch: number, shipment?: Iterable<unknown>, effects: Effect[] = []): TestTable {
    const table = new TestTable()
    table.effects = [...effects]
    this.tables.set(shard, table)
    table.tenure = this.endpoint.openTenure({ unit: unitOf(shard), epoch, sink: table, ...(shipment === undefined ? {} : { shipment }) })
    return table
  }

  discard(shard: number): void {
    const table = this.tables.get(shard)
    if (table === undefined) return
    this.tables.delete(shard)
    table.discard()
    table.tenure?.discard()
  }

  runTurns(): boolean {
    let ran = false
    for (const table of this.tables.values()) if (table.runAll()) ran = true
    return ran
  }
}

export class DeliveryWorld {
  readonly runtime: ManualRuntime
  readonly network: MemoryNetwork
  readonly nodes = new Map<string, TestNode>()
  readonly placement: Location[] = []
  readonly limits: Partial<DeliveryLimits>
  lastEpoch = 0

  constructor(options: { seed?: number; limits?: Partial<DeliveryLimits>; network?: Partial<MemoryNetworkOptions> } = {}) {
    this.runtime = new ManualRuntime(options.seed ?? 1)
    this.network = new MemoryNetwork({ runtime: this.runtime, seed: options.seed ?? 1, ...options.network })
    this.limits = options.limits ?? {}
    for (let shard = 0; shard < SHARDS; shard++) this.placement.push({ unit: unitOf(shard), owner: null, epoch: 0 })
  }

  async start(nodeId: string, incarnation = 1, options: Partial<DeliveryOptions> = {}): Promise<TestNode> {
    const node = new TestNode(this, nodeId, incarnation, options)
    this.nodes.set(nodeId, node)
    const { address } = await node.transport.start({ ...node.id, clusterId: 'test' }, node.endpoint)
    node.address = address
    for (const other of this.nodes.values()) {
      if (other === node) continue
      node.transport.connect({ ...other.id, address: other.address })
      other.transport.connect({ ...node.id, address })
    }
    this.settle()
    return node
  }

  node(nodeId: string): TestNode {
    const node = this.nodes.get(nodeId)
    if (node === undefined) throw new Error(`no node ${nodeId}`)
    return node
  }

  /** A new owner under a higher epoch, in the document; nodes see it when they are told. */
  appoint(shard: number, owner: TestNode | null): Location {
    const location = { unit: unitOf(shard), owner: owner?.id ?? null, epoch: ++this.lastEpoch }
    this.placement[shard] = location
    return location
  }

  tellAll(): void {
    for (const node of this.nodes.values()) for (const location of this.placement) node.see(location)
  }

  /** Every shard on one node, known to all. */
  giveAll(owner: TestNode): void {
    for (let shard = 0; shard < SHARDS; shard++) {
      const location = this.appoint(shard, owner)
      owner.see(location)
      owner.open(shard, location.epoch)
    }
    this.tellAll()
    this.settle()
  }

  /** Turns and frames until nothing moves. Time stands still. */
  settle(): void {
    for (let round = 0; round < 1_000; round++) {
      this.runtime.flush()
      let ran = false
      for (const node of this.nodes.values()) if (node.runTurns()) ran = true
      if (!ran && this.runtime.pendingTasks === 0) return
    }
    throw new Error('the world never comes to rest')
  }

  advance(ms: number): void {
    const until = this.runtime.nowMs + ms
    while (this.runtime.nowMs < until) {
      this.settle()
      this.runtime.advance(Math.min(10, until - this.runtime.nowMs))
    }
    this.settle()
  }
}

export function unitOf(shard: number): Unit {
  return { kind: KIND, shard, pin: undefined }
}

/** The first id of the form `<prefix>N` that lies in this shard. */
export function idIn(shard: number, prefix = 'a'): string {
  for (let i = 0; ; i++) if (shardOf(`${prefix}${i}`, SHARDS) === shard) return `${prefix}${i}`
}
