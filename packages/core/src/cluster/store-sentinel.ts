// A metadata store that tells whether it answered: every operation of the cluster passes here, so that an outage is known from the first failure to the
// first answer. Adds a deadline of its own to pings, and nothing else.

import { StoreUnavailableError, UnknownOutcomeError } from '../errors.ts'
import type { Campaign, Entry, MetadataStore, PutAllResult, StoreCapabilities, Watch, WriteResult } from '../metadata/metadata-store.ts'
import type { Session } from '../metadata/session.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { within } from './pause.ts'

export interface SentinelListener {
  storeAnswered(): void
  /** `sinceMs`: when the operation that failed began, on the monotonic clock. */
  storeFailed(error: unknown, sinceMs: number): void
}

export class StoreSentinel implements MetadataStore {
  readonly #store: MetadataStore
  readonly #runtime: Runtime
  readonly #pingWithinMs: number
  #listener: SentinelListener | undefined
  /** When the last answer came, on the monotonic clock. */
  #answeredAtMs = Number.NEGATIVE_INFINITY

  /** `pingWithinMs`: a store that answers a ping later than that is told to have failed, until it does answer. */
  constructor(store: MetadataStore, runtime: Runtime, pingWithinMs: number) {
    this.#store = store
    this.#runtime = runtime
    this.#pingWithinMs = pingWithinMs
  }

  /** Whom to tell, once there is somebody. */
  tell(listener: SentinelListener): void {
    this.#listener = listener
  }

  get capabilities(): StoreCapabilities {
    return this.#store.capabilities
  }

  open(): Promise<void> {
    return this.#observe(this.#store.open())
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#store.close()
  }

  storeId(): Promise<string> {
    return this.#observe(this.#store.storeId())
  }

  /** An operation may take the store's whole time-out, which is longer than most leases: an outage has to be known before they are over. */
  async ping(): Promise<number> {
    const sinceMs = this.#runtime.monotonicMs()
    const late = (): StoreUnavailableError =>
      new StoreUnavailableError(`the store has not answered a ping within ${Math.round(this.#pingWithinMs)} ms`)
    try {
      return await within(this.#runtime, this.#observe(this.#store.ping()), this.#pingWithinMs, late)
    } catch (error) {
      this.#failed(error, sinceMs)
      throw error
    }
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#observe(this.#store.get(key))
  }

  list(prefix: string): Promise<readonly Entry[]> {
    return this.#observe(this.#store.list(prefix))
  }

  put(...args: Parameters<MetadataStore['put']>): Promise<WriteResult> {
    return this.#observe(this.#store.put(...args))
  }

  putAll(...args: Parameters<MetadataStore['putAll']>): Promise<PutAllResult> {
    return this.#observe(this.#store.putAll(...args))
  }

  delete(...args: Parameters<MetadataStore['delete']>): Promise<WriteResult> {
    return this.#observe(this.#store.delete(...args))
  }

  openSession(options: { readonly ttlMs: number }): Promise<Session> {
    return this.#observe(this.#store.openSession(options))
  }

  campaign(key: string, session: Session, value: string): Campaign {
    return this.#store.campaign(key, session, value)
  }

  watch(...args: Parameters<MetadataStore['watch']>): Promise<Watch> {
    return this.#observe(this.#store.watch(...args))
  }

  async #observe<T>(operation: Promise<T>): Promise<T> {
    const sinceMs = this.#runtime.monotonicMs()
    try {
      const value = await operation
      this.#answeredAtMs = this.#runtime.monotonicMs()
      this.#listener?.storeAnswered()
      return value
    } catch (error) {
      this.#failed(error, sinceMs)
      throw error
    }
  }

  /** What was asked before the last answer came says nothing of the time since: it may have been lost in an outage that is over. */
  #failed(error: unknown, sinceMs: number): void {
    const isOutage = error instanceof StoreUnavailableError || error instanceof UnknownOutcomeError
    if (isOutage && sinceMs >= this.#answeredAtMs) this.#listener?.storeFailed(error, sinceMs)
  }
}
