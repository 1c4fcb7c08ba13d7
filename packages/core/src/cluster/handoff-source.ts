// The old owner's side of handoffs: seals a unit, ships its whole copy, and reports it released until the document says what became of it.
// A few at a time, so that each unit stands still only briefly. Nothing here decides ownership: a job ends when `end` is called, because
// a document superseded it.
//
//   queued ──slot free──> sealing ──turns in hand ended──> shipping ──ship-copied──> released (reported again and again)
//                                                            ▲    │ ship-again, or no answer in time
//                                                            └────┘

import { type Unit, unitKey } from '../delivery/placement-view.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { type HandoffMessage, toWireUnit } from './control-messages.ts'
import { pause } from './pause.ts'
import type { Owner } from './placement-document.ts'

export interface HandoffSourceOptions {
  readonly runtime: Runtime
  /** How many are sealed and not yet released at a time. */
  readonly concurrent: number
  /** Resolves when the unit runs nothing any more. */
  readonly seal: (unit: Unit, epoch: number) => Promise<void>
  /** The sealed unit's copy in chunks; may be asked for several times. */
  readonly chunks: (unit: Unit, epoch: number) => Iterable<Uint8Array>
  readonly send: (to: PeerId, message: HandoffMessage) => void
  readonly drained: (to: PeerId) => Promise<void>
  /** Whom to report to; undefined while nobody leads. */
  readonly leader: () => PeerId | undefined
  readonly onError: (error: unknown) => void
}

interface Job {
  readonly unit: Unit
  readonly epoch: number
  readonly handoffId: string
  readonly target: Owner
  state: 'queued' | 'sealing' | 'shipping' | 'released'
  attempt: number
  readonly over: AbortController
  /** Wakes whoever waits for the target's answer. */
  answered: (() => void) | undefined
}

/** An answer that does not come within this: the copy is shipped again. */
const ANSWER_WITHIN_MS = 3_000
const REPORT_EVERY_MS = 300

export class HandoffSource {
  readonly #options: HandoffSourceOptions
  /** By unit. */
  readonly #jobs = new Map<string, Job>()
  #reports: Timer | undefined

  constructor(options: HandoffSourceOptions) {
    this.#options = options
  }

  /** The document asks for it. The same handoff again changes nothing. */
  begin(unit: Unit, epoch: number, handoffId: string, target: Owner): void {
    const key = unitKey(unit)
    const present = this.#jobs.get(key)
    if (present?.handoffId === handoffId && present.epoch === epoch) return
    this.end(unit)
    this.#jobs.set(key, { unit, epoch, handoffId, target, state: 'queued', attempt: 0, over: new AbortController(), answered: undefined })
    this.#startNext()
  }

  /** A document ended it: whatever it was at, nothing more is sent. */
  end(unit: Unit): void {
    const job = this.#jobs.get(unitKey(unit))
    if (job === undefined) return
    this.#jobs.delete(unitKey(unit))
    job.over.abort()
    this.#startNext()
  }

  endAll(): void {
    const jobs = [...this.#jobs.values()]
    this.#jobs.clear()
    for (const job of jobs) job.over.abort()
    this.#reports?.cancel()
    this.#reports = undefined
  }

  receive(from: PeerId, message: Extract<HandoffMessage, { t: 'ship-copied' | 'ship-again' }>): void {
    for (const job of this.#jobs.values()) {
      if (job.handoffId !== message.handoffId || job.target.processId !== from.processId) continue
      if (job.state !== 'shipping') return
      if (message.t === 'ship-copied') this.#release(job)
      else if (message.attempt !== job.attempt) return
      job.answered?.()
      return
    }
  }

  /** Somebody else leads, or may: what is released is reported to him at once. */
  leaderChanged(): void {
    this.#report()
  }

  /** Whether the unit is being handed over and under which id. */
  handoffOf(unit: Unit): { readonly handoffId: string; readonly target: Owner } | undefined {
    return this.#jobs.get(unitKey(unit))
  }

  get size(): number {
    return this.#jobs.size
  }

  #startNext(): void {
    let busy = 0
    for (const job of this.#jobs.values()) if (job.state === 'sealing' || job.state === 'shipping') busy++
    for (const job of this.#jobs.values()) {
      if (busy >= this.#options.concurrent) return
      if (job.state !== 'queued') continue
      busy++
      job.state = 'sealing'
      void this.#work(job)
    }
  }

  async #work(job: Job): Promise<void> {
    const { signal } = job.over
    try {
      await this.#options.seal(job.unit, job.epoch)
      if (signal.aborted) return
      job.state = 'shipping'
      while (job.state === 'shipping' && !signal.aborted) {
        try {
          await this.#ship(job)
        } catch (error) {
          // The target's process may be gone: the leader will say so. Until then it is tried again.
          if (!signal.aborted) this.#options.onError(error)
          await pause(this.#options.runtime, 200, signal)
        }
      }
    } catch (error) {
      this.#options.onError(error)
    } finally {
      this.#startNext()
    }
  }

  async #ship(job: Job): Promise<void> {
    const { runtime, send, drained, chunks } = this.#options
    const { handoffId, target } = job
    const { signal } = job.over
    const attempt = ++job.attempt
    send(target, { t: 'ship-begin', handoffId, attempt, unit: toWireUnit(job.unit), epoch: job.epoch })
    let seq = 0
    for (const bytes of chunks(job.unit, job.epoch)) {
      await drained(target)
      if (signal.aborted || job.state !== 'shipping') return
      send(target, { t: 'ship-chunk', handoffId, attempt, seq: seq++, bytes })
    }
    send(target, { t: 'ship-end', handoffId, attempt, chunks: seq })
    const wait = new AbortController()
    const stop = (): void => wait.abort()
    job.answered = stop
    signal.addEventListener('abort', stop, { once: true })
    await pause(runtime, ANSWER_WITHIN_MS, wait.signal)
    signal.removeEventListener('abort', stop)
    job.answered = undefined
  }

  #release(job: Job): void {
    job.state = 'released'
    this.#startNext()
    this.#report()
  }

  /** Level-triggered: reported until the document ends the job, whoever leads and whatever was lost. */
  #report(): void {
    this.#reports?.cancel()
    this.#reports = undefined
    const leader = this.#options.leader()
    let released = false
    for (const job of this.#jobs.values()) {
      if (job.state !== 'released') continue
      released = true
      if (leader === undefined) continue
      this.#options.send(leader, { t: 'released', handoffId: job.handoffId, unit: toWireUnit(job.unit), epoch: job.epoch })
    }
    if (released) this.#reports = this.#options.runtime.setTimer(() => this.#report(), REPORT_EVERY_MS)
  }
}
