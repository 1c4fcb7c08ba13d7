// What an adapter of a metadata store overrides, and what it is given: the whole of what a backend has to bring.
// `BaseMetadataStore` calls it, only between `_open` and `_close`, with arguments that were checked.

import { newIdentity } from '../runtime/identity.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { DeleteOptions, Entry, Guard, PutAllResult, StoreCapabilities, WriteResult } from './metadata-store.ts'
import type { Fate, StoreCall } from './store-call.ts'
import { type MetadataStoreOptions, resolveMetadataStoreOptions } from './store-options.ts'
import type { WatchSink } from './watch-feed.ts'

/** What `_put` is asked: a session is named by the id that `_openSession` returned. */
export interface PutRequest {
  readonly ifVersion?: string | null | undefined
  readonly guard?: Guard | undefined
  readonly session?: string | undefined
}

export interface BatchRequest {
  readonly guard?: Guard | undefined
  readonly session?: string | undefined
}

export interface KeyValue {
  readonly key: string
  readonly value: string
}

/** Where the store's own id stands, for adapters that leave `_storeId` to the base class. */
const STORE_ID_KEY = 'cajun-store-id'

/** Every method may reject with whatever its client library throws. */
export abstract class MetadataAdapter {
  abstract readonly capabilities: StoreCapabilities
  /** Names the server in errors; without secrets. */
  protected abstract readonly endpoint: string
  protected readonly runtime: Runtime
  protected readonly timeoutMs: number
  /** For what can't be rejected to anybody. Never throws. */
  protected readonly onError: (error: unknown) => void

  constructor(options: MetadataStoreOptions) {
    const { runtime, timeoutMs, onError } = resolveMetadataStoreOptions(options)
    this.runtime = runtime
    this.timeoutMs = timeoutMs
    this.onError = (error) => {
      try {
        onError(error)
      } catch {
        // A reporter that throws has nobody left to report to.
      }
    }
  }

  /** Connects. May be called again after it failed and `_close` cleaned up. */
  protected abstract _open(call: StoreCall): Promise<void>
  /** Releases everything, also after half an `_open`, and also twice. Nothing of the adapter may keep the process alive afterwards. */
  protected abstract _close(): Promise<void>
  /** One round trip to the server. */
  protected abstract _ping(call: StoreCall): Promise<void>
  protected abstract _get(key: string, call: StoreCall): Promise<Entry | undefined>
  protected abstract _list(prefix: string, call: StoreCall): Promise<readonly Entry[]>
  /** Never repeats by itself what has `ifVersion` or `guard`. */
  protected abstract _put(key: string, value: string, request: PutRequest, call: StoreCall): Promise<WriteResult>
  /** Unconditional writes of at most `capabilities.maxBatch` entries with different keys. */
  protected abstract _putBatch(entries: readonly KeyValue[], request: BatchRequest, call: StoreCall): Promise<PutAllResult>
  protected abstract _delete(key: string, request: DeleteOptions, call: StoreCall): Promise<WriteResult>
  /** May be called again when its answer was lost: the session of a lost answer ends by its TTL. */
  protected abstract _openSession(ttlMs: number, call: StoreCall): Promise<{ readonly id: string; readonly ttlMs: number }>
  /** The TTL granted anew, or `undefined` when the server says that the session has ended. */
  protected abstract _renewSession(id: string, call: StoreCall): Promise<number | undefined>
  /** Removes the session and its keys. Also called for a session that was lost, when the server may know nothing of it any more. */
  protected abstract _closeSession(id: string, call: StoreCall): Promise<void>
  /**
   * Feeds `sink` until the returned function is called: a snapshot before it resolves, then changes, and a snapshot after every gap, for as
   * long as the store is open. Disconnections are the adapter's to survive.
   */
  protected abstract _watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void | Promise<void>>

  /** What an error of the client library means. By default everything leaves the outcome in doubt, which is always safe to say. */
  protected _classify(_error: unknown): Fate {
    return 'in-doubt'
  }

  /** Called once, synchronously, when a session is lost or closed: stop whatever of the client library would keep it alive. */
  protected _dropSession(_id: string): void {}

  /** The fencing token of a leader key created with this version. By default the version itself, which must then be a number that only grows. */
  protected _tokenOf(version: string): number {
    const token = Number(version)
    if (!Number.isSafeInteger(token)) throw new Error(`version '${version}' is no fencing token; override _tokenOf`)
    return token
  }

  /** The key that holds the store's id is made by whoever comes first. */
  protected async _storeId(call: StoreCall): Promise<string> {
    const present = await this._get(STORE_ID_KEY, call)
    if (present !== undefined) return present.value
    const created = newIdentity(this.runtime)
    if ((await this._put(STORE_ID_KEY, created, { ifVersion: null }, call)).ok) return created
    const winner = await this._get(STORE_ID_KEY, call)
    if (winner === undefined) throw new Error(`key ${STORE_ID_KEY} was deleted while it was read; never delete it`)
    return winner.value
  }
}
