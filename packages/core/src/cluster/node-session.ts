// The life of this process in the store: its session and its record under `nodes/<nodeId>`. Registers at start, again (under a new session, and
// so a new incarnation) whenever the session was lost, and says at any moment whether the lease is safe.
//
//   absent ──session opened, record put──> registered ──lost / ended / record removed──> absent
//     └────────────────── closed ◄──────────────┘

import { NodeIdTakenError, SessionLostError, StoreUnavailableError, UnknownOutcomeError } from '../errors.ts'
import type { Entry, MetadataStore } from '../metadata/metadata-store.ts'
import type { Session } from '../metadata/session.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { BackgroundLoop } from './background-loop.ts'
import { encodeNodeRecord, type NodeRecord, parseNodeRecord } from './node-record.ts'
import { pause } from './pause.ts'
import type { Owner } from './placement-document.ts'

export interface NodeSessionOptions {
  readonly runtime: Runtime
  readonly store: MetadataStore
  /** Key of this node's record. */
  readonly key: string
  readonly ttlMs: number
  /** What this node has to say of itself, at this moment. */
  readonly describe: () => Omit<NodeRecord, 'incarnation'>
  /** Whether this process has gone by that id before: what it registered then is its own to replace. */
  readonly wasOurs: (processId: string) => boolean
  /** Called with the session live and the record in the store. */
  readonly onRegistered: (self: Owner, session: Session) => void
  /** Called at once when the lease is over, by whatever cause: nothing that needs it may run any more. */
  readonly onLost: (self: Owner, reason: string) => void
  /**
   * Before each registration, with its session opened, so that what is found out of the store is true of the one that this node registers in. It may be another
   * one than before, or the absence have been too long; `undefined`: the first registration. May reject: all but the first is tried again.
   */
  readonly beforeRegistering: (awayMs: number | undefined) => Promise<void>
  readonly onError: (error: unknown) => void
}

interface Registration {
  readonly session: Session
  readonly self: Owner
  /** Of the record: guards what only the holder of this session may write. */
  version: string
  record: string
}

const POLL_MS = 200
/** By the contract of stores, a dead process's keys are gone one TTL and this after its last renewal. */
const EXPIRY_MARGIN_MS = 1_000

export class NodeSession {
  readonly #options: NodeSessionOptions
  readonly #rejoin: BackgroundLoop
  readonly #updates: BackgroundLoop
  readonly #closing = new AbortController()
  #registration: Registration | undefined
  /** When the last lease ended, on the lease clock: not when that was noticed, which may be a suspension later. */
  #awaySinceMs = Number.POSITIVE_INFINITY
  /** Set while this node keeps out of the cluster by its own decision. */
  #staysOut = false
  /** Set while a session is being opened. */
  #askAnew: (() => void) | undefined

  constructor(options: NodeSessionOptions) {
    this.#options = options
    const { runtime, onError } = options
    this.#rejoin = new BackgroundLoop({ runtime, onError, run: () => this.#register(false) })
    this.#updates = new BackgroundLoop({ runtime, onError, run: () => this.#update() })
  }

  get self(): Owner | undefined {
    return this.#registration?.self
  }

  get session(): Session | undefined {
    return this.#registration?.session
  }

  get staysOut(): boolean {
    return this.#staysOut
  }

  /** Checked at every use. False: nothing may run or leave that needs this process to be the owner of what it owns. */
  leaseIsSafe(): boolean {
    const registration = this.#registration
    if (registration === undefined) return false
    return !registration.session.lost.aborted && this.#options.runtime.leaseMs() < registration.session.safeUntil()
  }

  /** Proves to the store, in the same step as a write, that this session still lives. */
  get guard(): { readonly key: string; readonly version: string } | undefined {
    return this.#registration === undefined ? undefined : { key: this.#options.key, version: this.#registration.version }
  }

  /** The first registration. Rejects with `NodeIdTakenError` when another live process has the node id. */
  start(): Promise<void> {
    return this.#register(true)
  }

  /** What `describe` says has changed. */
  update(): void {
    this.#updates.trigger()
  }

  /** The store shows another record, or none, although the session seems to live: whoever removed it wants this process out. */
  recordSeen(entry: Entry | undefined): void {
    const registration = this.#registration
    if (registration === undefined || entry?.version === registration.version) return
    if (entry !== undefined && readRecord(entry)?.incarnation === registration.session.id) return
    void this.#verify(registration)
  }

  /** Ends the session by this node's own decision, and keeps out until {@link rejoin}. */
  leave(reason: string): void {
    this.#staysOut = true
    const registration = this.#registration
    if (registration === undefined) return
    this.#lose(registration, reason)
    void registration.session.close()
  }

  /**
   * The store answers again. A session that was asked for while it did not may be waited for until the store's time-out, which is longer than the leader's patience
   * with those who come back: it is asked for anew.
   */
  storeRegained(): void {
    this.#askAnew?.()
    this.#comeBack()
  }

  rejoin(): void {
    this.#staysOut = false
    this.#comeBack()
  }

  /** Not before the first registration, which is `start`'s. */
  #comeBack(): void {
    const wasRegistered = this.#awaySinceMs < Number.POSITIVE_INFINITY
    if (wasRegistered && this.#registration === undefined && !this.#staysOut) this.#rejoin.trigger()
  }

