// A store whose every answer the test decides: what the base class does with an adapter, and nothing else.

import { BaseMetadataStore } from '../../src/metadata/base-metadata-store.ts'
import type { BatchRequest, KeyValue, PutRequest } from '../../src/metadata/metadata-adapter.ts'
import type { DeleteOptions, Entry, PutAllResult, StoreCapabilities, WriteResult } from '../../src/metadata/metadata-store.ts'
import type { Fate, StoreCall } from '../../src/metadata/store-call.ts'
import type { MetadataStoreOptions } from '../../src/metadata/store-options.ts'
import type { WatchSink } from '../../src/metadata/watch-feed.ts'

export interface Request {
  readonly op: string
  readonly args: readonly unknown[]
  readonly call: StoreCall
}

export class ScriptedStore extends BaseMetadataStore {
  readonly capabilities: StoreCapabilities
  readonly endpoint = 'scripted://here'
  /** What was asked of the adapter, in order. */
  readonly requests: Request[] = []
  /** Decides every answer; a rejection is an error of the client library. */
  answer: (request: Request) => unknown
  fate: Fate = 'in-doubt'
  readonly dropped: string[] = []

  constructor(options: MetadataStoreOptions, answer: (request: Request) => unknown, capabilities: Partial<StoreCapabilities> = {}) {
    super({ timeoutMs: 1_000, ...options })
    this.answer = answer
    this.capabilities = {
      linearizable: true,
      fencing: true,
      atomicBatch: true,
      maxBatch: 3,
      maxBatchBytes: 100,
      maxValueBytes: 50,
      watch: 'every',
      ...capabilities,
    }
  }

  asked(op: string): Request[] {
    return this.requests.filter((request) => request.op === op)
  }

  async #ask(op: string, args: readonly unknown[], call: StoreCall): Promise<never> {
    const request = { op, args, call }
    this.requests.push(request)
    return (await this.answer(request)) as never
  }

  protected override _classify(): Fate {
    return this.fate
  }
  protected override _dropSession(id: string): void {
    this.dropped.push(id)
  }
  protected override _open(call: StoreCall): Promise<void> {
    return this.#ask('open', [], call)
  }
  protected override async _close(): Promise<void> {
    this.requests.push({ op: 'close', args: [], call: undefined as never })
  }
  protected override _ping(call: StoreCall): Promise<void> {
    return this.#ask('ping', [], call)
  }
  protected override _get(key: string, call: StoreCall): Promise<Entry | undefined> {
    return this.#ask('get', [key], call)
  }
  protected override _list(prefix: string, call: StoreCall): Promise<Entry[]> {
    return this.#ask('list', [prefix], call)
  }
  protected override _put(key: string, value: string, request: PutRequest, call: StoreCall): Promise<WriteResult> {
    return this.#ask('put', [key, value, request], call)
  }
  protected override _putBatch(entries: readonly KeyValue[], request: BatchRequest, call: StoreCall): Promise<PutAllResult> {
    return this.#ask('putBatch', [entries, request], call)
  }
  protected override _delete(key: string, request: DeleteOptions, call: StoreCall): Promise<WriteResult> {
    return this.#ask('delete', [key, request], call)
  }
  protected override _openSession(ttlMs: number, call: StoreCall): Promise<{ id: string; ttlMs: number }> {
    return this.#ask('openSession', [ttlMs], call)
  }
  protected override _renewSession(id: string, call: StoreCall): Promise<number | undefined> {
    return this.#ask('renewSession', [id], call)
  }
  protected override _closeSession(id: string, call: StoreCall): Promise<void> {
    return this.#ask('closeSession', [id], call)
  }
  protected override _watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void> {
    return this.#ask('watch', [prefix, sink], call)
  }
}

/** An answer that comes when the test says so. */
export function later<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** Never answers. */
export const silence = (): Promise<never> => new Promise(() => {})

/** The error a promise rejects with; fails when it resolves. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error & { code?: string; retryable?: boolean }> {
  try {
    await promise
  } catch (error) {
    return error as Error & { code?: string; retryable?: boolean }
  }
  throw new Error('it resolved; it should have been rejected')
}
