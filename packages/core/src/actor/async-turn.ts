// What turns and hooks have in common that have not ended when their function returned: the actor is busy, and a deadline runs.

import { Deadline } from '../runtime/deadline-sweep.ts'
import type { Activation } from './activation.ts'
import { BUSY } from './cell.ts'

export function isThenable(value: object): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown }).then === 'function'
}

/** A turn or hook that has not ended when its function returned. Its deadline is the turn time-out. */
export abstract class AsyncTurn extends Deadline {
  readonly activation: Activation
  #isOver = false

  constructor(activation: Activation) {
    super()
    this.activation = activation
  }

  follow(promise: PromiseLike<unknown>): void {
    const { cell } = this.activation
    const { host, definition } = cell.cohort
    cell.flags |= BUSY
    cell.turn = this
    if (definition.turnTimeoutMs !== Number.POSITIVE_INFINITY) {
      host.deadlines.add(this, host.queue.nowTick + definition.turnTimeoutMs)
    }
    promise.then(
      (value) => this.#settled(false, value),
      (error: unknown) => this.#settled(true, error),
    )
  }

  /** Whatever comes of it is ignored from now on. */
  abandon(): void {
    this.#isOver = true
    const { cell } = this.activation
    cell.cohort.host.deadlines.remove(this)
    cell.turn = undefined
  }

  /** The ownership was lost. */
  discard(): void {
    this.abandon()
  }

  override expired(): void {
    if (!this.#isOver) this.timedOut()
  }

  #settled(threw: boolean, value: unknown): void {
    if (this.#isOver) return
    this.abandon()
    this.ended(threw, value)
  }

  protected abstract ended(threw: boolean, value: unknown): void
  protected abstract timedOut(): void
}
