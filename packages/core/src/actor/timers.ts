// Timers of an activation. They fire into the mailbox, so the gate, the order of turns and supervision hold for them as for messages.

import { Deadline } from '../runtime/deadline-sweep.ts'
import type { Activation } from './activation.ts'
import { checkDuration } from './backoff.ts'
import { CLOSED } from './cell.ts'
import type { TimerSnapshot } from './snapshot.ts'

/** Stands in the mailbox itself when it has fired. */
export class ActorTimer extends Deadline {
  readonly key: string
  readonly type: string
  readonly payload: unknown
  /** 0: fires once. */
  readonly intervalMs: number
  isCancelled = false
  isQueued = false
  dueMs = 0
  readonly #timers: Timers

  constructor(timers: Timers, key: string, type: string, payload: unknown, intervalMs: number) {
    super()
    this.#timers = timers
    this.key = key
    this.type = type
    this.payload = payload
    this.intervalMs = intervalMs
  }

  override expired(): void {
    this.#timers.fired(this)
  }

  /** Taken out of the mailbox. `false`: it was cancelled, there is no turn to run. */
  taken(): boolean {
    this.isQueued = false
    if (this.isCancelled) return false
    if (this.intervalMs === 0) this.#timers.forget(this)
    return true
  }
}

export class Timers {
  readonly #activation: Activation
  readonly #byKey = new Map<string, ActorTimer>()

  constructor(activation: Activation) {
    this.#activation = activation
  }

  once(type: string, delayMs: number, payload?: unknown, key: string = type): void {
    this.#activation.assertLive()
    this.#set(new ActorTimer(this, key, type, payload, 0), checkDuration('delayMs', delayMs))
  }

  every(type: string, intervalMs: number, payload?: unknown, key: string = type): void {
    this.#activation.assertLive()
    if (checkDuration('intervalMs', intervalMs) < 1) throw new TypeError(`intervalMs is ${intervalMs}; it must be 1 or more`)
    this.#set(new ActorTimer(this, key, type, payload, intervalMs), intervalMs)
  }

  cancel(key: string): void {
    const timer = this.#byKey.get(key)
    if (timer === undefined) return
    timer.isCancelled = true
    this.#byKey.delete(key)
    this.#host.deadlines.remove(timer)
  }

  has(key: string): boolean {
    return this.#byKey.has(key)
  }

  cancelAll(): void {
    for (const key of [...this.#byKey.keys()]) this.cancel(key)
  }

  export(): TimerSnapshot[] {
    const now = this.#host.runtime.monotonicMs()
    return Array.from(this.#byKey.values(), (timer) => ({
      key: timer.key,
      type: timer.type,
      payload: timer.payload,
      // What has fired and was not handled fires at once over there.
      remainingMs: timer.isQueued ? 0 : Math.max(0, timer.dueMs - now),
      ...(timer.intervalMs > 0 && { intervalMs: timer.intervalMs }),
    }))
  }

  install(snapshot: TimerSnapshot): void {
    this.#set(new ActorTimer(this, snapshot.key, snapshot.type, snapshot.payload, snapshot.intervalMs ?? 0), snapshot.remainingMs)
  }

  fired(timer: ActorTimer): void {
    const { cell } = this.#activation
    if (timer.intervalMs > 0) this.#arm(timer, timer.intervalMs)
    // A tick that still waits is not joined by a second one: a slow actor would drown in them.
    if (timer.isQueued || (cell.flags & CLOSED) !== 0) return
    timer.isQueued = true
    const { host } = cell.cohort
    const mailbox = cell.needMailbox()
    mailbox.push(timer, undefined, undefined, 0)
    host.schedule(cell)
  }

  forget(timer: ActorTimer): void {
    if (this.#byKey.get(timer.key) === timer) this.#byKey.delete(timer.key)
  }

  get #host() {
    return this.#activation.cell.cohort.host
  }

  #set(timer: ActorTimer, delayMs: number): void {
    this.cancel(timer.key)
    this.#byKey.set(timer.key, timer)
    this.#arm(timer, delayMs)
  }

  #arm(timer: ActorTimer, delayMs: number): void {
    timer.dueMs = this.#host.runtime.monotonicMs() + delayMs
    this.#host.deadlines.add(timer, timer.dueMs)
  }
}
