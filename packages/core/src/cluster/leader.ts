// What the leader does: reads documents, then who is alive, decides (planner, handoff driver, requests of the manager), and writes, one
// conditional and guarded write per affected kind. One cycle at a time; every cycle starts from what the store says, so that a new leader, a lost
// answer or a lost race need no case of their own: whatever fails is read again.

import type { Unit } from '../delivery/placement-view.ts'
import { HASH_VERSION } from '../hashing/key-hash.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import { PROTOCOL, type ProtocolRange, versionInUse } from '../messaging/protocol-version.ts'
import type { Entry, Leadership, MetadataStore } from '../metadata/metadata-store.ts'
import { newIdentity } from '../runtime/identity.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { BackgroundLoop } from './background-loop.ts'
import type { ClusterKeys } from './cluster-keys.ts'
import type { HandoffDriver } from './handoff-driver.ts'
import { type NodeRecord, parseNodeRecord } from './node-record.ts'
import { encodePlacement, parsePlacement } from './placement-codec.ts'
import { entryOf, initialPlacement, type Owner, type PlacementDocument, type UnitKey } from './placement-document.ts'
import { applyChanges, type PlacementChange, PlacementChangeError } from './placement-transitions.ts'
import { countMoving, mostMoving, type PlanOptions, plan } from './planner.ts'

export interface LeaderOptions {
  readonly runtime: Runtime
  readonly store: Pick<MetadataStore, 'list' | 'put'>
  readonly keys: ClusterKeys
  readonly shardCount: number
  readonly placement: PlanOptions
  readonly driver: HandoffDriver
  readonly reconcileMs: number
  /** When nobody may be declared dead (or, after the store was reborn, nothing be placed) before: a reading of the lease clock. */
  readonly patience: () => { readonly deathsAfterMs: number; readonly placeAfterMs: number }
  /** What this process reads and can write. Default: this release's. */
  readonly protocol?: ProtocolRange
  /** Somebody registered remembers a document that is not there: the store has lost its data, and who owned by it may not know of that. Before `patience` is asked. */
  readonly onRebirthHeard: () => void
  /** The highest epoch that this process remembers from before the store lost its data. */
  readonly epochFloor: (kind: string) => number
  /** A document was written: it is in force at once, here. */
  readonly onWritten: (document: PlacementDocument) => void
  readonly onFailover: (units: number, nodes: ReadonlySet<string>) => void
  /** The store refused a write by this leadership. */
  readonly onSuperseded: () => void
  readonly onError: (error: unknown) => void
}

/** A change that somebody asked for. */
export interface PlacementRequest {
  readonly kind: string
  /** The change that the document needs for it; undefined: it is as asked already. Throws to refuse. */
  readonly change: (document: PlacementDocument, nodes: readonly NodeRecord[]) => PlacementChange | undefined
  readonly settle: (error?: unknown) => void
  /** A refusal that may pass (the shard is moving) is tried again until then. */
  readonly untilMs: number
}

interface ReleaseReport {
  readonly unit: Unit
  readonly handoffId: string
  readonly epoch: number
  readonly from: PeerId
}

interface Stored {
  readonly document: PlacementDocument
  readonly version: string | null
}

export class Leader {
  readonly #options: LeaderOptions
  readonly #loop: BackgroundLoop
  #leadership: Leadership | undefined
  #requests: PlacementRequest[] = []
  readonly #released: ReleaseReport[] = []

