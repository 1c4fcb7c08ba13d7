// The embedded metadata store: core's contract over a database in this process, or over a socket to one in another.

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
import { memoryCapabilities } from './capabilities.ts'
import { EmbeddedDatabase } from './embedded-database.ts'
import { LocalLink } from './local-link.ts'
import type { MemoryLink } from './memory-link.ts'
import { type MemoryMetadataStoreOptions, resolveServerAddress } from './options.ts'
import { TcpLink } from './tcp-link.ts'

export class MemoryMetadataStore extends BaseMetadataStore {
  readonly capabilities: StoreCapabilities = memoryCapabilities
  readonly #link: MemoryLink

  constructor(options: MemoryMetadataStoreOptions = {}) {
    super(options)
    const server = resolveServerAddress(options)
    this.#link =
      server === undefined
        ? new LocalLink(options.database ?? new EmbeddedDatabase({ runtime: this.runtime }), this.runtime, options.faults)
        : new TcpLink({ ...server, runtime: this.runtime })
  }

  protected override get endpoint(): string {
    return this.#link.endpoint
  }

  protected override _open(call: StoreCall): Promise<void> {
    return this.#link.open(call)
  }

  protected override _close(): Promise<void> {
    return this.#link.close()
  }

  protected override async _ping(call: StoreCall): Promise<void> {
    await this.#link.request({ op: 'ping' }, call)
  }

  protected override _storeId(call: StoreCall): Promise<string> {
    return this.#link.request({ op: 'storeId' }, call)
  }

  protected override async _get(key: string, call: StoreCall): Promise<Entry | undefined> {
    return (await this.#link.request({ op: 'get', key }, call)) ?? undefined
  }

  protected override _list(prefix: string, call: StoreCall): Promise<readonly Entry[]> {
    return this.#link.request({ op: 'list', prefix }, call)
  }

  protected override _put(key: string, value: string, request: PutRequest, call: StoreCall): Promise<WriteResult> {
    return this.#link.request({ op: 'put', key, value, ...request }, call)
  }

  protected override _putBatch(entries: readonly KeyValue[], request: BatchRequest, call: StoreCall): Promise<PutAllResult> {
    return this.#link.request({ op: 'putAll', entries, ...request }, call)
  }

  protected override _delete(key: string, request: DeleteOptions, call: StoreCall): Promise<WriteResult> {
    return this.#link.request({ op: 'delete', key, ...request }, call)
  }

  protected override async _openSession(ttlMs: number, call: StoreCall): Promise<{ id: string; ttlMs: number }> {
    const id = newIdentity(this.runtime)
    await this.#link.request({ op: 'openSession', session: id, ttlMs }, call)
    return { id, ttlMs }
  }

  protected override async _renewSession(id: string, call: StoreCall): Promise<number | undefined> {
    return (await this.#link.request({ op: 'renewSession', session: id }, call)) ?? undefined
  }

  protected override async _closeSession(id: string, call: StoreCall): Promise<void> {
    await this.#link.request({ op: 'closeSession', session: id }, call)
  }

  protected override _watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void> {
    return this.#link.watch(prefix, sink, call)
  }
}
