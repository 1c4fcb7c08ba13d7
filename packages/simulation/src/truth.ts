// What is really so, read from the store's own data in the very step that changes it: which documents are in force, whose lease the server still
// keeps, who may run an actor at this moment. Also holds the leader to its guard (I8).

import { type PlacementDocument, type PlacementEntry, parseNodeRecord, parsePlacement, shardOf } from '@cajun/core/adapter'
import type { History } from './history.ts'
import type { SimulatedProcess } from './host.ts'
import type { Marks } from './marks.ts'
import type { SimulatedStore, StoreWrite } from './store.ts'

/** Above every time of day in milliseconds. */
const EPOCHS_PER_ERA = 1e13
const REBIRTH_NOTICED_MS = 5_000

interface Ownership {
  readonly atMs: number
  readonly epoch: number
  readonly processId: string | undefined
  readonly targetId: string | undefined
}

export interface HandoffSeen {
  readonly handoffId: string
  readonly kind: string
  readonly source: string
  readonly target: string
}

export class Truth {
  readonly #store: SimulatedStore
  readonly #history: History
  readonly #marks: Marks
  readonly #documents = new Map<string, PlacementDocument>()
  /** By `kind/unit`, oldest first. */
  readonly #owners = new Map<string, Ownership[]>()
  /** Sessions under which a process has registered, by process id. */
  readonly #sessions = new Map<string, string[]>()
  /** By process id. */
  readonly #names = new Map<string, string>()
  /** When a process lost its memory or its lease, by process id, oldest first. */
  readonly #losses = new Map<string, number[]>()
  readonly #lastTurnMs = new Map<string, number>()
  /** Handoffs that are under way. */
  readonly #moving = new Set<string>()
  #leader: { readonly key: string; readonly version: string; readonly process: SimulatedProcess | undefined } | undefined
  #rebornAtMs = Number.NEGATIVE_INFINITY
  #era = 0
  /** When each process was started, by its name. */
  readonly startedMs: Map<string, number> = new Map()
  onHandoff: ((handoff: HandoffSeen) => void) | undefined
  /** Of placement documents. */
  placementWrites = 0

