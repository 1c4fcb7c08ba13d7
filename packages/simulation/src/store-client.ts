// The metadata store as one simulated process holds it: core's base class (sessions, campaigns, deadlines, retries are the real ones) over requests
// to the simulated server.

import {
  BaseMetadataStore,
  type BatchRequest,
  type DeleteOptions,
  type Entry,
  type KeyValue,
  newIdentity,
  type PutAllResult,
  type PutRequest,
  type StoreCall,
  type StoreCapabilities,
  type WatchSink,
  type WriteResult,
} from '@cajun/core/adapter'
import type { SimulatedProcess } from './host.ts'
import type { SimulatedStore } from './store.ts'

export const simulatedStoreCapabilities: StoreCapabilities = {
  linearizable: true,
  fencing: true,
  atomicBatch: true,
  maxBatch: 64,
  maxValueBytes: 1 << 20,
  watch: 'every',
}

export class SimulatedMetadataStore extends BaseMetadataStore {
  readonly capabilities: StoreCapabilities = simulatedStoreCapabilities
  protected override readonly endpoint = 'the simulated store'
  readonly #server: SimulatedStore
  readonly #process: SimulatedProcess

  constructor(
    server: SimulatedStore,
    process: SimulatedProcess,
    options: { readonly timeoutMs?: number; readonly onError?: (error: unknown) => void } = {},
  ) {
    super({ runtime: process.runtime, timeoutMs: options.timeoutMs ?? 1_500, ...(options.onError && { onError: options.onError }) })
    this.#server = server
    this.#process = process
  }

  protected override async _open(call: StoreCall): Promise<void> {
    await this._ping(call)
  }

  protected override async _close(): Promise<void> {}

  protected override _ping(_call: StoreCall): Promise<void> {
    return this.#server.request(this.#process, 'read', () => undefined)
  }

  protected override _storeId(_call: StoreCall): Promise<string> {
    return this.#server.request(this.#process, 'read', (database) => database.storeId)
  }

  protected override _get(key: string, _call: StoreCall): Promise<Entry | undefined> {
    return this.#server.request(this.#process, 'read', (database) => database.get(key))
  }

  protected override _list(prefix: string, _call: StoreCall): Promise<readonly Entry[]> {
    return this.#server.request(this.#process, 'read', (database) => database.list(prefix))
  }

  protected override _put(key: string, value: string, request: PutRequest, _call: StoreCall): Promise<WriteResult> {
    return this.#server.request(this.#process, 'write', (database) => database.put(key, value, request))
  }

  protected override _putBatch(entries: readonly KeyValue[], request: BatchRequest, _call: StoreCall): Promise<PutAllResult> {
    return this.#server.request(this.#process, 'write', (database) => database.putAll(entries, request))
  }

  protected override _delete(key: string, request: DeleteOptions, _call: StoreCall): Promise<WriteResult> {
    return this.#server.request(this.#process, 'write', (database) => database.delete(key, request))
  }

  protected override async _openSession(ttlMs: number, _call: StoreCall): Promise<{ id: string; ttlMs: number }> {
    const id = newIdentity(this.runtime)
    await this.#server.request(this.#process, 'session', (database) => database.openSession(id, ttlMs))
    return { id, ttlMs }
  }

  protected override _renewSession(id: string, _call: StoreCall): Promise<number | undefined> {
    return this.#server.request(this.#process, 'session', (database) => database.renewSession(id))
  }

  protected override async _closeSession(id: string, _call: StoreCall): Promise<void> {
    await this.#server.request(this.#process, 'session', (database) => database.closeSession(id))
  }

  protected override _watch(prefix: string, sink: WatchSink, _call: StoreCall): Promise<() => void> {
    return this.#server.watch(this.#process, prefix, sink)
  }
}