  /** Ends the session: its keys vanish at once. What it protected must have ended before. */
  async close(): Promise<void> {
    this.#closing.abort()
    const loops = [this.#rejoin.stop(), this.#updates.stop()]
    const registration = this.#registration
    this.#registration = undefined
    await registration?.session.close()
    await Promise.all(loops)
  }

  async #register(first: boolean): Promise<void> {
    if (this.#registration !== undefined || this.#staysOut || this.#closing.signal.aborted) return
    const { runtime, beforeRegistering } = this.#options
    const session = await this.#open()
    try {
      await beforeRegistering(first ? undefined : Math.max(0, runtime.leaseMs() - this.#awaySinceMs))
      const registration = await this.#putRecord(session, first)
      if (registration === undefined || this.#closing.signal.aborted || this.#staysOut) return await session.close()
      this.#enter(registration)
    } catch (error) {
      await session.close()
      throw error
    }
  }

  async #open(): Promise<Session> {
    const { runtime, store, ttlMs } = this.#options
    for (;;) {
      const opening = store.openSession({ ttlMs })
      const regained = new Promise<undefined>((resolve) => {
        // After a turn of the event loop: it may be just this answer by which the store is known to answer.
        this.#askAnew = () => void runtime.setTimer(() => resolve(undefined), 0)
      })
      const session = await Promise.race([opening, regained]).finally(() => {
        this.#askAnew = undefined
      })
      if (session !== undefined) return session
      opening.then(
        (late) => late.close(),
        () => {},
      )
    }
  }

  #enter(registration: Registration): void {
    const { session, self } = registration
    this.#registration = registration
    const lost = (): void => this.#lose(registration, String((session.lost.reason as Error | undefined)?.message ?? 'the session was lost'))
    if (session.lost.aborted) return lost()
    session.lost.addEventListener('abort', lost, { once: true })
    this.#options.onRegistered(self, session)
  }

  #lose(registration: Registration, reason: string): void {
    if (this.#registration !== registration) return
    this.#registration = undefined
    this.#awaySinceMs = Math.min(this.#options.runtime.leaseMs(), registration.session.safeUntil())
    this.#options.onLost(registration.self, reason)
    if (!this.#staysOut) this.#rejoin.trigger()
  }

  /** Undefined: closed in between. */
  async #putRecord(session: Session, first: boolean): Promise<Registration | undefined> {
    const { runtime, store, key, describe, onError } = this.#options
    const description = describe()
    const self: Owner = { nodeId: description.nodeId, processId: description.processId, incarnation: session.id }
    const record = encodeNodeRecord({ ...description, incarnation: session.id })
    let ifVersion: string | null = null
    let foreignSince: { readonly version: string; readonly untilMs: number } | undefined
    while (!this.#closing.signal.aborted) {
      if (session.lost.aborted) throw session.lost.reason
      try {
        const put = await store.put(key, record, { ifVersion, session })
        if (put.ok) return { session, self, version: put.version, record }
        if (put.conflict === 'session') throw new SessionLostError(`session ${session.id} ended before ${key} was registered`)
      } catch (error) {
        if (!(error instanceof UnknownOutcomeError) && (first || !(error instanceof StoreUnavailableError))) throw error
        onError(error)
      }
      const present = await store.get(key)
      ifVersion = null
      if (present === undefined) continue
      // The answer to our own put was lost.
      const other = readRecord(present)
      if (other?.incarnation === session.id) return { session, self, version: present.version, record: present.value }
      if (other !== undefined && (other.processId === self.processId || this.#options.wasOurs(other.processId))) {
        // Of our own former session: nobody else can have had this process id.
        ifVersion = present.version
        continue
      }
      if (foreignSince === undefined || foreignSince.version !== present.version) {
        if (foreignSince !== undefined && first) throw taken(self.nodeId, other)
        foreignSince = { version: present.version, untilMs: runtime.monotonicMs() + session.ttlMs + EXPIRY_MARGIN_MS }
      } else if (runtime.monotonicMs() >= foreignSince.untilMs) {
        throw taken(self.nodeId, other)
      }
      // Our predecessor's, most likely: killed a moment ago, and its key lives on for up to one TTL. A live process keeps it longer.
      await pause(runtime, POLL_MS, this.#closing.signal)
    }
    return undefined
  }

  async #update(): Promise<void> {
    const registration = this.#registration
    if (registration === undefined) return
    const { store, key, describe } = this.#options
    const record = encodeNodeRecord({ ...describe(), incarnation: registration.session.id })
    if (record === registration.record) return
    const put = await store.put(key, record, { ifVersion: registration.version, session: registration.session })
    if (put.ok) {
      registration.version = put.version
      registration.record = record
    } else {
      await this.#verify(registration)
      throw new StoreUnavailableError(`the record under ${key} could not be written: ${put.conflict}`)
    }
  }

  /** Reads the record: a lost answer is made good, a record that is gone ends the session. */
  async #verify(registration: Registration): Promise<void> {
    const { store, key, onError } = this.#options
    try {
      const present = await store.get(key)
      if (this.#registration !== registration) return
      if (present !== undefined && readRecord(present)?.incarnation === registration.session.id) {
        registration.version = present.version
        registration.record = present.value
        return
      }
      this.#lose(registration, 'its record in the store was removed or replaced')
      await registration.session.close()
    } catch (error) {
      onError(error)
    }
  }
}

function readRecord(entry: Entry): NodeRecord | undefined {
  try {
    return parseNodeRecord(entry.key, entry.value)
  } catch {
    return undefined
  }
}

function taken(nodeId: string, other: NodeRecord | undefined): NodeIdTakenError {
  const who = other === undefined ? 'somebody' : `process ${other.processId} at ${other.address}`
  return new NodeIdTakenError(`node id '${nodeId}' belongs to ${who}, which is alive; give each node an id of its own (option nodeId)`)
}
