// A message between two actors of one process that somebody waits for, or that has a deadline or signal of its own.
// Plain local tells need no object at all: they stand in the mailbox as type, payload and sender.
// The object is the slot of an outstanding ask: no table, no id, no timer of its own.

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import type { Message } from '../delivery/message.ts'
import { ActorFailedError, DeliveryUnknownError, NotExecutedError } from '../errors.ts'
import { type ActorAddress, formatAddress } from '../messaging/address.ts'
import { Deadline } from '../runtime/deadline-sweep.ts'
import type { Cell } from './cell.ts'

export type LocalMode = 'tell' | 'send' | 'ask'

type State = 'queued' | 'in-hand' | 'ended'

export class LocalMessage extends Deadline implements Message {
  readonly cell: Cell
  readonly type: string
  readonly payload: unknown
  readonly mode: LocalMode
  readonly sender: ActorAddress | undefined
  readonly chain: readonly string[] | undefined
  state: State = 'queued'
  resolve: ((value: unknown) => void) | undefined = undefined
  reject: ((error: unknown) => void) | undefined = undefined
  #messageId: string | undefined = undefined
  #forgetSignal: (() => void) | undefined = undefined

  constructor(
    cell: Cell,
    type: string,
    payload: unknown,
    mode: LocalMode,
    sender: ActorAddress | undefined,
    chain: readonly string[] | undefined,
  ) {
    super()
    this.cell = cell
    this.type = type
    this.payload = payload
    this.mode = mode
    this.sender = sender
    this.chain = chain
  }

  get isAsk(): boolean {
    return this.mode === 'ask'
  }

  /** Local sends and asks wait for room at the sender's side (`local-delivery.ts`); tells never wait. */
  get isReliable(): boolean {
    return this.mode !== 'tell'
  }

  get messageId(): string {
    this.#messageId ??= this.cell.cohort.host.newMessageId()
    return this.#messageId
  }

  heed(signal: AbortSignal): void {
    const onAbort = (): void => this.#giveUp('aborted', signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#forgetSignal = () => signal.removeEventListener('abort', onAbort)
  }

  begin(): boolean {
    if (this.state === 'ended') return false
    this.state = 'in-hand'
    return true
  }

  handled(reply: unknown): void {
    if (this.#end()) this.resolve?.(this.mode === 'ask' ? reply : undefined)
  }

  failed(error: unknown): void {
    if (!this.#end()) return
    if (this.reject !== undefined) this.reject(error)
    else this.#deadLetter('failed', error instanceof ActorFailedError ? error.cause : error)
  }

  /** Stashing is handling: a send has met its guarantee by it. An ask goes on waiting for its answer. */
  stashed(): void {
    if (this.mode !== 'send') return
    this.resolve?.(undefined)
    this.resolve = undefined
    this.reject = undefined
  }

  refused(reason: DeadLetterReason, error?: unknown): void {
    if (!this.#end()) return
    if (this.reject !== undefined) this.reject(error ?? new NotExecutedError(reason, this.#what()))
    else this.#deadLetter(reason, error)
  }

  returned(): void {
    this.refused('shutdown')
  }

  override expired(): void {
    this.#giveUp('deadline', undefined)
  }

  toSnapshot(): unknown {
    return { type: this.type, payload: this.payload }
  }

  #giveUp(reason: DeadLetterReason, cause: unknown): void {
    const inHand = this.state === 'in-hand'
    // A tell in hand is being handled: there is nobody to tell that it took long.
    if (inHand && this.reject === undefined) return
    if (!this.#end()) return
    const options = cause === undefined ? undefined : { cause }
    if (this.reject === undefined) this.#deadLetter(reason, cause)
    else if (inHand) this.reject(new DeliveryUnknownError(reason, this.#what(), this.messageId, options))
    else this.reject(new NotExecutedError(reason, this.#what(), options))
  }

  #end(): boolean {
    if (this.state === 'ended') return false
    this.state = 'ended'
    if (this.nextDeadline !== undefined) this.cell.cohort.host.deadlines.remove(this)
    this.#forgetSignal?.()
    return true
  }

  #what(): string {
    return `'${this.type}' to ${formatAddress(this.cell)}`
  }

  #deadLetter(reason: DeadLetterReason, error: unknown): void {
    this.cell.cohort.host.deadLetter({
      address: this.cell,
      type: this.type,
      payload: this.payload,
      reason,
      error,
      messageId: this.#messageId,
      sender: this.sender,
    })
  }
}