  constructor(store: SimulatedStore, history: History, marks: Marks) {
    this.#store = store
    this.#history = history
    this.#marks = marks
    store.onWrite = (write) => this.#wrote(write)
    // What nobody may prove to own any more is given up everywhere.
    store.onReborn = () => {
      for (const processId of this.#names.keys()) this.#note(processId)
      this.#rebornAtMs = store.loop.nowMs
      this.#registered.clear()
    }
  }

  /** Nobody has completed or aborted it yet. */
  isMoving(handoffId: string): boolean {
    return this.#moving.has(handoffId)
  }

  /** The node that leads by the store's own data. */
  get leaderNode(): string | undefined {
    return this.#leader?.process?.nodeId
  }

  get documents(): Iterable<PlacementDocument> {
    return this.#documents.values()
  }

  processName(processId: string): string {
    return this.#names.get(processId) ?? processId
  }

  /** It crashed, or ended: nothing of its memory is left. */
  lost(process: SimulatedProcess): void {
    for (const [processId, name] of this.#names) if (name === process.name) this.#note(processId)
  }

  /** Owner and epoch of an actor, unless they changed within the last `sinceMs`. */
  settledPlacement(actor: string, sinceMs: number): string | undefined {
    const entry = this.#entryOf(actor)
    const [kind = '', id = ''] = split(actor)
    const document = this.#documents.get(kind)
    if (entry === undefined || document === undefined) return undefined
    const unit = document.pins.has(id) ? id : shardOf(id, document.shardCount)
    const last = this.#owners.get(`${kind}/${unit}`)?.at(-1)
    if (last !== undefined && last.atMs > this.#store.loop.nowMs - sinceMs) return undefined
    return `${entry.owner?.processId} under epoch ${entry.epoch}`
  }

  /** How many processes have been registered. One that was away too long goes on as another. */
  get processes(): number {
    return this.#names.size
  }

  /** How many of them are registered, or lost their registration after that time, or were started after it and were never registered. */
  processesSince(ms: number): number {
    const registered = new Set(this.#registered.values())
    const known = [...this.#names.keys()].filter(
      (id) => registered.has(id) || (this.#losses.get(id)?.at(-1) ?? Number.NEGATIVE_INFINITY) > ms,
    )
    const names = new Set(this.#names.values())
    const strangers = [...this.startedMs].filter(([name, startedMs]) => startedMs > ms && !names.has(name))
    return known.length + strangers.length
  }

  /** How many nodes are registered. */
  get registered(): number {
    return this.#registered.size
  }

  /** When its owner, or where it is to go, was last written down. */
  placedMs(actor: string): number {
    const [kind = '', id = ''] = split(actor)
    const document = this.#documents.get(kind)
    const units = document === undefined ? [] : [`${kind}/${shardOf(id, document.shardCount)}`, `${kind}/${id}`]
    return Math.max(...units.map((unit) => this.#owners.get(unit)?.at(-1)?.atMs ?? 0), 0)
  }

  /** The process that owns it by the documents in force. */
  ownerOf(actor: string): string | undefined {
    const owner = this.#entryOf(actor)?.owner
    return owner === undefined || owner === null ? undefined : this.processName(owner.processId)
  }

  /** Whether that process may begin a turn of that actor now. */
  mayRun(actor: string, process: SimulatedProcess): { readonly epoch: number; readonly problem: string | undefined } {
    this.#lastTurnMs.set(actor, this.#store.loop.nowMs)
    const entry = this.#entryOf(actor)
    const era = this.#era * EPOCHS_PER_ERA
    if (entry === undefined || entry.owner === null) return { epoch: era + (entry?.epoch ?? 0), problem: 'nobody owns it' }
    const name = this.#names.get(entry.owner.processId)
    if (name !== process.name)
      return { epoch: era + entry.epoch, problem: `${name ?? entry.owner.nodeId} owns it under epoch ${entry.epoch}` }
    // Any session of the process: which of them counts is the epoch's business.
    const kept = (this.#sessions.get(entry.owner.processId) ?? []).some((session) => this.#store.keepsSession(session))
    return { epoch: era + entry.epoch, problem: kept ? undefined : 'its lease is over' }
  }

  /**
   * Why nothing that a turn of that actor caused under `epoch` may have left that process at `atMs`: another was appointed by then, and the lease
   * under which the turn ran was over. Where the process was appointed again before anybody else, its tenure went on, and what moved later was all of it.
   */
  mayHaveLeft(actor: string, process: string, epoch: number, turnMs: number, atMs: number): string | undefined {
    const [kind = '', id = ''] = split(actor)
    const document = this.#documents.get(kind)
    if (document === undefined) return undefined
    const pin = `${kind}/${id}`
    const shard = `${kind}/${shardOf(id, document.shardCount)}`
    // A pin has epochs of its own: what becomes of its shard is nothing to it.
    const wasPinned = this.#owners.get(pin)?.some((each) => each.epoch === epoch) === true
    for (const unit of wasPinned ? [pin] : [shard, pin]) {
      // Whoever owns it by then answers from the records that came along.
      const next = this.#owners.get(unit)?.findLast((each) => each.atMs <= atMs)
      if (next === undefined || next.epoch <= epoch || next.processId === undefined) continue
      if (this.processName(next.processId) === process) continue
      for (const [processId, name] of this.#names) {
        if (name !== process) continue
        const lostMs = this.#losses
          .get(processId)
          ?.find((ms) => ms >= turnMs && this.#isKnownBy(atMs, ms) && !this.#isResumed(unit, shard, processId, ms))
        if (lostMs === undefined) continue
        return `${this.processName(next.processId)} was appointed under epoch ${next.epoch} at ${next.atMs.toFixed(1)}, and the lease of ${process} ended at ${lostMs.toFixed(1)}`
      }
    }
    return undefined
  }

  /** Whether a process that owned the unit when its lease ended was the next to own it. What was pinned later was its shard's until then. */
  #isResumed(unit: string, shard: string, processId: string, lostMs: number): boolean {
    const own = this.#owners.get(unit) ?? []
    const wasUnit = own.some((each) => each.atMs <= lostMs)
    const owners = wasUnit ? own : (this.#owners.get(shard) ?? [])
    const at = owners.findLastIndex((each) => each.atMs <= lostMs)
    return owners[at]?.processId === processId && owners[at + 1]?.processId === processId
  }

  /** Whether a lease that ended at `lostMs` is over at `atMs` for its own holder too: that the store lost its data is found out later. */
  #isKnownBy(atMs: number, lostMs: number): boolean {
    return lostMs <= atMs && (lostMs !== this.#rebornAtMs || atMs > lostMs + REBIRTH_NOTICED_MS)
  }

  /** What can have cost an actor its state since its last turn, or since then: a process that owned it, or was to, lost its memory or its lease. */
  excuseForLoss(actor: string, sinceMs: number = this.#lastTurnMs.get(actor) ?? 0): string | undefined {
    const [kind = '', id = ''] = split(actor)
    const document = this.#documents.get(kind)
    if (document === undefined) return 'nobody had placed it'
    // Owners run on until they notice, or until their leases end; what they did is given up then.
    if (sinceMs <= this.#rebornAtMs + REBIRTH_NOTICED_MS) return 'the store lost its data'
    // It may have been pinned, and have fallen back to its shard.
    return this.#excuseIn(`${kind}/${shardOf(id, document.shardCount)}`, sinceMs) ?? this.#excuseIn(`${kind}/${id}`, sinceMs)
  }

  #excuseIn(unit: string, sinceMs: number): string | undefined {
    const owners = this.#owners.get(unit) ?? []
    for (let i = owners.length - 1; i >= 0; i--) {
      const { atMs, processId, targetId } = owners[i] as Ownership
      for (const id of [processId, targetId]) {
        const lossMs = id === undefined ? undefined : this.#losses.get(id)?.findLast((ms) => ms >= sinceMs)
        if (lossMs !== undefined) return `${this.processName(id as string)} lost it at ${lossMs.toFixed(1)}`
      }
      if (atMs <= sinceMs) break
    }
    return undefined
  }

  #entryOf(actor: string): PlacementEntry | undefined {
    const [kind = '', id = ''] = split(actor)
    const document = this.#documents.get(kind)
    return document?.pins.get(id) ?? document?.shards[shardOf(id, document.shardCount)]
  }

  #isForgotten(by: SimulatedProcess | undefined, epoch: number): boolean {
    if (this.#rebornAtMs < 0 || by === undefined || by.runtime.wallMs() >= epoch) return false
    return [...this.#registered.values()].every((processId) => (this.startedMs.get(this.processName(processId)) ?? 0) > this.#rebornAtMs)
  }

  #note(processId: string): void {
    const losses = this.#losses.get(processId)
    if (losses === undefined) this.#losses.set(processId, [this.#store.loop.nowMs])
    else losses.push(this.#store.loop.nowMs)
  }

  #wrote({ by, isAnswered, change }: StoreWrite): void {
    const key = change.type === 'put' ? change.entry.key : change.key
    if (by !== undefined) this.#history.storeWrite(key, by.name, isAnswered)
    if (key.includes('/nodes/'))
      this.#nodeChanged(
        by,
        change.type === 'put' ? change.entry.value : undefined,
        key,
        change.type === 'put' ? change.entry.session : undefined,
      )
    else if (key.endsWith('/leader')) {
      this.#leader = change.type === 'put' ? { key, version: change.entry.version, process: by } : undefined
      this.#history.note(by?.name ?? 'store', change.type === 'put' ? 'leads' : 'no leader any more')
      if (change.type === 'put' && this.#store.hasGap) this.#marks.reach('watch gap during election')
    } else if (key.includes('/placement/') && change.type === 'put') this.#placed(by, key, change.entry.value)
  }

  readonly #registered = new Map<string, string>()

  #nodeChanged(by: SimulatedProcess | undefined, value: string | undefined, key: string, session: string | undefined): void {
    const before = this.#registered.get(key)
    if (value === undefined) {
      this.#registered.delete(key)
      if (before !== undefined) this.#note(before)
      this.#history.note('store', `${key} is gone`)
      return
    }
    const { processId } = parseNodeRecord(key, value)
    if (before !== undefined && before !== processId) {
      this.#note(before)
      const isKept = (this.#sessions.get(before) ?? []).some((kept) => this.#store.keepsSession(kept))
      // In a store that has just lost its data nobody is registered.
      // A process that was away too long goes on as another one.
      const isItself = this.processName(before) === by?.name
      if (isKept && !isItself && this.#store.loop.nowMs > this.#rebornAtMs + REBIRTH_NOTICED_MS) {
        this.#history.found(
          'I1',
          `${by?.name ?? 'somebody'} registered as ${key} although ${this.processName(before)} is registered and its lease is kept`,
        )
      }
    }
    this.#registered.set(key, processId)
    if (by !== undefined) this.#names.set(processId, by.name)
    if (session === undefined) return
    const sessions = this.#sessions.get(processId)
    if (sessions === undefined) this.#sessions.set(processId, [session])
    else if (!sessions.includes(session)) {
      sessions.push(session)
      this.#marks.reach('session lost and regained')
    }
  }

  #placed(by: SimulatedProcess | undefined, key: string, value: string): void {
    this.placementWrites++
    if (by === undefined || this.#leader?.process !== by) {
      this.#history.found('I8', `${by?.name ?? 'somebody'} wrote ${key} although ${this.#leader?.process?.name ?? 'nobody'} leads`)
    }
    const document = parsePlacement(key, value)
    let before = this.#documents.get(document.kind)
    if (before !== undefined && document.epoch < before.epoch && this.#isForgotten(by, before.epoch)) {
      // The store lost its data, nobody who is registered knew them, and the leader's clock is behind by more than the store had lived: the world begins
      // anew. Who remembers and joins later raises the epochs again.
      this.#marks.reach('store reborn, nobody left who remembers, and a clock behind')
      this.#era++
      this.#documents.clear()
      before = undefined
    }
    if (before !== undefined && document.epoch < before.epoch) {
      this.#history.found('I1', `the epoch counter of ${document.kind} went from ${before.epoch} to ${document.epoch}`)
    }
    this.#documents.set(document.kind, document)
    document.shards.forEach((entry, shard) => {
      this.#entry(`${document.kind}/${shard}`, document.kind, before?.shards[shard], entry)
    })
    for (const [id, entry] of document.pins) {
      this.#entry(`${document.kind}/${id}`, document.kind, before?.pins.get(id), entry)
    }
  }

  #entry(unit: string, kind: string, before: PlacementEntry | undefined, entry: PlacementEntry): void {
    const moved = entry.move !== undefined && entry.move.handoffId !== before?.move?.handoffId
    if (before !== undefined && before.epoch === entry.epoch && !moved) return
    if (before !== undefined && entry.epoch < before.epoch)
      this.#history.found('I1', `the epoch of ${unit} went from ${before.epoch} to ${entry.epoch}`)
    const owners = this.#owners.get(unit) ?? []
    this.#owners.set(unit, owners)
    owners.push({
      atMs: this.#store.loop.nowMs,
      epoch: this.#era * EPOCHS_PER_ERA + entry.epoch,
      processId: entry.owner?.processId,
      targetId: entry.move?.target.processId,
    })
    const owner = entry.owner === null ? 'nobody' : this.processName(entry.owner.processId)
    const to = entry.move === undefined ? '' : `, moving to ${this.processName(entry.move.target.processId)}`
    this.#history.note('store', `${unit} epoch ${entry.epoch}: ${owner}${to}`, unit)
    if (before?.move !== undefined && entry.move?.handoffId !== before.move.handoffId) this.#moving.delete(before.move.handoffId)
    if (before?.move !== undefined && entry.move === undefined) {
      this.#marks.reach(entry.owner?.processId === before.move.target.processId ? 'handoff completed' : 'handoff aborted')
    }
    if (moved && entry.owner !== null && entry.move !== undefined) {
      this.#moving.add(entry.move.handoffId)
      this.onHandoff?.({ handoffId: entry.move.handoffId, kind, source: entry.owner.nodeId, target: entry.move.target.nodeId })
    }
  }
}

function split(actor: string): string[] {
  const slash = actor.indexOf('/')
  return [actor.slice(0, slash), actor.slice(slash + 1)]
}
