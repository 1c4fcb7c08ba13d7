// Running a hook as a turn: the same time-out, the same context rules, and no way for it to break the system.

import { ActorFailedError } from '../errors.ts'
import { formatAddress } from '../messaging/address.ts'
import { type Activation, HOOK } from './activation.ts'
import { attend } from './after-turn.ts'
import { AsyncTurn, isThenable } from './async-turn.ts'
import { BUSY } from './cell.ts'
import { currentTurn } from './current-turn.ts'

/** Undefined: it went well. */
export type HookOutcome = { readonly error: unknown } | undefined

export type HookName = 'onStart' | 'onStop' | 'onPassivate'

export function callHook(activation: Activation, name: HookName, hook: (ctx: Activation) => unknown): HookOutcome | Promise<HookOutcome> {
  let value: unknown
  activation.cell.takeBack()
  activation.head = HOOK
  currentTurn.activation = activation
  try {
    value = hook(activation)
  } catch (error) {
    return { error }
  } finally {
    currentTurn.activation = undefined
    activation.clearTurn()
  }
  if (typeof value !== 'object' || value === null || !isThenable(value)) return undefined
  activation.head = HOOK
  const promise = value
  return new Promise((resolve) => new HookTurn(activation, name, resolve).follow(promise))
}

class HookTurn extends AsyncTurn {
  readonly #name: HookName
  readonly #resolve: (outcome: HookOutcome) => void

  constructor(activation: Activation, name: HookName, resolve: (outcome: HookOutcome) => void) {
    super(activation)
    this.#name = name
    this.#resolve = resolve
  }

  override discard(): void {
    this.abandon()
    // Whoever awaits it sees that the actor is gone.
    this.#resolve(undefined)
  }

  protected override ended(threw: boolean, value: unknown): void {
    this.#finish(threw ? { error: value } : undefined)
  }

  protected override timedOut(): void {
    const { cell } = this.activation
    const { turnTimeoutMs } = cell.cohort.definition
    this.abandon()
    const error = new ActorFailedError(formatAddress(cell), `its ${this.#name} took longer than turnTimeoutMs (${turnTimeoutMs} ms)`)
    this.activation.end(true)
    this.#finish({ error })
  }

  #finish(outcome: HookOutcome): void {
    const { cell } = this.activation
    this.activation.clearTurn()
    cell.flags &= ~BUSY
    attend(cell)
    this.#resolve(outcome)
  }
}