  constructor(options: LeaderOptions) {
    this.#options = options
    this.#loop = new BackgroundLoop({
      runtime: options.runtime,
      everyMs: options.reconcileMs,
      run: () => this.#cycle(),
      onError: options.onError,
    })
  }

  get #protocol(): ProtocolRange {
    return this.#options.protocol ?? PROTOCOL
  }

  get leads(): boolean {
    return this.#leadership !== undefined
  }

  get term(): number | undefined {
    return this.#leadership?.token
  }

  lead(leadership: Leadership): void {
    this.#leadership = leadership
    this.#options.driver.reset()
    this.#loop.trigger()
  }

  depose(): void {
    this.#leadership = undefined
    this.#released.length = 0
    const requests = this.#requests
    this.#requests = []
    for (const request of requests) request.settle(new Error('this node leads no longer'))
  }

  /** Somebody joined, left, or changed. */
  trigger(): void {
    if (this.#leadership !== undefined) this.#loop.trigger()
  }

  released(from: PeerId, unit: Unit, handoffId: string, epoch: number): void {
    if (this.#leadership === undefined) return
    this.#released.push({ from, unit, handoffId, epoch })
    this.#loop.trigger()
  }

  request(request: PlacementRequest): void {
    this.#requests.push(request)
    this.trigger()
  }

  async close(): Promise<void> {
    this.depose()
    await this.#loop.stop()
  }

  async #cycle(): Promise<void> {
    const leadership = this.#leadership
    if (leadership === undefined) return
    const { runtime, store, keys, patience, onRebirthHeard } = this.#options
    // This order is the evidence: whoever is missing from a list that was read after a document can't own anything by that document any more.
    const { documents, unreadable } = readDocuments(await store.list(keys.placement), keys, this.#protocol, this.#options.onError)
    const nodes = readNodes(await store.list(keys.nodes), this.#options.onError)
    if (this.#leadership !== leadership) return
    const hosted = new Set(nodes.flatMap((node) => node.kinds))
    const newKinds = [...hosted].filter((kind) => !documents.has(kind) && !unreadable.has(kind))
    if (newKinds.some((kind) => nodes.some(({ epochs }) => epochs?.[kind] !== undefined))) onRebirthHeard()
    const { placeAfterMs } = patience()
    if (runtime.leaseMs() < placeAfterMs) return this.#loop.triggerWithin(placeAfterMs - runtime.leaseMs())

    for (const kind of newKinds) documents.set(kind, { document: this.#firstDocument(kind, nodes), version: null })
    const version = versionInUse(
      this.#protocol,
      nodes.map((node) => node.protocol),
    )
    let wrote = false
    for (const [kind, stored] of documents) {
      const { next: planned, deaths, served } = this.#next(stored.document, nodes)
      // Also where nothing else changes: what belongs to the kind follows its document.
      const next = planned.protocol === version ? planned : { ...planned, protocol: version }
      if (next !== stored.document) {
        if (!(await this.#write(leadership, kind, stored, next))) return
        documents.set(kind, { ...stored, document: next })
        this.#countFailover(stored.document, deaths)
        wrote = true
      }
      // Only now: a request whose write failed is served again.
      this.#requests = this.#requests.filter((request) => !served.has(request))
      for (const [request, refusal] of served) request.settle(refusal)
    }
    this.#rejectUnknownKinds(documents)
    this.#schedule(documents, wrote)
  }

  /** Later events that no message announces. */
  #schedule(documents: ReadonlyMap<string, Stored>, wrote: boolean): void {
    const { runtime, driver, patience } = this.#options
    const nowMs = runtime.monotonicMs()
    const nextMs = driver.settle(
      [...documents.values()].map((stored) => stored.document),
      nowMs,
    )
    if (nextMs !== undefined) this.#loop.triggerWithin(Math.max(10, nextMs - nowMs))
    const waitMs = patience().deathsAfterMs - runtime.leaseMs()
    if (waitMs > 0) this.#loop.triggerWithin(waitMs)
    // What was written may have made room for the next moves.
    if (wrote || this.#released.length > 0) this.#loop.trigger()
    else if (this.#requests.length > 0) this.#loop.triggerWithin(100)
  }

  #firstDocument(kind: string, nodes: readonly NodeRecord[]): PlacementDocument {
    return { ...initialPlacement(kind, this.#options.shardCount, HASH_VERSION), epoch: this.#firstEpoch(kind, nodes) }
  }

  /**
   * That there is no document can mean that the store lost its data, and that nobody who remembers them is registered. So epochs begin at the time of day:
   * above all that an earlier life of the store gave out, as long as that were fewer than one a millisecond and clocks differ by less than it lived.
   */
  #firstEpoch(kind: string, nodes: readonly NodeRecord[]): number {
    return Math.max(0, Math.floor(this.#options.runtime.wallMs()), this.#floorOf(kind, nodes))
  }

  /** Epochs that were given out before the store lost its data, as far as anybody here remembers. */
  #floorOf(kind: string, nodes: readonly NodeRecord[]): number {
    let floor = this.#options.epochFloor(kind)
    for (const { epochs } of nodes) floor = Math.max(floor, epochs?.[kind] ?? 0)
    return floor
  }

  /**
   * The document as it should be (the same object when it is), which of its changes take units from the dead, and the requests that it answers, with the
   * refusal if they were refused.
   */
  #next(
    document: PlacementDocument,
    nodes: readonly NodeRecord[],
  ): { next: PlacementDocument; deaths: readonly PlacementChange[]; served: ReadonlyMap<PlacementRequest, unknown> } {
    const { runtime, driver, placement, patience } = this.#options
    const nowMs = runtime.monotonicMs()
    const floor = this.#floorOf(document.kind, nodes)
    if (document.epoch < floor) return { next: raised(document, floor), deaths: [], served: new Map() }
    this.#takeReleased(document, nowMs)
    const mayDeclareDead = runtime.leaseMs() >= patience().deathsAfterMs
    const planned = plan(document, nodes, placement)
    const settled = mayDeclareDead ? planned.changes : planned.changes.filter((change) => !declaresDead(change, document, nodes))
    const touched = new Set<UnitKey>(settled.map((change) => ('unit' in change ? change.unit : change.id)))
    let next = applyChanges(document, settled)
    next = applyChanges(next, driver.changes(next, nodes, touched, nowMs))
    const served = new Map<PlacementRequest, unknown>()
    next = this.#serveRequests(next, nodes, served)
    if (settled.length === planned.changes.length) {
      // What was asked for by hand goes first, and counts.
      const room = mostMoving(next, placement) - countMoving(next)
      for (const move of driver.mayBegin(document, planned.moves, nowMs).slice(0, Math.max(0, room))) {
        next = tryChange(next, { type: 'begin-move', unit: move.unit, handoffId: newIdentity(runtime), target: move.target })
      }
    }
    return { next, deaths: settled.filter((change) => declaresDead(change, document, nodes)), served }
  }

  #takeReleased(document: PlacementDocument, nowMs: number): void {
    for (let i = this.#released.length - 1; i >= 0; i--) {
      const { unit, handoffId, epoch, from } = this.#released[i] as ReleaseReport
      if (unit.kind !== document.kind) continue
      this.#released.splice(i, 1)
      this.#options.driver.released(document, unit, handoffId, epoch, from, nowMs)
    }
  }

  #serveRequests(document: PlacementDocument, nodes: readonly NodeRecord[], served: Map<PlacementRequest, unknown>): PlacementDocument {
    let next = document
    const nowMs = this.#options.runtime.monotonicMs()
    const most = mostMoving(document, this.#options.placement)
    let moving = countMoving(document)
    for (const request of this.#requests) {
      if (request.kind !== document.kind) continue
      try {
        const change = request.change(next, nodes)
        if (change?.type === 'pin' || change?.type === 'begin-move') {
          if (moving >= most)
            throw new PlacementChangeError(next, change, `${most} units of the kind are moving, which is the most at once`)
          moving++
        }
        if (change !== undefined) next = applyChanges(next, [change])
        served.set(request, undefined)
      } catch (error) {
        const mayPass = error instanceof PlacementChangeError && nowMs < request.untilMs
        if (!mayPass) served.set(request, error)
      }
    }
    return next
  }

  #rejectUnknownKinds(documents: ReadonlyMap<string, Stored>): void {
    this.#released.splice(0, this.#released.length, ...this.#released.filter((report) => documents.has(report.unit.kind)))
    this.#requests = this.#requests.filter((request) => {
      if (documents.has(request.kind)) return true
      request.settle(new Error(`no node hosts kind '${request.kind}', nor ever has`))
      return false
    })
  }

  /** False: this leadership is over, or somebody else wrote: start anew. Rejects when the outcome is unknown: the next cycle reads it. */
  async #write(leadership: Leadership, kind: string, stored: Stored, next: PlacementDocument): Promise<boolean> {
    const { store, keys, onWritten, onSuperseded } = this.#options
    if (this.#leadership !== leadership) return false
    const document = { ...next, revision: stored.document.revision + 1 }
    const result = await store.put(keys.placementOf(kind), encodePlacement(document), {
      ifVersion: stored.version,
      guard: { key: leadership.key, version: leadership.version },
    })
    if (result.ok) {
      onWritten(document)
      return this.#leadership === leadership
    }
    if (result.conflict === 'guard') onSuperseded()
    else this.#loop.triggerWithin(20)
    return false
  }

  /** Once it is written: a write that was refused is planned again. (Of one whose outcome is unknown nothing is counted.) */
  #countFailover(before: PlacementDocument, deaths: readonly PlacementChange[]): void {
    const from = new Set<string>()
    for (const change of deaths) {
      const owner = entryOf(before, 'unit' in change ? change.unit : change.id)?.owner
      if (owner) from.add(owner.nodeId)
    }
    if (deaths.length > 0) this.#options.onFailover(deaths.length, from)
  }
}

/** Whether a change takes a unit from an owner that is missing among the registered nodes. */
function declaresDead(change: PlacementChange, document: PlacementDocument, nodes: readonly NodeRecord[]): boolean {
  if (change.type !== 'assign' && change.type !== 'unpin') return false
  const owner = entryOf(document, change.type === 'assign' ? change.unit : change.id)?.owner ?? null
  return owner !== null && !nodes.some((node) => node.nodeId === owner.nodeId && node.processId === owner.processId)
}

/** Every owner keeps its units, under epochs above `floor`: somebody joined who remembers higher ones, from before the store lost its data. */
function raised(document: PlacementDocument, floor: number): PlacementDocument {
  const changes: PlacementChange[] = []
  const reinstate = (unit: UnitKey, owner: Owner | null): void => {
    if (owner !== null) changes.push({ type: 'reinstate', unit, owner })
  }
  for (const [shard, { owner }] of document.shards.entries()) reinstate(shard, owner)
  for (const [id, { owner }] of document.pins) reinstate(id, owner)
  return applyChanges({ ...document, epoch: floor }, changes)
}

/** A wish, not a need: where the document has moved on, it stays as it is. */
function tryChange(document: PlacementDocument, change: PlacementChange): PlacementDocument {
  try {
    return applyChanges(document, [change])
  } catch (error) {
    if (error instanceof PlacementChangeError) return document
    throw error
  }
}

function readDocuments(
  entries: readonly Entry[],
  keys: ClusterKeys,
  protocol: ProtocolRange,
  onError: (error: unknown) => void,
): { documents: Map<string, Stored>; unreadable: ReadonlySet<string> } {
  const documents = new Map<string, Stored>()
  const unreadable = new Set<string>()
  for (const entry of entries) {
    try {
      const document = parsePlacement(entry.key, entry.value, protocol)
      documents.set(document.kind, { document, version: entry.version })
    } catch (error) {
      // Of a later release, or damaged: this kind stays as it is, the others go on.
      unreadable.add(entry.key.slice(keys.placement.length))
      onError(error)
    }
  }
  return { documents, unreadable }
}

function readNodes(entries: readonly Entry[], onError: (error: unknown) => void): NodeRecord[] {
  const nodes: NodeRecord[] = []
  for (const entry of entries) {
    try {
      nodes.push(parseNodeRecord(entry.key, entry.value))
    } catch (error) {
      onError(error)
    }
  }
  return nodes
}
